//! Policies on the wire.

use std::collections::BTreeMap;

use roadstead_model::{
    Repetition, RetentionRule as ReadRule, RetentionSelector as ReadSelector, Timestamp,
};
use roadstead_storage::tables::retention::{Policy, Text};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::LEVEL;
use crate::body::null_as_default;
use crate::failure::Failure;

/// How many rules a policy may have.
const MOST_RULES: usize = 15;
/// The longest rules, in bytes of their JSON.
const LONGEST_RULES: usize = 262_144;
/// The only algorithm: what one rule keeps stays.
const ALGORITHM: &str = "or";
/// The only kind of trigger.
const SCHEDULE: &str = "Schedule";
const CRON: &str = "cron";

/// Harbor's `RetentionPolicy`.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
#[schema(example = json!({
    "algorithm": "or",
    "scope": {"level": "project", "ref": 1},
    "trigger": {"kind": "Schedule", "settings": {"cron": "0 0 0 * * *"}},
    "rules": [{
        "action": "retain", "template": "latestPushedK", "params": {"latestPushedK": 10},
        "tag_selectors": [{"kind": "doublestar", "decoration": "matches", "pattern": "**"}],
        "scope_selectors": {
            "repository": [{"kind": "doublestar", "decoration": "repoMatches", "pattern": "**"}],
        },
    }],
}))]
pub(crate) struct RetentionPolicy {
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "is_zero")]
    id: i64,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    algorithm: String,
    #[serde(deserialize_with = "null_as_default")]
    #[schema(required = true)]
    rules: Vec<RetentionRule>,
    trigger: Option<RetentionRuleTrigger>,
    pub(super) scope: Option<RetentionPolicyScope>,
    /// Ours: whether artifacts go in a repository where the rules select nothing at all.
    #[serde(deserialize_with = "null_as_default")]
    delete_when_nothing_matches: bool,
}

/// Harbor's `RetentionPolicyScope`.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
pub(crate) struct RetentionPolicyScope {
    #[serde(deserialize_with = "null_as_default")]
    pub(super) level: String,
    /// The project's id.
    #[serde(rename = "ref", deserialize_with = "null_as_default")]
    pub(super) reference: i64,
}

/// Harbor's `RetentionRuleTrigger`.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
struct RetentionRuleTrigger {
    #[serde(deserialize_with = "null_as_default")]
    kind: String,
    /// `cron`, with six fields of which the first is 0; empty for never by itself.
    #[serde(deserialize_with = "null_as_default")]
    settings: Map<String, Value>,
    #[serde(deserialize_with = "null_as_default")]
    references: Map<String, Value>,
}

/// Harbor's `RetentionRule`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(default)]
struct RetentionRule {
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "is_zero")]
    id: i64,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "is_zero")]
    priority: i64,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "std::ops::Not::not")]
    disabled: bool,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    action: String,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    template: String,
    /// The template's number under its name; ours: `deleteNeverPulled`.
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "Map::is_empty")]
    params: Map<String, Value>,
    #[serde(deserialize_with = "null_as_default")]
    #[schema(required = true)]
    tag_selectors: Vec<RetentionSelector>,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "BTreeMap::is_empty")]
    scope_selectors: BTreeMap<String, Vec<RetentionSelector>>,
}

/// Harbor's `RetentionSelector`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(default)]
struct RetentionSelector {
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    kind: String,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    decoration: String,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pattern: String,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    extras: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl From<&RetentionSelector> for ReadSelector {
    fn from(selector: &RetentionSelector) -> Self {
        let RetentionSelector { kind, decoration, pattern, extras } = selector.clone();
        Self { kind, decoration, pattern, extras }
    }
}

impl From<&RetentionRule> for ReadRule {
    fn from(rule: &RetentionRule) -> Self {
        let all = |selectors: &Vec<RetentionSelector>| selectors.iter().map(Into::into).collect();
        Self {
            disabled: rule.disabled,
            action: rule.action.clone(),
            template: rule.template.clone(),
            params: rule.params.clone().into_iter().collect(),
            tag_selectors: all(&rule.tag_selectors),
            scope_selectors: rule
                .scope_selectors
                .iter()
                .map(|(key, selectors)| (key.clone(), all(selectors)))
                .collect(),
        }
    }
}

impl From<Policy> for RetentionPolicy {
    fn from(policy: Policy) -> Self {
        let settings = [(CRON.to_owned(), Value::from(policy.text.cron))].into_iter().collect();
        Self {
            id: policy.id,
            algorithm: policy.text.algorithm,
            rules: serde_json::from_str(&policy.text.rules).unwrap_or_default(),
            trigger: Some(RetentionRuleTrigger {
                kind: SCHEDULE.to_owned(),
                settings,
                references: Map::new(),
            }),
            scope: Some(RetentionPolicyScope {
                level: LEVEL.to_owned(),
                reference: policy.project.0,
            }),
            delete_when_nothing_matches: policy.text.delete_when_nothing_matches,
        }
    }
}

impl RetentionPolicy {
    /// What the policy is to say.
    pub(super) fn checked(self) -> Result<Text, Failure> {
        let bad = |message: &str| Failure::bad_request(message);
        if !["", ALGORITHM].contains(&self.algorithm.as_str()) {
            return Err(bad("algorithm must be or"));
        }
        if self.rules.len() > MOST_RULES {
            return Err(bad(&format!("a policy has at most {MOST_RULES} rules")));
        }
        let mut rules = self.rules;
        for (id, rule) in (0..).zip(&mut rules) {
            rule.id = 0;
            let read = ReadRule::from(&*rule).read();
            read.map_err(|error| bad(&format!("rule {id}: {error}")))?;
        }
        for (at, rule) in rules.iter().enumerate() {
            if let Some(before) = rules[..at].iter().position(|other| other == rule) {
                let message = format!("rule {at} is conflict with rule {before}");
                return Err(Failure::conflict(message));
            }
        }
        for (id, rule) in (0..).zip(&mut rules) {
            rule.id = id;
        }
        let cron = self.trigger.map_or(Ok(String::new()), RetentionRuleTrigger::cron)?;
        let rules = serde_json::to_string(&rules).map_err(|_| bad("the rules cannot be kept"))?;
        if rules.len() > LONGEST_RULES {
            return Err(bad(&format!("the rules must have at most {LONGEST_RULES} bytes")));
        }
        Ok(Text {
            algorithm: ALGORITHM.to_owned(),
            rules,
            cron,
            delete_when_nothing_matches: self.delete_when_nothing_matches,
        })
    }
}

impl RetentionRuleTrigger {
    fn cron(self) -> Result<String, Failure> {
        if !["", SCHEDULE].contains(&self.kind.as_str()) {
            return Err(Failure::bad_request(format!("trigger.kind must be {SCHEDULE}")));
        }
        let cron = match self.settings.get(CRON) {
            None | Some(Value::Null) => "",
            Some(Value::String(cron)) => cron.trim(),
            Some(_) => return Err(Failure::bad_request("trigger.settings.cron must be a string")),
        };
        if cron.is_empty() {
            return Ok(String::new());
        }
        let repetition = Repetition::parse(cron)
            .map_err(|error| Failure::bad_request(format!("trigger.settings.cron: {error}")))?;
        if cron.split_ascii_whitespace().next() != Some("0") {
            return Err(Failure::bad_request("the first field of cron, the seconds, must be 0"));
        }
        if repetition.next(Timestamp(0)).is_none() {
            return Err(Failure::bad_request("this cron matches no moment to come"));
        }
        Ok(cron.to_owned())
    }
}

#[cfg(test)]
mod tests;
