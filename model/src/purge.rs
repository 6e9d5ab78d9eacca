//! Purging the audit log, as it is asked for and as it is kept.

use serde::{Deserialize, Serialize};

/// What schedules and executions of purges are called in the database and in the API.
pub const PURGE_AUDIT_LOG: &str = "PURGE_AUDIT_LOG";

/// What a purge is to do, in Harbor's words, and in the end what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgeParameters {
    /// Younger events stay; in hours.
    pub audit_retention_hour: i64,
    /// The types of events that go, with commas between them; with none of them nothing goes.
    pub include_event_types: String,
    /// Only counts.
    #[serde(default)]
    pub dry_run: bool,
    /// How many events went, or, when it only counts, would go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purged: Option<i64>,
}

/// Harbor's word for every type of event but those of [`ARTIFACT_EVENTS`].
pub const OTHER_EVENTS: &str = "other";
/// The types that Harbor's people choose one by one.
pub const ARTIFACT_EVENTS: &[&str] = &["create_artifact", "delete_artifact", "pull_artifact"];

impl PurgeParameters {
    /// The types of events that go.
    pub fn event_types(&self) -> impl Iterator<Item = &str> {
        self.include_event_types.split(',').map(str::trim).filter(|name| !name.is_empty())
    }
}
