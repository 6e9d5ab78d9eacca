//! When things were pulled last, and how often.

use roadstead_model::{ManifestId, RepositoryId, Timestamp};

use crate::{Result, Tx};

/// Pulls of one manifest by one name.
#[derive(Clone, Copy, Debug)]
pub struct Pulled<'a> {
    /// Where it is.
    pub repository: RepositoryId,
    /// What was pulled.
    pub manifest: ManifestId,
    /// The tag by which it was.
    pub tag: Option<&'a str>,
    /// How often.
    pub times: i64,
    /// When for the last time.
    pub last: Timestamp,
}

/// Notes pulls of what is still there.
pub async fn note(tx: &mut Tx, pulled: Pulled<'_>) -> Result<()> {
    tx.query(
        "INSERT INTO manifest_pull (manifest_id, pulled_at)
         SELECT m.id, $2 FROM manifest m WHERE m.id = $1
         ON CONFLICT (manifest_id) DO UPDATE SET pulled_at = excluded.pulled_at
         WHERE manifest_pull.pulled_at < excluded.pulled_at",
    )
    .bind(pulled.manifest.0)
    .bind(pulled.last.0)
    .execute()
    .await?;
    if let Some(tag) = pulled.tag {
        tx.query(
            "INSERT INTO tag_pull (repo_id, name, pulled_at)
             SELECT t.repo_id, t.name, $3 FROM tag t WHERE t.repo_id = $1 AND t.name = $2
             ON CONFLICT (repo_id, name) DO UPDATE SET pulled_at = excluded.pulled_at
             WHERE tag_pull.pulled_at < excluded.pulled_at",
        )
        .bind(pulled.repository.0)
        .bind(tag)
        .bind(pulled.last.0)
        .execute()
        .await?;
    }
    tx.query(
        "INSERT INTO repository_pull (repo_id, pulls)
         SELECT r.id, $2 FROM repository r WHERE r.id = $1
         ON CONFLICT (repo_id) DO UPDATE SET pulls = repository_pull.pulls + excluded.pulls",
    )
    .bind(pulled.repository.0)
    .bind(pulled.times)
    .execute()
    .await?;
    Ok(())
}
