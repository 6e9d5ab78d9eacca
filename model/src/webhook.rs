//! Webhooks: which events there are, and what is told of one, in Harbor's words.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What can happen in a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EventType {
    /// A manifest was pushed.
    PushArtifact,
    /// A manifest was pulled.
    PullArtifact,
    /// A manifest was deleted.
    DeleteArtifact,
    /// A push was refused because the project is full.
    QuotaExceed,
    /// A push made a project nearly full.
    QuotaWarning,
    /// Retention went through a repository.
    TagRetention,
    /// An artifact could not be scanned.
    ScanningFailed,
    /// A scan was stopped.
    ScanningStopped,
    /// An artifact was scanned.
    ScanningCompleted,
    /// A replication ended.
    Replication,
}

impl EventType {
    /// Those that are raised.
    pub const RAISED: &'static [Self] = &[
        Self::PushArtifact,
        Self::PullArtifact,
        Self::DeleteArtifact,
        Self::QuotaExceed,
        Self::QuotaWarning,
        Self::TagRetention,
    ];

    /// The word in the database, in the API and in payloads.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PushArtifact => "PUSH_ARTIFACT",
            Self::PullArtifact => "PULL_ARTIFACT",
            Self::DeleteArtifact => "DELETE_ARTIFACT",
            Self::QuotaExceed => "QUOTA_EXCEED",
            Self::QuotaWarning => "QUOTA_WARNING",
            Self::TagRetention => "TAG_RETENTION",
            Self::ScanningFailed => "SCANNING_FAILED",
            Self::ScanningStopped => "SCANNING_STOPPED",
            Self::ScanningCompleted => "SCANNING_COMPLETED",
            Self::Replication => "REPLICATION",
        }
    }

    /// What a `CloudEvent` of it is called.
    pub const fn cloud_event(self) -> &'static str {
        match self {
            Self::PushArtifact => "harbor.artifact.pushed",
            Self::PullArtifact => "harbor.artifact.pulled",
            Self::DeleteArtifact => "harbor.artifact.deleted",
            Self::QuotaExceed => "harbor.quota.exceeded",
            Self::QuotaWarning => "harbor.quota.warned",
            Self::TagRetention => "harbor.tag_retention.finished",
            Self::ScanningFailed => "harbor.scan.failed",
            Self::ScanningStopped => "harbor.scan.stopped",
            Self::ScanningCompleted => "harbor.scan.completed",
            Self::Replication => "harbor.replication.status.changed",
        }
    }

    /// Those that Harbor has besides: a policy that was made for Harbor may ask for them, and hears
    /// nothing.
    const AWAITED: &'static [Self] =
        &[Self::ScanningFailed, Self::ScanningStopped, Self::ScanningCompleted, Self::Replication];

    /// The one with this name that a policy can ask for.
    pub fn known(name: &str) -> Option<Self> {
        Self::RAISED.iter().chain(Self::AWAITED).copied().find(|event| event.name() == name)
    }

    /// The one with this name that is raised.
    pub fn raised(name: &str) -> Option<Self> {
        Self::RAISED.iter().copied().find(|event| event.name() == name)
    }
}

/// A name for a delivery, by which a receiver knows one that comes again.
pub fn delivery_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Something that happened, as it is kept until it was told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// What.
    #[serde(rename = "type")]
    pub kind: EventType,
    /// When, in seconds since 1970.
    pub occur_at: i64,
    /// By whom.
    pub operator: String,
    /// The request that did it; `CloudEvents` have it.
    pub request_id: String,
    /// What it was about.
    pub event_data: EventData,
}

impl Event {
    /// Harbor's own format of it.
    pub fn payload(&self) -> serde_json::Value {
        serde_json::json!({
            "type": self.kind,
            "occur_at": self.occur_at,
            "operator": self.operator,
            "event_data": self.event_data,
        })
    }
}

/// What an event was about. What is empty is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventData {
    /// Manifests.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<Artifact>,
    /// Their repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<Repository>,
    /// What retention did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// More, for people: `Details`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub custom_attributes: BTreeMap<String, String>,
}

impl EventData {
    /// Fills in what is not known where something happens: the registry as clients name it,
    /// `host[:port]`.
    pub fn complete(&mut self, host: &str) {
        let repository = self.repository.as_ref().map_or("", |it| it.repo_full_name.as_str());
        for artifact in &mut self.resources {
            let (tag, digest) = (&artifact.tag, &artifact.digest);
            artifact.resource_url = if tag.is_empty() || tag == digest {
                format!("{host}/{repository}@{digest}")
            } else {
                format!("{host}/{repository}:{tag}")
            };
        }
        if let Some(retention) = &mut self.retention {
            host.clone_into(&mut retention.harbor_hostname);
        }
    }
}

/// A manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Artifact {
    /// Its digest.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// Its first tag, or the digest when it has none.
    pub tag: String,
    /// The host, the repository, and the tag or the digest; see [`EventData::complete`].
    #[serde(skip_serializing_if = "String::is_empty")]
    pub resource_url: String,
}

/// A repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Repository {
    /// When it was made, in seconds since 1970; 0 when it is not there.
    #[serde(skip_serializing_if = "is_zero")]
    pub date_created: i64,
    /// Its name below the project.
    pub name: String,
    /// The project's name.
    pub namespace: String,
    /// Both.
    pub repo_full_name: String,
    /// `public` or `private`.
    pub repo_type: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// What retention did in a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Retention {
    /// How many artifacts it looked at.
    pub total: i64,
    /// How many stayed.
    pub retained: i64,
    /// The registry; see [`EventData::complete`].
    #[serde(skip_serializing_if = "String::is_empty")]
    pub harbor_hostname: String,
    /// The project.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub project_name: String,
    /// The policy.
    #[serde(skip_serializing_if = "is_zero")]
    pub retention_policy_id: i64,
    /// Its rules.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retention_rule: Vec<RetentionRule>,
    /// `SUCCESS` or `FAIL`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub result: String,
    /// What went.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deleted_artifact: Vec<Deleted>,
}

/// A rule of retention.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RetentionRule {
    /// `latestPushedK` and the like.
    pub template: String,
    /// Its numbers.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, serde_json::Value>,
    /// Which tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tag_selectors: Vec<serde_json::Value>,
    /// Which repositories.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub scope_selectors: BTreeMap<String, Vec<serde_json::Value>>,
}

/// An artifact that retention deleted, or could not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Deleted {
    /// `image`.
    #[serde(rename = "type")]
    pub kind: String,
    /// How that went.
    pub status: String,
    /// Its repository and its tags.
    pub name_tag: String,
    /// Why it could not.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub fail_reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_empty_is_left_out_and_everything_comes_back() {
        let artifact = Artifact { digest: "sha256:1".into(), tag: "v1".into(), ..<_>::default() };
        let event = Event {
            kind: EventType::PushArtifact,
            occur_at: 1,
            operator: "admin".into(),
            request_id: String::new(),
            event_data: EventData { resources: vec![artifact], ..<_>::default() },
        };
        let text = serde_json::to_string(&event).unwrap();
        let expected = "{\"type\":\"PUSH_ARTIFACT\",\"occur_at\":1,\"operator\":\"admin\",\
             \"request_id\":\"\",\"event_data\":{\"resources\":[{\"digest\":\"sha256:1\",\
             \"tag\":\"v1\"}]}}";
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
    }

    #[test]
    fn the_names_are_those_that_serde_writes() {
        for event in EventType::RAISED.iter().chain(EventType::AWAITED) {
            let written = serde_json::to_string(event).unwrap();
            assert_eq!(written, format!("\"{}\"", event.name()));
            assert_eq!(EventType::known(event.name()), Some(*event));
            let raised = EventType::RAISED.contains(event).then_some(*event);
            assert_eq!(EventType::raised(event.name()), raised);
        }
        assert_eq!(EventType::raised("SCANNING_FAILED"), None);
    }
}
