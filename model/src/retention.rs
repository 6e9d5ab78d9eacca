//! Retention: which artifacts of a repository stay, and which are deleted.
//!
//! Rules are Harbor's, in its words. Two things are decided otherwise unless a rule or a policy asks
//! for what Harbor does: what was never pulled counts as pulled when it was pushed, and rules that
//! select nothing in a repository delete nothing there.

mod judge;
mod rule;
mod selector;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use judge::{RetentionCandidate, RetentionJudgement, RetentionReason, judge_retention};
pub use rule::{RetentionError, RetentionTemplate, Rule, never_pulled_parameter};

/// What schedules and executions of retention are called in the database and in the API.
pub const RETENTION: &str = "RETENTION";

/// A rule as it is written, in Harbor's form.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RetentionRule {
    /// Whether it is out of force.
    pub disabled: bool,
    /// `retain`, or empty for the same.
    pub action: String,
    /// The name of a [`RetentionTemplate`].
    pub template: String,
    /// The template's number under its name, and [`never_pulled_parameter`].
    pub params: BTreeMap<String, Value>,
    /// Which artifacts, by their tags: those that all of these select.
    pub tag_selectors: Vec<RetentionSelector>,
    /// Which repositories, under the key `repository`: those that all of these select.
    pub scope_selectors: BTreeMap<String, Vec<RetentionSelector>>,
}

/// A selector as it is written, in Harbor's form.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RetentionSelector {
    /// `doublestar`.
    pub kind: String,
    /// `matches`, `excludes`, `repoMatches` or `repoExcludes`.
    pub decoration: String,
    /// The pattern.
    pub pattern: String,
    /// JSON in a string: `{"untagged":true}`.
    pub extras: String,
}

/// What an execution of a policy is to do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RetentionParameters {
    /// Only tells what would be deleted.
    pub dry_run: bool,
    /// Whether artifacts go where the rules select nothing at all.
    pub delete_when_nothing_matches: bool,
    /// The rules as they were when the execution began; None before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules: Option<Vec<RetentionRule>>,
    /// From when ages are counted, in microseconds since 1970: when the execution began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<i64>,
}
