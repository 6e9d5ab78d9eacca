//! Selectors of repositories and of tags.

use serde::Deserialize;

use super::RetentionSelector;
use super::rule::RetentionError;
use crate::Pattern;

/// The only kind of selector.
const KIND: &str = "doublestar";

/// The words for what a pattern matches, and for everything else.
pub(super) const REPOSITORY_WORDS: [&str; 2] = ["repoMatches", "repoExcludes"];
pub(super) const TAG_WORDS: [&str; 2] = ["matches", "excludes"];

/// A selector that was read.
#[derive(Clone, Debug)]
pub(super) struct Selector {
    pattern: Pattern,
    excludes: bool,
    /// Whether what has no tag is selected.
    untagged: bool,
}

/// What a selector's `extras` say. What is left out is false, and so Harbor reads it.
#[derive(Deserialize)]
struct Extras {
    #[serde(default)]
    untagged: bool,
}

impl Selector {
    pub(super) fn read(
        written: &RetentionSelector,
        what: &'static str,
        [matches, excludes]: [&'static str; 2],
    ) -> Result<Self, RetentionError> {
        if written.kind != KIND {
            return Err(RetentionError::Kind(what));
        }
        let is_excluding = match written.decoration.as_str() {
            word if word == matches => false,
            word if word == excludes => true,
            _ => return Err(RetentionError::Decoration { what, matches, excludes }),
        };
        let pattern = Pattern::parse(&written.pattern)
            .map_err(|error| RetentionError::Pattern { what, error })?;
        let extras: Option<Extras> = serde_json::from_str(&written.extras).ok();
        // Those without a tag are in play unless the extras say otherwise; excluding turns the
        // word around.
        let untagged = match extras {
            None => true,
            Some(extras) => extras.untagged != is_excluding,
        };
        Ok(Self { pattern, excludes: is_excluding, untagged })
    }

    /// Whether it selects a name.
    pub(super) fn selects(&self, name: &str) -> bool {
        self.pattern.matches(name) != self.excludes
    }

    /// Whether it selects what has these tags: one that is selected is enough.
    pub(super) fn selects_any(&self, tags: &[String]) -> bool {
        if tags.is_empty() { self.untagged } else { tags.iter().any(|tag| self.selects(tag)) }
    }
}
