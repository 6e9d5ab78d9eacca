//! Collecting garbage, as it is asked for and as it is kept.

use serde::{Deserialize, Serialize};

/// What schedules and executions of collection are called in the database and in the API.
pub const GARBAGE_COLLECTION: &str = "GARBAGE_COLLECTION";

/// What a collection is to do, in Harbor's words, and in the end what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "they are what clients send")]
pub struct CollectionParameters {
    /// Whether manifests without a tag go, whatever the settings say.
    pub delete_untagged: bool,
    /// Kept for clients that send it; here a tag and what it names are deleted at once.
    pub delete_tag: bool,
    /// Whether what was deleted and can be brought back goes now, before its time.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub forget_deleted: bool,
    /// Only counts.
    pub dry_run: bool,
    /// How many collect at once.
    pub workers: i64,
    /// Bytes of the blobs and manifests that went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub freed_space: Option<i64>,
    /// How many blobs went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purged_blobs: Option<i64>,
    /// How many manifests went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purged_manifests: Option<i64>,
}

impl Default for CollectionParameters {
    fn default() -> Self {
        Self {
            delete_untagged: false,
            delete_tag: false,
            forget_deleted: false,
            dry_run: false,
            workers: 1,
            freed_space: None,
            purged_blobs: None,
            purged_manifests: None,
        }
    }
}
