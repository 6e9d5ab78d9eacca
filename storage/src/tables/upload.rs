//! Upload sessions.

use roadstead_model::{Algorithm, ObjectKey, PrincipalId, RepositoryId, Timestamp, UploadId};

use crate::{Conn, Error, Result, Tx};

/// A session's row.
#[derive(Clone, Debug)]
pub struct Upload {
    /// Its name.
    pub id: UploadId,
    /// Where the bytes go.
    pub key: ObjectKey,
    /// How many bytes are durable.
    pub received: u64,
    /// What they are hashed with.
    pub algorithm: Algorithm,
    /// The hash after them.
    pub hash_state: Vec<u8>,
}

/// Whose session it is, and where: nobody else gets at it.
#[derive(Clone, Copy, Debug)]
pub struct Owner {
    /// The repository it was opened in.
    pub repository: RepositoryId,
    /// Who opened it.
    pub principal: PrincipalId,
}

/// Opens a session. The key is registered here before a byte is written to it.
pub async fn insert(
    tx: &mut Tx,
    upload: &Upload,
    owner: Owner,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<()> {
    tx.query(
        "INSERT INTO upload (id, repo_id, principal_id, okey, received, algorithm, hash_state,
                             created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(upload.id.to_string())
    .bind(owner.repository.0)
    .bind(owner.principal.0)
    .bind(upload.key.as_str())
    .bind(i64::try_from(upload.received).unwrap_or(i64::MAX))
    .bind(upload.algorithm.name())
    .bind(upload.hash_state.as_slice())
    .bind(now.0)
    .bind(expires_at.0)
    .execute()
    .await?;
    Ok(())
}

/// The session, if it is this owner's and has not expired.
pub async fn find(
    conn: &mut Conn,
    id: UploadId,
    owner: Owner,
    now: Timestamp,
) -> Result<Option<Upload>> {
    let row: Option<(String, i64, String, Vec<u8>)> = conn
        .query(
            "SELECT okey, received, algorithm, hash_state FROM upload
             WHERE id = $1 AND repo_id = $2 AND principal_id = $3 AND expires_at > $4",
        )
        .bind(id.to_string())
        .bind(owner.repository.0)
        .bind(owner.principal.0)
        .bind(now.0)
        .fetch_optional()
        .await?;
    let Some((key, received, algorithm, hash_state)) = row else {
        return Ok(None);
    };
    Ok(Some(Upload {
        id,
        key: key.parse()?,
        received: u64::try_from(received).map_err(|e| Error::inconsistent("upload", e))?,
        algorithm: algorithm.parse().map_err(|e| Error::inconsistent("upload", e))?,
        hash_state,
    }))
}

/// How many sessions the principal has open.
pub async fn count_of(conn: &mut Conn, principal: PrincipalId) -> Result<i64> {
    let (count,) = conn
        .query("SELECT COUNT(*) FROM upload WHERE principal_id = $1")
        .bind(principal.0)
        .fetch_one::<(i64,)>()
        .await?;
    Ok(count)
}

/// Notes that more bytes are durable; false when the session went away or moved meanwhile.
pub async fn advance(
    tx: &mut Tx,
    before: &Upload,
    received: u64,
    hash_state: &[u8],
    expires_at: Timestamp,
) -> Result<bool> {
    let changed = tx
        .query(
            "UPDATE upload SET received = $1, hash_state = $2, expires_at = $3
             WHERE id = $4 AND received = $5",
        )
        .bind(i64::try_from(received).unwrap_or(i64::MAX))
        .bind(hash_state)
        .bind(expires_at.0)
        .bind(before.id.to_string())
        .bind(i64::try_from(before.received).unwrap_or(i64::MAX))
        .execute()
        .await?;
    Ok(changed == 1)
}

/// Lets a session that is being written to live on.
pub async fn extend(tx: &mut Tx, id: UploadId, expires_at: Timestamp) -> Result<()> {
    tx.query("UPDATE upload SET expires_at = $1 WHERE id = $2")
        .bind(expires_at.0)
        .bind(id.to_string())
        .execute()
        .await?;
    Ok(())
}

/// Closes a session; false when it is not there any more. The key must go elsewhere in the same
/// transaction.
pub async fn remove(tx: &mut Tx, id: UploadId, owner: Owner) -> Result<bool> {
    let removed = tx
        .query("DELETE FROM upload WHERE id = $1 AND repo_id = $2 AND principal_id = $3")
        .bind(id.to_string())
        .bind(owner.repository.0)
        .bind(owner.principal.0)
        .execute()
        .await?;
    Ok(removed == 1)
}

/// Closes every session of a repository and returns their keys, which must go elsewhere in the
/// same transaction.
pub async fn remove_all_in(tx: &mut Tx, repository: RepositoryId) -> Result<Vec<ObjectKey>> {
    let rows: Vec<(String,)> = tx
        .query("DELETE FROM upload WHERE repo_id = $1 RETURNING okey")
        .bind(repository.0)
        .fetch_all()
        .await?;
    rows.into_iter().map(|(key,)| Ok(key.parse()?)).collect()
}

/// Closes up to `limit` sessions that have expired and returns their keys.
pub async fn remove_expired(tx: &mut Tx, now: Timestamp, limit: i64) -> Result<Vec<ObjectKey>> {
    let rows: Vec<(String,)> = tx
        .query(
            "DELETE FROM upload WHERE id IN (SELECT id FROM upload WHERE expires_at <= $1
                                             ORDER BY expires_at LIMIT $2)
             AND expires_at <= $1 RETURNING okey",
        )
        .bind(now.0)
        .bind(limit)
        .fetch_all()
        .await?;
    rows.into_iter().map(|(key,)| Ok(key.parse()?)).collect()
}
