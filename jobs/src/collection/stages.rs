//! Sessions, links, blobs and objects: one batch of each.

use std::time::Instant;

use roadstead_model::BlobId;
use roadstead_storage::tables::gc_queue::{self, Entry, Kind};
use roadstead_storage::tables::tombstone::{self, Grave};
use roadstead_storage::tables::{blob, link, upload};
use roadstead_storage::{Result, Tx};

use super::journal::gone as told;
use super::piece::Piece;
use super::tally::{Outcome, count};
use super::{Sweep, Tally};

/// How many objects are deleted at once at most.
pub(super) const OBJECTS: usize = 500;

impl Sweep {
    /// Closes sessions that have expired and gives their keys up for deletion.
    pub(super) async fn close_sessions(&self, piece: &mut Piece) -> Result<usize> {
        let worker = &self.worker;
        let now = worker.clock.now();
        let mut tx = worker.background.begin().await?;
        let since = Instant::now();
        let graves = upload::remove_expired(&mut tx, now, count(piece.size())).await?;
        let found = graves.len();
        let not_before = now.after(worker.policy.grace);
        tombstone::insert_all(&mut tx, graves, not_before, &worker.db_epoch).await?;
        piece.learn(found, since.elapsed());
        tx.commit().await?;
        self.count(Tally { sessions: count(found), ..Tally::default() });
        Ok(found)
    }

    /// Removes links whose lease has ended; those that a manifest holds leave the queue, and come
    /// back when it goes.
    pub(super) async fn judge_links(&self, tx: &mut Tx, entries: &[Entry]) -> Result<Outcome> {
        let now = self.worker.clock.now();
        let links = entries.iter().map(|entry| (BlobId(entry.target), entry.repository));
        let gone = link::remove_expired(tx, links, now).await?;
        gc_queue::blobs(tx, gone.iter().map(|link| link.blob), now).await?;
        gc_queue::defer_links(tx, entries, now).await?;
        gc_queue::remove_idle(tx, Kind::Link, entries, now).await?;
        Ok(Tally { links: count(gone.len()), ..Tally::default() }.into())
    }

    /// Removes blobs that no repository links, and gives their keys up for deletion.
    pub(super) async fn judge_blobs(&self, tx: &mut Tx, entries: &[Entry]) -> Result<Outcome> {
        let worker = &self.worker;
        let now = worker.clock.now();
        let blobs = entries.iter().map(|entry| BlobId(entry.target));
        let gone = blob::remove_unlinked(tx, blobs).await?;
        let graves = gone.iter().map(|found| Grave::of_blob(&found.key, &found.digest)).collect();
        let not_before = now.after(worker.policy.grace);
        tombstone::insert_all(tx, graves, not_before, &worker.db_epoch).await?;
        gc_queue::remove(tx, Kind::Blob, entries).await?;
        let bytes = gone.iter().map(|found| found.size).sum();
        let lines = gone.iter().filter(|_| self.tells());
        let lines = lines.map(|found| told(found.digest.as_str())).collect();
        let tally = Tally { blobs: count(gone.len()), bytes, ..Tally::default() };
        Ok(Outcome { tally, gone: lines })
    }

    /// Deletes objects whose time has come. The object goes before its tombstone: one that is left
    /// is tried again, an object without a row would be lost.
    pub(super) async fn delete_some_objects(&self, piece: &mut Piece) -> Result<usize> {
        let worker = &self.worker;
        let (now, most) = (worker.clock.now(), count(piece.size()));
        let mut tx = worker.background.begin().await?;
        let since = Instant::now();
        let claimed = tombstone::claim(&mut tx, now, &worker.db_epoch, most).await?;
        let mut longest = since.elapsed();
        tx.commit().await?;
        if claimed.is_empty() {
            return Ok(0);
        }
        let failed = worker.blobs.delete(&claimed).await?;
        let all = claimed.len();
        let keys = claimed.into_iter().map(|grave| grave.key);
        let gone: Vec<_> = keys.filter(|key| !failed.contains(key)).collect();
        let mut tx = worker.background.begin().await?;
        let since = Instant::now();
        tombstone::remove(&mut tx, &gone).await?;
        longest = longest.max(since.elapsed());
        tx.commit().await?;
        piece.learn(all, longest);
        self.count(Tally { objects: count(gone.len()), ..Tally::default() });
        Ok(all)
    }
}
