//! Blobs: which object holds the bytes of a digest.

use roadstead_model::{BlobId, Digest, ObjectKey, RepositoryId, Timestamp};

use crate::{Conn, Error, Result, Tx};

mod unlinked;

pub use unlinked::{Gone, remove_unlinked};

/// What is known of a blob's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// They were whole when they were read last.
    Ok,
    /// A read found another digest.
    Suspect,
    /// The object is gone, or has another size.
    Missing,
}

impl State {
    /// The word used in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Suspect => "suspect",
            Self::Missing => "missing",
        }
    }

    fn named(name: &str) -> Result<Self> {
        [Self::Ok, Self::Suspect, Self::Missing]
            .into_iter()
            .find(|state| state.name() == name)
            .ok_or_else(|| Error::inconsistent("blob", format!("state {name:?}")))
    }
}

/// A blob's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// The id.
    pub id: BlobId,
    /// What its bytes hash to.
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
    /// Where the bytes are.
    pub key: ObjectKey,
    /// What is known of them.
    pub state: State,
    /// When the bytes were last seen to hash to the digest.
    pub verified_at: Timestamp,
}

type Row = (i64, String, i64, String, String, i64);

const COLUMNS: &str = "SELECT b.id, b.digest, b.size, b.okey, b.state, b.verified_at FROM blob b";
const BY_DIGEST: &str = "SELECT b.id, b.digest, b.size, b.okey, b.state, b.verified_at FROM blob b
    WHERE b.digest = $1";

fn blob((id, digest, size, key, state, verified_at): Row) -> Result<Blob> {
    Ok(Blob {
        id: BlobId(id),
        digest: digest.parse().map_err(|error| Error::inconsistent("blob", error))?,
        size: u64::try_from(size).map_err(|error| Error::inconsistent("blob", error))?,
        key: key.parse()?,
        state: State::named(&state)?,
        verified_at: Timestamp(verified_at),
    })
}

/// The blob with this digest, wherever it is linked. Says nothing about who may read it.
pub async fn find(conn: &mut Conn, digest: &Digest) -> Result<Option<Blob>> {
    let row: Option<Row> = conn.query(BY_DIGEST).bind(digest.as_str()).fetch_optional().await?;
    row.map(blob).transpose()
}

/// The blob with this digest, kept from going away until the transaction ends.
pub async fn hold(tx: &mut Tx, digest: &Digest) -> Result<Option<Blob>> {
    let row: Option<Row> =
        tx.query_holding(BY_DIGEST, "b").bind(digest.as_str()).fetch_optional().await?;
    row.map(blob).transpose()
}

/// The blob with this digest, which nobody else changes or holds until the transaction ends.
pub async fn lock(tx: &mut Tx, digest: &Digest) -> Result<Option<Blob>> {
    let row: Option<Row> =
        tx.query_locking(BY_DIGEST, "b").bind(digest.as_str()).fetch_optional().await?;
    row.map(blob).transpose()
}

/// The blob with this digest, if it is linked in the repository.
pub async fn linked(
    conn: &mut Conn,
    repository: RepositoryId,
    digest: &Digest,
) -> Result<Option<Blob>> {
    let row: Option<Row> = conn
        .query(COLUMNS)
        .push(" JOIN repo_blob l ON l.blob_id = b.id AND l.repo_id = $1 WHERE b.digest = $2")
        .bind(repository.0)
        .bind(digest.as_str())
        .fetch_optional()
        .await?;
    row.map(blob).transpose()
}

/// Adds a blob whose object is durable; None when the digest has a row already.
pub async fn insert(
    tx: &mut Tx,
    digest: &Digest,
    size: u64,
    key: &ObjectKey,
    now: Timestamp,
) -> Result<Option<BlobId>> {
    let row: Option<(i64,)> = tx
        .query(
            "INSERT INTO blob (digest, size, okey, verified_at, created_at)
             VALUES ($1, $2, $3, $4, $4) ON CONFLICT (digest) DO NOTHING RETURNING id",
        )
        .bind(digest.as_str())
        .bind(i64::try_from(size).unwrap_or(i64::MAX))
        .bind(key.as_str())
        .bind(now.0)
        .fetch_optional()
        .await?;
    Ok(row.map(|(id,)| BlobId(id)))
}

/// Lets a fresh object take the place of a damaged one; this is how a push heals.
pub async fn replace_object(
    tx: &mut Tx,
    id: BlobId,
    size: u64,
    key: &ObjectKey,
    now: Timestamp,
) -> Result<()> {
    tx.query("UPDATE blob SET okey = $1, size = $2, state = 'ok', verified_at = $3 WHERE id = $4")
        .bind(key.as_str())
        .bind(i64::try_from(size).unwrap_or(i64::MAX))
        .bind(now.0)
        .bind(id.0)
        .execute()
        .await?;
    Ok(())
}

/// Notes what a read of the object `key` found, unless another object has taken its place. Only a
/// read that found it whole counts as a verification.
pub async fn set_state(
    tx: &mut Tx,
    id: BlobId,
    key: &ObjectKey,
    state: State,
    now: Timestamp,
) -> Result<()> {
    tx.query(
        "UPDATE blob SET state = $1, verified_at = CASE WHEN $1 = 'ok' THEN $2 ELSE verified_at END
         WHERE id = $3 AND okey = $4",
    )
    .bind(state.name())
    .bind(now.0)
    .bind(id.0)
    .bind(key.as_str())
    .execute()
    .await?;
    Ok(())
}

/// Up to `limit` blobs with ids above `after`, by id; for whoever walks them all.
pub async fn walk(conn: &mut Conn, after: BlobId, limit: i64) -> Result<Vec<Blob>> {
    let rows: Vec<Row> = conn
        .query(COLUMNS)
        .push(" WHERE b.id > $1 ORDER BY b.id LIMIT $2")
        .bind(after.0)
        .bind(limit)
        .fetch_all()
        .await?;
    rows.into_iter().map(blob).collect()
}

/// Up to `limit` blobs that are taken to be whole and were not read since `before`; those that wait
/// longest come first.
pub async fn unverified_since(conn: &mut Conn, before: Timestamp, limit: i64) -> Result<Vec<Blob>> {
    let rows: Vec<Row> = conn
        .query(COLUMNS)
        .push(" WHERE b.state = 'ok' AND b.verified_at < $1 ORDER BY b.verified_at LIMIT $2")
        .bind(before.0)
        .bind(limit)
        .fetch_all()
        .await?;
    rows.into_iter().map(blob).collect()
}

/// How many blobs there are, and how many bytes they have.
pub async fn total(conn: &mut Conn) -> Result<(i64, i64)> {
    conn.query("SELECT COUNT(*), CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM blob")
        .fetch_one()
        .await
}

/// Adds a blob for an object that the store has and no row knows; None when some row does, or the
/// digest has a row. Its bytes count as not verified unless `verified`.
pub async fn rebuild(
    tx: &mut Tx,
    digest: &Digest,
    size: u64,
    key: &ObjectKey,
    verified: bool,
    now: Timestamp,
) -> Result<Option<BlobId>> {
    if !owners_of_key(tx, key).await?.is_empty() {
        return Ok(None);
    }
    let id = insert(tx, digest, size, key, now).await?;
    if let Some(id) = id
        && !verified
    {
        tx.query("UPDATE blob SET verified_at = 0 WHERE id = $1").bind(id.0).execute().await?;
    }
    Ok(id)
}

/// Which tables know a key: some of `blob`, `upload`, `tombstone`.
pub async fn owners_of_key(conn: &mut Conn, key: &ObjectKey) -> Result<Vec<String>> {
    let rows: Vec<(String,)> = conn
        .query(
            "SELECT 'blob' FROM blob WHERE okey = $1
             UNION ALL SELECT 'upload' FROM upload WHERE okey = $1
             UNION ALL SELECT 'upload' FROM upload WHERE tail_key = $1
             UNION ALL SELECT 'upload' FROM upload WHERE next_tail_key = $1
             UNION ALL SELECT 'tombstone' FROM tombstone WHERE okey = $1",
        )
        .bind(key.as_str())
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(table,)| table).collect())
}

/// Keys that more than one row knows; there must be none.
pub async fn keys_owned_twice(conn: &mut Conn) -> Result<Vec<String>> {
    let rows: Vec<(String,)> = conn
        .query(
            "SELECT okey FROM (SELECT okey FROM blob UNION ALL SELECT okey FROM upload
                               UNION ALL SELECT tail_key FROM upload
                               UNION ALL SELECT next_tail_key FROM upload
                               UNION ALL SELECT okey FROM tombstone) keys
             WHERE okey IS NOT NULL GROUP BY okey HAVING COUNT(*) > 1",
        )
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(key,)| key).collect())
}

#[cfg(test)]
mod tests;
