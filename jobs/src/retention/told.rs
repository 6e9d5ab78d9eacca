//! Telling what retention deleted: Harbor's `TAG_RETENTION`, one for each task.

use roadstead_model::webhook::{self, Deleted, Event, EventData, EventType};
use roadstead_model::{RetentionRule, RetentionSelector, Timestamp};
use roadstead_storage::tables::execution::Status;
use roadstead_storage::tables::retention::task::{self, Task};
use roadstead_storage::tables::retention::verdict::{self, Line, Verdict};
use roadstead_storage::tables::webhook_delivery;
use roadstead_storage::{Result, Tx};
use serde_json::Value;

use super::Run;

/// How many artifacts are named: `total` and `retained` say how many it were.
const MOST: i64 = 1000;
const SUCCESS: &str = "SUCCESS";
const FAIL: &str = "FAIL";

impl Run<'_> {
    /// Raises the event of a task that has ended. There is none of a dry run, and none of a task
    /// that deleted nothing and failed at nothing.
    pub(super) async fn tell(
        &self,
        tx: &mut Tx,
        ended: &Task,
        status: Status,
        now: Timestamp,
    ) -> Result<()> {
        if self.parameters.dry_run {
            return Ok(());
        }
        let kind = EventType::TagRetention;
        let listeners = webhook_delivery::listeners(tx, self.project, kind).await?;
        if listeners.is_empty() {
            return Ok(());
        }
        let gone = verdict::gone(tx, ended.id, MOST).await?;
        let Some(task) = task::find(tx, self.execution, ended.id).await? else { return Ok(()) };
        if gone.is_empty() && status == Status::Success {
            return Ok(());
        }
        let event = Event {
            kind,
            occur_at: now.seconds(),
            operator: self.trigger.clone(),
            request_id: String::new(),
            event_data: EventData {
                retention: Some(self.retention(&task, status, &gone)),
                ..EventData::default()
            },
        };
        webhook_delivery::insert(tx, &listeners, &[event], now).await?;
        Ok(())
    }

    fn retention(&self, task: &Task, status: Status, gone: &[Line]) -> webhook::Retention {
        let rules = self.parameters.rules.iter().flatten();
        let result = if status == Status::Success { SUCCESS } else { FAIL };
        webhook::Retention {
            total: task.total,
            retained: task.retained,
            harbor_hostname: String::new(),
            project_name: self.project_name.clone(),
            retention_policy_id: self.policy,
            retention_rule: rules.map(rule).collect(),
            result: result.to_owned(),
            deleted_artifact: gone.iter().map(|line| deleted(task, line)).collect(),
        }
    }
}

fn deleted(task: &Task, line: &Line) -> Deleted {
    let (_, below) = task.repository_name.split_once('/').unwrap_or_default();
    let first = line.tags.split(',').next().filter(|tag| !tag.is_empty());
    let failed = line.verdict == Verdict::Error.name();
    let reason = if failed { "it could not be deleted" } else { "" };
    Deleted {
        kind: "image".to_owned(),
        status: if failed { FAIL } else { SUCCESS }.to_owned(),
        name_tag: match first {
            Some(tag) => format!("{below}:{tag}"),
            None => format!("{below}@{}", line.digest),
        },
        fail_reason: reason.to_owned(),
    }
}

fn rule(of: &RetentionRule) -> webhook::RetentionRule {
    webhook::RetentionRule {
        template: of.template.clone(),
        params: of.params.clone(),
        tag_selectors: of.tag_selectors.iter().map(value).collect(),
        scope_selectors: of
            .scope_selectors
            .iter()
            .map(|(key, selectors)| (key.clone(), selectors.iter().map(value).collect()))
            .collect(),
    }
}

fn value(of: &RetentionSelector) -> Value {
    serde_json::to_value(of).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use roadstead_model::{ManifestId, RepositoryId};

    use super::*;

    #[test]
    fn what_could_not_be_deleted_says_so_and_what_has_no_tag_has_its_digest() {
        let task = Task {
            id: 1,
            execution: 1,
            repository: RepositoryId(1),
            repository_name: "team/sea/app".to_owned(),
            status: Status::Success.name().to_owned(),
            total: 2,
            retained: 1,
            note: String::new(),
            created_at: Timestamp(0),
            ended_at: None,
        };
        let line = |verdict: Verdict, tags: &str| Line {
            id: ManifestId(1),
            verdict: verdict.name().to_owned(),
            digest: "sha256:x".to_owned(),
            tags: tags.to_owned(),
            kind: "IMAGE".to_owned(),
            labels: String::new(),
            pushed_at: Timestamp(0),
            pulled_at: None,
            created_at: Timestamp(0),
        };
        let failed = deleted(&task, &line(Verdict::Error, "v1,v2"));
        assert_eq!((failed.status.as_str(), failed.name_tag.as_str()), (FAIL, "sea/app:v1"));
        assert!(!failed.fail_reason.is_empty());
        let gone = deleted(&task, &line(Verdict::Delete, ""));
        assert_eq!((gone.status.as_str(), gone.name_tag.as_str()), (SUCCESS, "sea/app@sha256:x"));
        assert_eq!(gone.fail_reason, "");
    }
}
