//! Manifests that refer to another one, their subject.

use roadstead_model::{Digest, ManifestId, RepositoryId};

use crate::{Conn, Result};

/// A manifest that refers to another.
#[derive(Clone, Debug)]
pub struct Referrer {
    /// The row, which is also the order of lists.
    pub id: ManifestId,
    /// The digest.
    pub digest: String,
    /// The media type.
    pub media_type: String,
    /// The length in bytes.
    pub size: i64,
    /// The artifact type, if it has one.
    pub artifact_type: Option<String>,
    /// The annotations as JSON, if it has some.
    pub annotations: Option<String>,
}

/// A referrer's row, and about how many bytes its texts take.
#[derive(Clone, Copy, Debug)]
pub struct Weight {
    /// The row, which is also the order of lists.
    pub id: ManifestId,
    /// Characters of annotations and artifact type.
    pub characters: usize,
}

const WEIGHT: &str = "SELECT id, CAST(COALESCE(LENGTH(annotations), 0)
                           + COALESCE(LENGTH(artifact_type), 0) AS BIGINT) AS characters
     FROM manifest WHERE ";
const REFERRING: &str = "subject_digest";
const SIGNING: &str = "subject_digest IS NULL AND accessory_of";
/// The ends of the two halves, which both engines want to have names.
const HALVES: [&str; 2] = [") r", ") s"];

/// Up to `limit` manifests of the repository that refer to `subject`, or sign it by their tag, with
/// ids above `after`: only their weights, because annotations may be large.
pub async fn weights(
    conn: &mut Conn,
    repository: RepositoryId,
    subject: &Digest,
    artifact_type: Option<&str>,
    after: ManifestId,
    limit: i64,
) -> Result<Vec<Weight>> {
    let mut query = conn.query("SELECT id, characters FROM (");
    for (number, half) in [REFERRING, SIGNING].into_iter().enumerate() {
        let union = if number == 0 { "" } else { " UNION ALL " };
        query = query.push(union).push("SELECT * FROM (").push(WEIGHT).push(half);
        query = query.push(" = ").push_bind(subject.as_str());
        query = query.push(" AND repo_id = ").push_bind(repository.0);
        query = query.push(" AND id > ").push_bind(after.0);
        if let Some(artifact_type) = artifact_type {
            query = query.push(" AND artifact_type = ").push_bind(artifact_type);
        }
        query = query.push(" ORDER BY id LIMIT ").push_bind(limit).push(HALVES[number]);
    }
    let query = query.push(") x ORDER BY id LIMIT ").push_bind(limit);
    let rows: Vec<(i64, i64)> = query.fetch_all().await?;
    let weight = |(id, characters): (i64, i64)| Weight {
        id: ManifestId(id),
        characters: usize::try_from(characters).unwrap_or(usize::MAX),
    };
    Ok(rows.into_iter().map(weight).collect())
}

type ReferrerRow = (i64, String, String, i64, Option<String>, Option<String>);

/// The manifests with these ids, in order.
pub async fn list(conn: &mut Conn, ids: &[ManifestId]) -> Result<Vec<Referrer>> {
    let rows: Vec<ReferrerRow> = conn
        .query(
            "SELECT id, digest, media_type, size, artifact_type, annotations FROM manifest
             WHERE id IN ",
        )
        .push_list(ids.iter().map(|id| id.0))
        .push(" ORDER BY id")
        .fetch_all()
        .await?;
    Ok(rows
        .into_iter()
        .map(|(id, digest, media_type, size, artifact_type, annotations)| Referrer {
            id: ManifestId(id),
            digest,
            media_type,
            size,
            artifact_type,
            annotations,
        })
        .collect())
}

#[cfg(test)]
mod tests;
