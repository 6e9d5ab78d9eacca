//! Who holds links, and how often a blob is linked; for whoever wants to know what would become
//! garbage without touching it.

use roadstead_model::{BlobId, ManifestId, RepositoryId, Timestamp};

use super::Gone;
use crate::{Conn, Result};

/// A link, and one of the manifests that hold it.
#[derive(Clone, Copy, Debug)]
pub struct Holder {
    /// The link.
    pub link: Gone,
    /// When its lease ends.
    pub lease_until: Timestamp,
    /// The manifest; None when none holds it.
    pub manifest: Option<ManifestId>,
}

/// The links with their holders, a row for each; those that are gone are left out.
pub async fn holders(
    conn: &mut Conn,
    links: impl IntoIterator<Item = (BlobId, RepositoryId)>,
) -> Result<Vec<Holder>> {
    let rows: Vec<(i64, i64, i64, Option<i64>)> = conn
        .query(
            "SELECT l.repo_id, l.blob_id, l.lease_until, h.manifest_id FROM repo_blob l
             LEFT JOIN manifest_blob h ON h.repo_id = l.repo_id AND h.blob_id = l.blob_id
             WHERE ",
        )
        .push_pairs(
            ["l.blob_id", "l.repo_id"],
            links.into_iter().map(|(blob, repository)| (blob.0, repository.0)),
        )
        .fetch_all()
        .await?;
    let holder = |(repository, blob, lease, manifest): (i64, i64, i64, Option<i64>)| Holder {
        link: Gone { repository: RepositoryId(repository), blob: BlobId(blob) },
        lease_until: Timestamp(lease),
        manifest: manifest.map(ManifestId),
    };
    Ok(rows.into_iter().map(holder).collect())
}

/// The links that manifests hold.
pub async fn held_by(
    conn: &mut Conn,
    manifests: impl IntoIterator<Item = ManifestId>,
) -> Result<Vec<(BlobId, RepositoryId)>> {
    let rows: Vec<(i64, i64)> = conn
        .query("SELECT blob_id, repo_id FROM manifest_blob WHERE manifest_id IN ")
        .push_list(manifests.into_iter().map(|id| id.0))
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(blob, repo)| (BlobId(blob), RepositoryId(repo))).collect())
}

/// All blobs among these that are there, with their sizes, and a row for each of their links.
pub async fn links_of(
    conn: &mut Conn,
    blobs: impl IntoIterator<Item = BlobId>,
) -> Result<Vec<(BlobId, i64, Option<RepositoryId>)>> {
    let rows: Vec<(i64, i64, Option<i64>)> = conn
        .query(
            "SELECT b.id, b.size, l.repo_id FROM blob b LEFT JOIN repo_blob l ON l.blob_id = b.id
             WHERE b.id IN ",
        )
        .push_list(blobs.into_iter().map(|id| id.0))
        .fetch_all()
        .await?;
    Ok(rows
        .into_iter()
        .map(|(id, size, repo)| (BlobId(id), size, repo.map(RepositoryId)))
        .collect())
}
