//! Taking from the queue, and putting back what it is too early for.

use std::collections::BTreeMap;

use roadstead_model::{ManifestId, RepositoryId, Timestamp};

use super::Kind;
use crate::{Conn, Query, Result, Tx};

/// The time of what is kept by the policy: it is looked at again when the policy changes, when
/// somebody asks for it, or when newer ones push it out.
pub const PARKED: Timestamp = Timestamp(i64::MAX);

/// A queued row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The id of the manifest or the blob.
    pub target: i64,
    /// The repository; 0 for blobs.
    pub repository: RepositoryId,
    /// When the last reference went.
    pub since: Timestamp,
    /// Until when somebody who pushes may be about to refer to it.
    pub lease_until: Timestamp,
    /// When it is to be looked at.
    pub not_before: Timestamp,
}

/// Appends the keys of rows, whose kind the statement names already.
fn keyed<'c>(query: Query<'c>, entries: &[Entry]) -> Query<'c> {
    query
        .push(" AND target_id IN ")
        .push_list(entries.iter().map(|entry| entry.target))
        .push(" AND ")
        .push_pairs(["target_id", "repo_id"], entries.iter().map(Entry::key))
}

impl Entry {
    fn key(&self) -> (i64, i64) {
        (self.target, self.repository.0)
    }
}

type Row = (i64, i64, i64, i64, i64);

const SELECT: &str = "SELECT target_id, repo_id, since, lease_until, not_before FROM gc_queue";

fn entry((target, repository, since, lease, not_before): Row) -> Entry {
    Entry {
        target,
        repository: RepositoryId(repository),
        since: Timestamp(since),
        lease_until: Timestamp(lease),
        not_before: Timestamp(not_before),
    }
}

/// Up to `limit` rows whose time has come, for this transaction alone.
pub async fn due(tx: &mut Tx, kind: Kind, now: Timestamp, limit: i64) -> Result<Vec<Entry>> {
    let tail = tx.skip_locked();
    let rows: Vec<Row> = tx
        .query(SELECT)
        .push(" WHERE kind = $1 AND not_before <= $2 ORDER BY not_before LIMIT $3")
        .push(tail)
        .bind(kind.name())
        .bind(now.0)
        .bind(limit)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(entry).collect())
}

/// Whether the time of a row has come.
pub async fn has_due(conn: &mut Conn, kind: Kind, now: Timestamp) -> Result<bool> {
    let row: Option<(i64,)> = conn
        .query("SELECT target_id FROM gc_queue WHERE kind = $1 AND not_before <= $2 LIMIT 1")
        .bind(kind.name())
        .bind(now.0)
        .fetch_optional()
        .await?;
    Ok(row.is_some())
}

/// Up to `limit` rows of a kind behind `after`, by id, whatever their time.
pub async fn walk(
    conn: &mut Conn,
    kind: Kind,
    after: Option<&Entry>,
    limit: i64,
) -> Result<Vec<Entry>> {
    let (target, repository) = after.map_or((0, 0), Entry::key);
    let rows: Vec<Row> = conn
        .query(SELECT)
        .push(
            " WHERE kind = $1 AND (target_id, repo_id) > ($2, $3)
             ORDER BY target_id, repo_id LIMIT $4",
        )
        .bind(kind.name())
        .bind(target)
        .bind(repository)
        .bind(limit)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(entry).collect())
}

/// Those of the rows that are still there and that no other worker has, for this transaction
/// alone.
pub async fn take(tx: &mut Tx, kind: Kind, entries: &[Entry]) -> Result<Vec<Entry>> {
    let tail = tx.skip_locked();
    let query = tx.query(SELECT).push(" WHERE kind = $1").bind(kind.name());
    let rows: Vec<Row> = keyed(query, entries).push(tail).fetch_all().await?;
    Ok(rows.into_iter().map(entry).collect())
}

/// Takes rows out of the queue.
pub async fn remove(tx: &mut Tx, kind: Kind, entries: &[Entry]) -> Result<()> {
    if !entries.is_empty() {
        let query = tx.query("DELETE FROM gc_queue WHERE kind = $1").bind(kind.name());
        keyed(query, entries).execute().await?;
    }
    Ok(())
}

/// Looks at a row again at a later moment.
pub async fn defer(tx: &mut Tx, kind: Kind, entry: &Entry, until: Timestamp) -> Result<()> {
    tx.query(
        "UPDATE gc_queue SET not_before = $1, attempts = attempts + 1
         WHERE kind = $2 AND target_id = $3 AND repo_id = $4",
    )
    .bind(until.0)
    .bind(kind.name())
    .bind(entry.target)
    .bind(entry.repository.0)
    .execute()
    .await?;
    Ok(())
}

/// Looks at links that were renewed again when their leases end.
pub async fn defer_links(tx: &mut Tx, entries: &[Entry], now: Timestamp) -> Result<()> {
    let query = tx
        .query(
            "UPDATE gc_queue SET attempts = attempts + 1, not_before = (
                 SELECT l.lease_until FROM repo_blob l
                 WHERE l.repo_id = gc_queue.repo_id AND l.blob_id = gc_queue.target_id)
             WHERE kind = 'link' AND EXISTS (
                 SELECT 1 FROM repo_blob l WHERE l.repo_id = gc_queue.repo_id
                 AND l.blob_id = gc_queue.target_id AND l.lease_until > $1)",
        )
        .bind(now.0);
    keyed(query, entries).execute().await?;
    Ok(())
}

/// Takes those of the rows out of the queue that are still due, after the others were deferred.
pub async fn remove_idle(tx: &mut Tx, kind: Kind, entries: &[Entry], now: Timestamp) -> Result<()> {
    // The plus keeps SQLite from walking all that is due.
    let query = tx.query("DELETE FROM gc_queue WHERE kind = $1 AND +not_before <= $2");
    keyed(query.bind(kind.name()).bind(now.0), entries).execute().await?;
    Ok(())
}

/// The manifests of a repository that nothing holds and nobody is about to.
const RIVALS: &str = " FROM gc_queue q JOIN manifest m ON m.id = q.target_id
     WHERE q.kind = 'manifest' AND q.repo_id = $1 AND q.lease_until <= $2
       AND NOT EXISTS (SELECT 1 FROM tag t WHERE t.manifest_id = m.id)
       AND NOT EXISTS (SELECT 1 FROM manifest_child c WHERE c.child_id = m.id)
       AND NOT EXISTS (SELECT 1 FROM manifest s
                       WHERE s.repo_id = m.repo_id AND s.digest = m.subject_digest)";

/// Lets manifests that were kept as the newest ones be looked at again, where `keep` newer ones
/// stand in the queue of their repository by now.
pub async fn wake_beyond(
    tx: &mut Tx,
    repository: RepositoryId,
    keep: i64,
    now: Timestamp,
) -> Result<()> {
    tx.query(
        "UPDATE gc_queue SET not_before = $2
         WHERE kind = 'manifest' AND repo_id = $1 AND not_before = $3
           AND target_id < (SELECT q.target_id",
    )
    .push(RIVALS)
    .push(" ORDER BY q.target_id DESC LIMIT 1 OFFSET $4)")
    .bind(repository.0)
    .bind(now.0)
    .bind(PARKED.0)
    .bind(keep - 1)
    .execute()
    .await?;
    Ok(())
}

/// Lets rows that wait be looked at now.
pub async fn wake(tx: &mut Tx, kind: Kind, entries: &[Entry], now: Timestamp) -> Result<()> {
    let query =
        tx.query("UPDATE gc_queue SET not_before = $1 WHERE kind = $2 AND +not_before > $1");
    keyed(query.bind(now.0).bind(kind.name()), entries).execute().await?;
    Ok(())
}

/// How many manifests that nobody pushes any more stand in the queue before this one, up to
/// `most`; those that were pushed later come before.
pub(crate) async fn newer(
    conn: &mut Conn,
    repository: RepositoryId,
    manifest: ManifestId,
    now: Timestamp,
    most: i64,
) -> Result<i64> {
    let (count,) = conn
        .query("SELECT COUNT(*) FROM (SELECT 1")
        .push(RIVALS)
        .push(" AND q.target_id > $3 LIMIT $4) newer")
        .bind(repository.0)
        .bind(now.0)
        .bind(manifest.0)
        .bind(most)
        .fetch_one::<(i64,)>()
        .await?;
    Ok(count)
}

/// What waits for collection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// By what it is: how many rows are due.
    pub due: BTreeMap<&'static str, i64>,
    /// Since when the oldest of them is due.
    pub oldest: Option<Timestamp>,
}

/// Counts what is due, which costs as much as there is of it.
pub async fn backlog(conn: &mut Conn, now: Timestamp) -> Result<Backlog> {
    let mut backlog = Backlog::default();
    for (name, sql) in [
        ("manifest", "FROM gc_queue WHERE kind = 'manifest' AND not_before <= $1"),
        ("referrer", "FROM gc_queue WHERE kind = 'referrer' AND not_before <= $1"),
        ("link", "FROM gc_queue WHERE kind = 'link' AND not_before <= $1"),
        ("blob", "FROM gc_queue WHERE kind = 'blob' AND not_before <= $1"),
        ("object", "FROM tombstone WHERE not_before <= $1"),
    ] {
        let query = conn.query("SELECT COUNT(*), MIN(not_before) ").push(sql).bind(now.0);
        let (count, oldest): (i64, Option<i64>) = query.fetch_one().await?;
        backlog.due.insert(name, count);
        let oldest = oldest.map(Timestamp);
        backlog.oldest = [backlog.oldest, oldest].into_iter().flatten().min();
    }
    Ok(backlog)
}
