//! Deciding: which repositories, and which of their artifacts.

use roadstead_model::{
    RetentionCandidate, RetentionJudgement, RetentionReason, Rule, judge_retention,
};
use roadstead_storage::Result;
use roadstead_storage::tables::execution;
use roadstead_storage::tables::retention::candidate::{self, Candidate};
use roadstead_storage::tables::retention::task::{self, Task};
use roadstead_storage::tables::retention::verdict::{self, Verdict};

use super::Run;

/// How many rows one transaction writes.
const BATCH: usize = 100;

impl Run<'_> {
    /// Makes a task for each repository that a rule covers, and notes the rules; false when the
    /// execution is not this worker's any more.
    pub(super) async fn make_tasks(&self) -> Result<bool> {
        let worker = self.worker;
        let all = task::repositories(&mut worker.db.read().await?, self.project).await?;
        let covered: Vec<_> =
            all.into_iter().filter(|(_, name)| self.covering(name).next().is_some()).collect();
        let Some(mut tx) = self.begin().await? else {
            return Ok(false);
        };
        task::remove_all(&mut tx, self.execution).await?;
        tx.commit().await?;
        for batch in covered.chunks(BATCH) {
            let Some(mut tx) = self.begin().await? else {
                return Ok(false);
            };
            for (repository, name) in batch {
                let now = worker.clock.now();
                task::insert(&mut tx, self.execution, (*repository, name), now).await?;
            }
            tx.commit().await?;
        }
        // With the rules noted the tasks are complete.
        let Some(mut tx) = self.begin().await? else {
            return Ok(false);
        };
        let parameters = serde_json::to_string(&self.parameters).unwrap_or_default();
        execution::note(&mut tx, self.execution, &parameters).await?;
        let line = format!("policy {}: {} repositories", self.policy, covered.len());
        execution::progress(&mut tx, self.execution, &line, worker.clock.now()).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// The rules that cover a repository, by its whole name.
    fn covering(&self, name: &str) -> impl Iterator<Item = &Rule> {
        let below = name.strip_prefix(&self.project_name).and_then(|rest| rest.strip_prefix('/'));
        let below = below.unwrap_or(name).to_owned();
        self.rules.iter().filter(move |rule| rule.covers(&below))
    }

    /// Decides about every artifact of a task and writes that down; false when the execution is not
    /// this worker's any more.
    pub(super) async fn decide(&self, of: &Task) -> Result<bool> {
        let worker = self.worker;
        let now = worker.clock.now();
        let candidates = candidate::all(&mut worker.db.read().await?, of.repository, now).await?;
        let judgement = self.judge(&of.repository_name, &candidates);
        let Some(mut tx) = self.begin().await? else {
            return Ok(false);
        };
        verdict::remove_all(&mut tx, of.id).await?;
        tx.commit().await?;
        let verdicts: Vec<_> = candidates
            .iter()
            .zip(&judgement.retained)
            .map(|(candidate, stays)| (candidate, self.verdict(candidate, *stays)))
            .collect();
        for batch in verdicts.chunks(BATCH) {
            let began = std::time::Instant::now();
            let Some(mut tx) = self.begin().await? else {
                return Ok(false);
            };
            for (candidate, verdict) in batch {
                verdict::insert(&mut tx, of.id, candidate, *verdict).await?;
            }
            tx.commit().await?;
            // Nothing is written for a moment, so that others have their turn.
            tokio::time::sleep(began.elapsed() / 4).await;
        }
        let total = i64::try_from(candidates.len()).unwrap_or(i64::MAX);
        let Some(mut tx) = self.begin().await? else {
            return Ok(false);
        };
        task::begin(&mut tx, of.id, total, self.note(&judgement, total)).await?;
        tx.commit().await?;
        Ok(true)
    }

    fn judge(&self, repository: &str, candidates: &[Candidate]) -> RetentionJudgement {
        let covering: Vec<&Rule> = self.covering(repository).collect();
        let judged: Vec<RetentionCandidate<'_>> = candidates
            .iter()
            .map(|candidate| RetentionCandidate {
                id: candidate.id.0,
                tags: &candidate.tags,
                pushed_at: candidate.pushed_at,
                pulled_at: candidate.pulled_at,
            })
            .collect();
        let is_confirmed = self.parameters.delete_when_nothing_matches;
        judge_retention(&covering, &judged, self.as_of, is_confirmed)
    }

    fn verdict(&self, candidate: &Candidate, stays: bool) -> Verdict {
        match (stays, candidate.immutable) {
            (true, _) => Verdict::Retain,
            (false, true) => Verdict::Immutable,
            (false, false) if self.parameters.dry_run => Verdict::Delete,
            (false, false) => Verdict::Wait,
        }
    }

    /// What is to be said of a decision beside its table.
    fn note(&self, judgement: &RetentionJudgement, total: i64) -> &'static str {
        match judgement.reason {
            _ if total == 0 => "There is no artifact here.\n",
            RetentionReason::NothingSelected => {
                "The rules select no artifact here, so nothing is deleted. To delete what no rule \
                 selects, set delete_when_nothing_matches.\n"
            }
            RetentionReason::NothingEvaluated => {
                "No rule has a selector of tags, so nothing is deleted.\n"
            }
            RetentionReason::Rules if self.parameters.dry_run => {
                "This is a dry run; nothing is deleted.\n"
            }
            RetentionReason::Rules => "",
        }
    }
}
