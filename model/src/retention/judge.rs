//! Judging the artifacts of a repository by the rules that cover it.

use std::time::Duration;

use super::rule::{RetentionTemplate, Rule};
use crate::Timestamp;

const DAY: Duration = Duration::from_hours(24);

/// An artifact that may have to go.
#[derive(Clone, Copy, Debug)]
pub struct RetentionCandidate<'a> {
    /// What tells it from others; of two that are equally old the greater one is newer.
    pub id: i64,
    /// Its tags.
    pub tags: &'a [String],
    /// When it, or a tag of it, was pushed last.
    pub pushed_at: Timestamp,
    /// When it, or a tag of it, was pulled last.
    pub pulled_at: Option<Timestamp>,
}

/// Why things were decided as they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetentionReason {
    /// By the rules.
    Rules,
    /// No rule has a selector of tags, so all stay.
    NothingEvaluated,
    /// The rules select no artifact at all, so all stay.
    NothingSelected,
}

/// What is decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetentionJudgement {
    /// For each candidate, in their order, whether it stays.
    pub retained: Vec<bool>,
    /// Why.
    pub reason: RetentionReason,
}

/// Judges candidates by the rules that cover their repository. An artifact stays when one of the
/// rules keeps it. Unless `delete_when_nothing_matches`, all stay where the rules select none.
pub fn judge_retention(
    rules: &[&Rule],
    candidates: &[RetentionCandidate<'_>],
    as_of: Timestamp,
    delete_when_nothing_matches: bool,
) -> RetentionJudgement {
    let all_stay = |reason| RetentionJudgement { retained: vec![true; candidates.len()], reason };
    let mut retained = vec![false; candidates.len()];
    let (mut evaluated, mut selected) = (false, false);
    for rule in rules.iter().filter(|rule| rule.is_evaluated()) {
        evaluated = true;
        let of_rule: Vec<usize> =
            (0..candidates.len()).filter(|at| rule.selects(candidates[*at].tags)).collect();
        selected |= !of_rule.is_empty();
        for kept in rule.kept(candidates, of_rule, as_of) {
            retained[kept] = true;
        }
    }
    if !evaluated {
        return all_stay(RetentionReason::NothingEvaluated);
    }
    if !selected && !delete_when_nothing_matches {
        return all_stay(RetentionReason::NothingSelected);
    }
    RetentionJudgement { retained, reason: RetentionReason::Rules }
}

impl Rule {
    /// Which of the artifacts that the rule selects it keeps.
    fn kept(
        &self,
        candidates: &[RetentionCandidate<'_>],
        selected: Vec<usize>,
        as_of: Timestamp,
    ) -> Vec<usize> {
        let time = |at: &usize| self.time_of(&candidates[*at]);
        match self.template {
            RetentionTemplate::Always => selected,
            RetentionTemplate::DaysSincePush
            | RetentionTemplate::DaysSincePull
            | RetentionTemplate::LastDays => {
                let day = i64::try_from(DAY.as_micros()).unwrap_or(i64::MAX);
                let since = Timestamp(as_of.0.saturating_sub(day.saturating_mul(self.number)));
                let young = |at: &usize| time(at).is_some_and(|time| time >= since);
                selected.into_iter().filter(young).collect()
            }
            RetentionTemplate::LatestPushed
            | RetentionTemplate::LatestPulled
            | RetentionTemplate::LatestActive => {
                let mut ranked = selected;
                // No time is before every time.
                ranked.sort_by_key(|at| std::cmp::Reverse((time(at), candidates[*at].id)));
                ranked.truncate(usize::try_from(self.number).unwrap_or(usize::MAX));
                ranked
            }
        }
    }

    /// The time that counts for an artifact; None for what never was.
    fn time_of(&self, candidate: &RetentionCandidate<'_>) -> Option<Timestamp> {
        let pushed = Some(candidate.pushed_at);
        match self.template {
            RetentionTemplate::LatestPulled | RetentionTemplate::DaysSincePull => {
                let otherwise = if self.never_pulled_is_old { None } else { pushed };
                candidate.pulled_at.or(otherwise)
            }
            RetentionTemplate::LatestActive => pushed.max(candidate.pulled_at),
            _ => pushed,
        }
    }
}

#[cfg(test)]
mod tests;
