//! Blobs that no repository links.

use roadstead_model::{BlobId, Digest, ObjectKey};

use crate::{Error, Result, Tx};

/// A blob whose row went away; its key must become a tombstone in the same transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    /// What it hashed to.
    pub digest: Digest,
    /// In bytes.
    pub size: i64,
    /// Where the bytes are.
    pub key: ObjectKey,
}

/// Removes those of the blobs that no repository links and nothing deleted holds.
///
/// # Errors
/// [`Error::Reference`](crate::Error::Reference) when one was linked or held at the same moment.
pub async fn remove_unlinked(
    tx: &mut Tx,
    blobs: impl IntoIterator<Item = BlobId>,
) -> Result<Vec<Gone>> {
    let rows: Vec<(String, i64, String)> = tx
        .query(
            "DELETE FROM blob WHERE NOT EXISTS (SELECT 1 FROM repo_blob l WHERE l.blob_id = blob.id)
             AND NOT EXISTS (SELECT 1 FROM deleted_artifact_blob d WHERE d.blob_id = blob.id)
             AND id IN ",
        )
        .push_list(blobs.into_iter().map(|blob| blob.0))
        .push(" RETURNING digest, size, okey")
        .fetch_all()
        .await?;
    let gone = |(digest, size, key): (String, i64, String)| {
        let digest = digest.parse().map_err(|error| Error::inconsistent("blob", error))?;
        Ok(Gone { digest, size, key: key.parse()? })
    };
    rows.into_iter().map(gone).collect()
}
