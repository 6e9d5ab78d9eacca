//! Manifests and their bytes.

use std::collections::HashMap;

use roadstead_model::{Digest, ManifestId, RepositoryId, Timestamp};

use crate::{Conn, Error, Result, Tx};

pub mod standing;

/// A manifest as it is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The id.
    pub id: ManifestId,
    /// The digest it was pushed under.
    pub digest: Digest,
    /// The media type it was pushed with, without parameters.
    pub media_type: String,
    /// Its length in bytes.
    pub size: u64,
}

type Row = (i64, String, String, i64);

fn manifest((id, digest, media_type, size): Row) -> Result<Manifest> {
    Ok(Manifest {
        id: ManifestId(id),
        digest: digest.parse().map_err(|error| Error::inconsistent("manifest", error))?,
        media_type,
        size: u64::try_from(size).map_err(|error| Error::inconsistent("manifest", error))?,
    })
}

const SELECT: &str = "SELECT m.id, m.digest, m.media_type, m.size FROM manifest m";

/// The manifest with this digest in the repository.
pub async fn find(
    conn: &mut Conn,
    repository: RepositoryId,
    digest: &Digest,
) -> Result<Option<Manifest>> {
    let row: Option<Row> = conn
        .query(SELECT)
        .push(" WHERE m.repo_id = $1 AND m.digest = $2")
        .bind(repository.0)
        .bind(digest.as_str())
        .fetch_optional()
        .await?;
    row.map(manifest).transpose()
}

/// The manifest with this digest in the repository, kept from going away until the transaction
/// ends.
pub async fn hold(
    tx: &mut Tx,
    repository: RepositoryId,
    digest: &Digest,
) -> Result<Option<Manifest>> {
    let row: Option<Row> = tx
        .query_holding(
            "SELECT m.id, m.digest, m.media_type, m.size FROM manifest m
             WHERE m.repo_id = $1 AND m.digest = $2",
            "m",
        )
        .bind(repository.0)
        .bind(digest.as_str())
        .fetch_optional()
        .await?;
    row.map(manifest).transpose()
}

/// The manifest that a tag names; nobody else writes the tag until the transaction ends. None says
/// nothing about who makes the tag next.
pub async fn find_tagged_to_write(
    tx: &mut Tx,
    repository: RepositoryId,
    tag: &roadstead_model::Tag,
) -> Result<Option<Manifest>> {
    // By a statement of its own: the next one then sees what those wrote whom it waited for.
    tx.query_locking("SELECT t.manifest_id FROM tag t WHERE t.repo_id = $1 AND t.name = $2", "t")
        .bind(repository.0)
        .bind(tag.as_str())
        .fetch_optional::<(i64,)>()
        .await?;
    find_tagged(tx, repository, tag).await
}

/// The manifest that a tag names.
pub async fn find_tagged(
    conn: &mut Conn,
    repository: RepositoryId,
    tag: &roadstead_model::Tag,
) -> Result<Option<Manifest>> {
    let row: Option<Row> = conn
        .query(SELECT)
        .push(" JOIN tag t ON t.manifest_id = m.id WHERE t.repo_id = $1 AND t.name = $2")
        .bind(repository.0)
        .bind(tag.as_str())
        .fetch_optional()
        .await?;
    row.map(manifest).transpose()
}

/// How many manifests there are.
pub async fn count(conn: &mut Conn) -> Result<i64> {
    Ok(conn.query("SELECT COUNT(*) FROM manifest").fetch_one::<(i64,)>().await?.0)
}

/// The digest of a manifest that is there.
pub async fn digest(conn: &mut Conn, id: ManifestId) -> Result<String> {
    let query = conn.query("SELECT digest FROM manifest WHERE id = $1").bind(id.0);
    Ok(query.fetch_one::<(String,)>().await?.0)
}

/// The stored bytes, exactly as they were received.
pub async fn bytes(conn: &mut Conn, id: ManifestId) -> Result<Option<Vec<u8>>> {
    let row: Option<(Vec<u8>,)> =
        conn.query("SELECT bytes FROM manifest WHERE id = $1").bind(id.0).fetch_optional().await?;
    Ok(row.map(|(bytes,)| bytes))
}

/// What a manifest is as an artifact, as far as its own bytes tell.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// Harbor's word for it, such as `IMAGE`.
    pub kind: &'a str,
    /// The media type of its config.
    pub config_media_type: Option<&'a str>,
    /// Its bytes and those of all that it names.
    pub total_size: i64,
    /// The digest of what it belongs to.
    pub accessory_of: Option<&'a str>,
    /// Harbor's word for what it is to that.
    pub accessory_type: Option<&'a str>,
}

/// What a new row needs.
#[derive(Clone, Copy, Debug)]
pub struct NewManifest<'a> {
    /// The digest it is pushed under.
    pub digest: &'a Digest,
    /// Without parameters.
    pub media_type: &'a str,
    /// Whether what it names may be manifests.
    pub is_index: bool,
    /// As received.
    pub bytes: &'a [u8],
    /// How many levels of manifests are below it.
    pub depth: i64,
    /// What it refers to.
    pub subject: Option<&'a Digest>,
    /// As lists of referrers show it.
    pub artifact_type: Option<&'a str>,
    /// As JSON; they may be left out where there is no subject.
    pub annotations: Option<&'a str>,
    /// What it is.
    pub facts: Facts<'a>,
}

/// Adds a manifest; None when the repository has it already.
pub async fn insert(
    tx: &mut Tx,
    repository: RepositoryId,
    new: NewManifest<'_>,
    now: Timestamp,
) -> Result<Option<ManifestId>> {
    let row: Option<(i64,)> = tx
        .query(
            "INSERT INTO manifest (repo_id, digest, media_type, is_index, bytes, size, depth,
                                   subject_digest, artifact_type, annotations, created_at,
                                   kind, config_media_type, total_size, accessory_of,
                                   accessory_type, project_id, listed)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
                     (SELECT r.project_id FROM repository r WHERE r.id = $1), $17)
             ON CONFLICT (repo_id, digest) DO NOTHING RETURNING id",
        )
        .bind(repository.0)
        .bind(new.digest.as_str())
        .bind(new.media_type)
        .bind(new.is_index)
        .bind(new.bytes)
        .bind(i64::try_from(new.bytes.len()).unwrap_or(i64::MAX))
        .bind(new.depth)
        .bind(new.subject.map(Digest::to_string))
        .bind(new.artifact_type.map(str::to_owned))
        .bind(new.annotations.map(str::to_owned))
        .bind(now.0)
        .bind(new.facts.kind)
        .bind(new.facts.config_media_type.map(str::to_owned))
        .bind(new.facts.total_size)
        .bind(new.facts.accessory_of.map(str::to_owned))
        .bind(new.facts.accessory_type.map(str::to_owned))
        .bind(new.facts.accessory_of.is_none())
        .fetch_optional()
        .await?;
    Ok(row.map(|(id,)| ManifestId(id)))
}

/// A child that an index names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Child {
    /// The manifest.
    pub id: ManifestId,
    /// Its length in bytes.
    pub size: u64,
    /// How many levels of manifests are below it.
    pub depth: i64,
    /// Its bytes and those of all that it names.
    pub total_size: i64,
}

/// Which of `digests` are manifests of the repository.
pub async fn resolve(
    conn: &mut Conn,
    repository: RepositoryId,
    digests: impl IntoIterator<Item = &Digest>,
) -> Result<HashMap<Digest, Child>> {
    let rows: Vec<(String, i64, i64, i64, i64)> = conn
        .query(
            "SELECT digest, id, size, depth, total_size FROM manifest
             WHERE repo_id = $1 AND digest IN ",
        )
        .bind(repository.0)
        .push_list(digests.into_iter().map(Digest::as_str))
        .fetch_all()
        .await?;
    let mut found = HashMap::with_capacity(rows.len());
    for (digest, id, size, depth, total_size) in rows {
        let digest = digest.parse().map_err(|error| Error::inconsistent("manifest", error))?;
        let size = u64::try_from(size).map_err(|error| Error::inconsistent("manifest", error))?;
        found.insert(digest, Child { id: ManifestId(id), size, depth, total_size });
    }
    Ok(found)
}

/// Removes a manifest and, by cascade, what it holds. Its tags must be gone.
///
/// # Errors
/// [`Error::Reference`] while an index holds it.
pub async fn remove(tx: &mut Tx, id: ManifestId) -> Result<bool> {
    let query = tx.query_quietly("DELETE FROM manifest WHERE id = $1 RETURNING repo_id").bind(id.0);
    let gone: Option<(i64,)> = query.fetch_optional().await?;
    if let Some((repository,)) = gone {
        tx.changes_content_of(RepositoryId(repository));
    }
    Ok(gone.is_some())
}

/// Removes every manifest of a repository and what it holds; their tags must be gone. Returns
/// how many bytes they had.
pub async fn remove_all_in(tx: &mut Tx, repository: RepositoryId) -> Result<i64> {
    tx.query(
        "DELETE FROM manifest_child
         WHERE parent_id IN (SELECT id FROM manifest WHERE repo_id = $1)",
    )
    .bind(repository.0)
    .execute()
    .await?;
    tx.changes_content_of(repository);
    let sizes: Vec<(i64,)> = tx
        .query_quietly("DELETE FROM manifest WHERE repo_id = $1 RETURNING size")
        .bind(repository.0)
        .fetch_all()
        .await?;
    Ok(sizes.into_iter().map(|(size,)| size).sum())
}

/// A manifest with everything that its row claims, for whoever walks them all.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The row.
    pub id: ManifestId,
    /// The repository's name.
    pub repository: String,
    /// The digest it is stored under.
    pub digest: String,
    /// The media type.
    pub media_type: String,
    /// The stored bytes.
    pub bytes: Vec<u8>,
    /// The subject, if there is one.
    pub subject: Option<String>,
}

type ClaimRow = (i64, String, String, String, Vec<u8>, Option<String>);

/// Up to `limit` manifests with ids above `after`, by id.
pub async fn walk(conn: &mut Conn, after: ManifestId, limit: i64) -> Result<Vec<Claim>> {
    let rows: Vec<ClaimRow> = conn
        .query(
            "SELECT m.id, r.name, m.digest, m.media_type, m.bytes, m.subject_digest
             FROM manifest m JOIN repository r ON r.id = m.repo_id
             WHERE m.id > $1 ORDER BY m.id LIMIT $2",
        )
        .bind(after.0)
        .bind(limit)
        .fetch_all()
        .await?;
    Ok(rows
        .into_iter()
        .map(|(id, repository, digest, media_type, bytes, subject)| Claim {
            id: ManifestId(id),
            repository,
            digest,
            media_type,
            bytes,
            subject,
        })
        .collect())
}

#[cfg(test)]
mod tests;
