//! What suffers when a blob is damaged.

use roadstead_model::BlobId;

use crate::{Conn, Result};

/// Up to `limit` images that need the blob, directly or through an index: `<repository>:<tag>`,
/// or `<repository>@<digest>` for a manifest without a tag. Repositories that only link the blob
/// come as their name.
pub async fn by_blob(conn: &mut Conn, blob: BlobId, limit: i64) -> Result<Vec<String>> {
    let rows: Vec<(String, String, Option<String>)> = conn
        .query(
            "WITH RECURSIVE holder (id) AS (
                 SELECT manifest_id FROM manifest_blob WHERE blob_id = $1
                 UNION
                 SELECT c.parent_id FROM manifest_child c JOIN holder h ON h.id = c.child_id)
             SELECT r.name, m.digest, t.name FROM holder h
             JOIN manifest m ON m.id = h.id JOIN repository r ON r.id = m.repo_id
             LEFT JOIN tag t ON t.manifest_id = m.id
             UNION ALL
             SELECT r.name, '', NULL FROM repo_blob l JOIN repository r ON r.id = l.repo_id
             WHERE l.blob_id = $1
               AND NOT EXISTS (SELECT 1 FROM manifest_blob h
                               WHERE h.repo_id = l.repo_id AND h.blob_id = l.blob_id)
             ORDER BY 1, 3 NULLS LAST, 2 LIMIT $2",
        )
        .bind(blob.0)
        .bind(limit)
        .fetch_all()
        .await?;
    let shown = |(name, digest, tag): (String, String, Option<String>)| match tag {
        Some(tag) => format!("{name}:{tag}"),
        None if digest.is_empty() => name,
        None => format!("{name}@{digest}"),
    };
    Ok(rows.into_iter().map(shown).collect())
}

#[cfg(test)]
mod tests;
