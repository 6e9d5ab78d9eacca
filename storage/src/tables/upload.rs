//! Upload sessions.

use roadstead_model::{
    Algorithm, Digest, ObjectKey, PrincipalId, RepositoryId, Timestamp, UploadId,
};

use super::tombstone::Grave;
use crate::blobs::Layout;
use crate::{Conn, Error, Result, Tx};

pub mod at_once;
mod layout;

pub use layout::{Registered, UNVERIFIED, claim, note_multipart, register_tail};

/// A session's row.
#[derive(Clone, Debug)]
pub struct Upload {
    /// Its name.
    pub id: UploadId,
    /// Where the bytes go.
    pub key: ObjectKey,
    /// How many bytes are durable.
    pub received: u64,
    /// Where they are in an object store.
    pub layout: Layout,
    /// What they are hashed with.
    pub algorithm: Algorithm,
    /// The hash after them.
    pub hash_state: Vec<u8>,
}

/// Whose session it is, and where: nobody else gets at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

type Row = (String, i64, String, Vec<u8>, Option<String>, i64, String, Option<String>);

/// The session, if it is this owner's and has not expired.
pub async fn find(
    conn: &mut Conn,
    id: UploadId,
    owner: Owner,
    now: Timestamp,
) -> Result<Option<Upload>> {
    let row: Option<Row> = conn
        .query(
            "SELECT okey, received, algorithm, hash_state, backend_upload_id, part_size, parts,
                    tail_key FROM upload
             WHERE id = $1 AND repo_id = $2 AND principal_id = $3 AND expires_at > $4",
        )
        .bind(id.to_string())
        .bind(owner.repository.0)
        .bind(owner.principal.0)
        .bind(now.0)
        .fetch_optional()
        .await?;
    let Some((key, received, algorithm, hash_state, multipart, part_size, parts, tail)) = row
    else {
        return Ok(None);
    };
    Ok(Some(Upload {
        id,
        key: key.parse()?,
        received: u64::try_from(received).map_err(|e| Error::inconsistent("upload", e))?,
        layout: layout::layout(multipart, part_size, &parts, tail)?,
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

/// How far a session got.
#[derive(Clone, Copy, Debug)]
pub struct Advance<'a> {
    /// How many bytes are durable.
    pub received: u64,
    /// The hash after them.
    pub hash_state: &'a [u8],
    /// Where they are in an object store. A tail that is new here was registered before, and takes
    /// the place of the one before it, which must go elsewhere in the same transaction.
    pub layout: &'a Layout,
}

const ADVANCE: &str =
    "UPDATE upload SET received = $1, hash_state = $2, expires_at = $3, parts = $4,
     tail_key = NULLIF($5, ''),
     next_tail_key = CASE WHEN next_tail_key = $5 THEN NULL ELSE next_tail_key END
     WHERE id = $6 AND received = $7
     AND ($5 = '' OR tail_key = $5 OR next_tail_key = $5)";

/// Notes that more bytes are durable; false when the session went away or moved meanwhile.
pub async fn advance(
    tx: &mut Tx,
    before: &Upload,
    to: Advance<'_>,
    expires_at: Timestamp,
) -> Result<bool> {
    let tail = to.layout.tail.as_ref().map_or("", ObjectKey::as_str);
    let changed = tx
        .query(ADVANCE)
        .bind(i64::try_from(to.received).unwrap_or(i64::MAX))
        .bind(to.hash_state)
        .bind(expires_at.0)
        .bind(layout::parts(to.layout))
        .bind(tail)
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

type Keys = (String, Option<String>, Option<String>, Option<String>, Option<String>);

/// What a session leaves behind, all of which must go elsewhere in the transaction that closes it.
fn graves((key, multipart, tail, next_tail, digest): Keys) -> Result<Vec<Grave>> {
    let digest: Option<Digest> = digest.and_then(|digest| digest.parse().ok());
    let mut graves = vec![Grave { key: key.parse()?, multipart, digest: digest.clone() }];
    for key in [tail, next_tail].into_iter().flatten() {
        graves.push(Grave { key: key.parse()?, multipart: None, digest: digest.clone() });
    }
    Ok(graves)
}

const RETURNING: &str = " RETURNING okey, backend_upload_id, tail_key, next_tail_key, digest";

/// Closes a session; None when it is not there any more. What it leaves behind must go elsewhere
/// in the same transaction.
pub async fn remove(tx: &mut Tx, id: UploadId, owner: Owner) -> Result<Option<Vec<Grave>>> {
    let removed: Option<Keys> = tx
        .query("DELETE FROM upload WHERE id = $1 AND repo_id = $2 AND principal_id = $3")
        .push(RETURNING)
        .bind(id.to_string())
        .bind(owner.repository.0)
        .bind(owner.principal.0)
        .fetch_optional()
        .await?;
    removed.map(graves).transpose()
}

/// Closes every session of a repository and returns what they leave behind, which must go
/// elsewhere in the same transaction.
pub async fn remove_all_in(tx: &mut Tx, repository: RepositoryId) -> Result<Vec<Grave>> {
    let rows: Vec<Keys> = tx
        .query("DELETE FROM upload WHERE repo_id = $1")
        .push(RETURNING)
        .bind(repository.0)
        .fetch_all()
        .await?;
    all_graves(rows)
}

/// How many sessions have expired.
pub async fn count_expired(conn: &mut Conn, now: Timestamp) -> Result<i64> {
    let query = conn.query("SELECT COUNT(*) FROM upload WHERE expires_at <= $1").bind(now.0);
    Ok(query.fetch_one::<(i64,)>().await?.0)
}

/// Closes up to `limit` sessions that have expired and returns what they leave behind.
pub async fn remove_expired(tx: &mut Tx, now: Timestamp, limit: i64) -> Result<Vec<Grave>> {
    let tail = tx.skip_locked();
    let rows: Vec<Keys> = tx
        .query(
            "DELETE FROM upload WHERE id IN (SELECT id FROM upload WHERE expires_at <= $1
                                             ORDER BY expires_at LIMIT $2",
        )
        .push(tail)
        .push(") AND expires_at <= $1")
        .push(RETURNING)
        .bind(now.0)
        .bind(limit)
        .fetch_all()
        .await?;
    all_graves(rows)
}

fn all_graves(rows: Vec<Keys>) -> Result<Vec<Grave>> {
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        all.extend(graves(row)?);
    }
    Ok(all)
}

#[cfg(test)]
mod at_once_tests;
#[cfg(test)]
mod tests;
