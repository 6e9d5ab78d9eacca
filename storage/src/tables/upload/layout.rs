//! What a session's row knows of its bytes in an object store.
//!
//! Everything here is noted before the store is told, so that nothing is at the store that no row
//! knows. Each statement lets one of several writers win, whichever replica they are on.

use roadstead_model::{ObjectKey, UploadId};

use super::Upload;
use crate::blobs::Layout;
use crate::{Error, Result, Tx};

pub(super) fn layout(
    multipart: Option<String>,
    part_size: i64,
    parts: &str,
    tail: Option<String>,
) -> Result<Layout> {
    let inconsistent = |what: String| Error::inconsistent("upload", what);
    Ok(Layout {
        multipart,
        part_size: u64::try_from(part_size).map_err(|error| inconsistent(error.to_string()))?,
        parts: serde_json::from_str(parts).map_err(|error| inconsistent(error.to_string()))?,
        tail: tail.map(|key| key.parse()).transpose()?,
    })
}

/// The parts' ids as they are kept. Texts alone always become JSON.
pub(super) fn parts(layout: &Layout) -> String {
    serde_json::Value::from(layout.parts.clone()).to_string()
}

/// Notes the multipart upload that was begun for a session's key, and the size of its parts.
/// Returns the one that counts: another writer may have been first. None when the session is gone.
pub async fn note_multipart(
    tx: &mut Tx,
    id: UploadId,
    multipart: &str,
    part_size: u64,
) -> Result<Option<(String, u64)>> {
    tx.query(
        "UPDATE upload SET backend_upload_id = $1, part_size = $2
         WHERE id = $3 AND backend_upload_id IS NULL",
    )
    .bind(multipart)
    .bind(i64::try_from(part_size).unwrap_or(i64::MAX))
    .bind(id.to_string())
    .execute()
    .await?;
    let noted: Option<(Option<String>, i64)> = tx
        .query("SELECT backend_upload_id, part_size FROM upload WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional()
        .await?;
    let Some((multipart, size)) = noted else {
        return Ok(None);
    };
    let size = u64::try_from(size).map_err(|error| Error::inconsistent("upload", error))?;
    Ok(Some((multipart.unwrap_or_default(), size)))
}

/// How the key of a tail was registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registered {
    /// It may be written; the key of an attempt that did not come to its end must go elsewhere in
    /// the same transaction.
    Yes(Option<ObjectKey>),
    /// The session went away or moved meanwhile.
    No,
}

/// Registers the key that a session's tail will be written to.
pub async fn register_tail(tx: &mut Tx, before: &Upload, tail: &ObjectKey) -> Result<Registered> {
    let abandoned: Option<(Option<String>,)> = tx
        .query("SELECT next_tail_key FROM upload WHERE id = $1")
        .bind(before.id.to_string())
        .fetch_optional()
        .await?;
    let Some((abandoned,)) = abandoned else {
        return Ok(Registered::No);
    };
    let changed = tx
        .query(
            "UPDATE upload SET next_tail_key = $1
             WHERE id = $2 AND received = $3 AND COALESCE(next_tail_key, '') = $4",
        )
        .bind(tail.as_str())
        .bind(before.id.to_string())
        .bind(i64::try_from(before.received).unwrap_or(i64::MAX))
        .bind(abandoned.clone().unwrap_or_default())
        .execute()
        .await?;
    if changed == 0 {
        return Ok(Registered::No);
    }
    Ok(Registered::Yes(abandoned.map(|key| key.parse()).transpose()?))
}

/// What a finishing request says that a session's bytes are, when it could not say it with the
/// hash in hand and has to read them once more.
pub const UNVERIFIED: &str = "unverified";

/// Lets a finishing request, whose bytes are `digest`, complete the session's object. Two that say
/// the same may both do it; one that says something else, and would complete other bytes under the
/// same key, is refused.
pub async fn claim(tx: &mut Tx, before: &Upload, digest: &str, instead_of: &str) -> Result<bool> {
    let changed = tx
        .query(
            "UPDATE upload SET digest = $1
             WHERE id = $2 AND received = $3
               AND (digest IS NULL OR digest = $1 OR digest = $4)",
        )
        .bind(digest)
        .bind(before.id.to_string())
        .bind(i64::try_from(before.received).unwrap_or(i64::MAX))
        .bind(instead_of)
        .execute()
        .await?;
    Ok(changed == 1)
}
