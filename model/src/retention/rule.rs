//! A rule, read.

use serde_json::Value;

use super::selector::{REPOSITORY_WORDS, Selector, TAG_WORDS};
use super::{RetentionRule, RetentionSelector};
use crate::PatternError;

/// The only action.
const ACTION: &str = "retain";
/// The only key of a rule's scope.
const SCOPE: &str = "repository";

/// The parameter of ours with which a rule treats what was never pulled as Harbor does: as pulled
/// before everything else.
pub const fn never_pulled_parameter() -> &'static str {
    "deleteNeverPulled"
}

/// By what a rule keeps artifacts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetentionTemplate {
    /// The last ones that were pushed.
    LatestPushed,
    /// The last ones that were pulled.
    LatestPulled,
    /// The last ones that were pushed or pulled.
    LatestActive,
    /// Those that were pushed within some days.
    DaysSincePush,
    /// Those that were pulled within some days.
    DaysSincePull,
    /// Those that were pushed within some days, in an older word.
    LastDays,
    /// All.
    Always,
}

impl RetentionTemplate {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::LatestPushed,
        Self::LatestPulled,
        Self::LatestActive,
        Self::DaysSincePush,
        Self::DaysSincePull,
        Self::LastDays,
        Self::Always,
    ];

    /// Harbor's name of it, which is also that of its parameter.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LatestPushed => "latestPushedK",
            Self::LatestPulled => "latestPulledN",
            Self::LatestActive => "latestActiveK",
            Self::DaysSincePush => "nDaysSinceLastPush",
            Self::DaysSincePull => "nDaysSinceLastPull",
            Self::LastDays => "lastXDays",
            Self::Always => "always",
        }
    }

    /// The parameter when there is none that can be read.
    const fn default_number(self) -> i64 {
        match self {
            Self::DaysSincePush | Self::DaysSincePull => 30,
            _ => 10,
        }
    }
}

/// Why a rule cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RetentionError {
    /// Nothing but retaining can be asked for.
    #[error("the action of a rule must be {ACTION}")]
    Action,
    /// There is no such template.
    #[error(
        "the template of a rule must be latestPushedK, latestPulledN, nDaysSinceLastPush, \
         nDaysSinceLastPull or always"
    )]
    Template,
    /// A misspelt scope would be every repository.
    #[error("scope_selectors must have no other key than {SCOPE}")]
    Scope,
    /// There is one kind of selector.
    #[error("the kind of {0} must be doublestar")]
    Kind(&'static str),
    /// Neither of the two words.
    #[error("the decoration of {what} must be {matches} or {excludes}")]
    Decoration {
        /// Which selectors.
        what: &'static str,
        /// The one word.
        matches: &'static str,
        /// The other.
        excludes: &'static str,
    },
    /// The pattern is none.
    #[error("the pattern of {what}: {error}")]
    Pattern {
        /// Which selectors.
        what: &'static str,
        /// Why.
        error: PatternError,
    },
}

/// A rule that can be applied.
#[derive(Clone, Debug)]
pub struct Rule {
    repositories: Vec<Selector>,
    tags: Vec<Selector>,
    pub(super) template: RetentionTemplate,
    /// How many artifacts, or days.
    pub(super) number: i64,
    /// Whether what was never pulled is older than everything that was.
    pub(super) never_pulled_is_old: bool,
}

impl RetentionRule {
    /// Reads the rule. A number that is missing, negative or none becomes the template's default,
    /// as in Harbor.
    ///
    /// # Errors
    /// [`RetentionError`].
    pub fn read(&self) -> Result<Rule, RetentionError> {
        if !["", ACTION].contains(&self.action.as_str()) {
            return Err(RetentionError::Action);
        }
        let named = |template: &RetentionTemplate| template.name() == self.template;
        let template = RetentionTemplate::ALL.into_iter().find(named);
        let template = template.ok_or(RetentionError::Template)?;
        if self.scope_selectors.keys().any(|key| key != SCOPE) {
            return Err(RetentionError::Scope);
        }
        let repositories = self.scope_selectors.get(SCOPE).map_or(&[][..], Vec::as_slice);
        let all = |selectors: &[RetentionSelector], what, words| {
            let read = selectors.iter().map(|selector| Selector::read(selector, what, words));
            read.collect::<Result<Vec<_>, _>>()
        };
        let number = self.params.get(template.name()).and_then(whole);
        let asked = self.params.get(never_pulled_parameter());
        Ok(Rule {
            repositories: all(repositories, "scope_selectors.repository", REPOSITORY_WORDS)?,
            tags: all(&self.tag_selectors, "tag_selectors", TAG_WORDS)?,
            template,
            number: number.filter(|n| *n >= 0).unwrap_or(template.default_number()),
            never_pulled_is_old: asked.is_some_and(|value| *value == Value::Bool(true)),
        })
    }
}

/// A number, or a text that is one.
fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => text.parse().ok(),
        #[expect(clippy::cast_possible_truncation, reason = "as Harbor reads numbers")]
        Value::Number(number) => number.as_i64().or_else(|| Some(number.as_f64()? as i64)),
        _ => None,
    }
}

impl Rule {
    /// Whether the rule speaks of a repository, by its name below the project.
    pub fn covers(&self, repository: &str) -> bool {
        self.repositories.iter().all(|selector| selector.selects(repository))
    }

    /// Whether it says anything: without selectors of tags it does not.
    pub(super) fn is_evaluated(&self) -> bool {
        !self.tags.is_empty()
    }

    /// Whether it speaks of an artifact with these tags.
    pub(super) fn selects(&self, tags: &[String]) -> bool {
        self.tags.iter().all(|selector| selector.selects_any(tags))
    }
}
