//! Objects and their rows.

use futures_util::StreamExt as _;
use roadstead_model::{ObjectKey, Timestamp};
use roadstead_storage::blobs::Found;
use roadstead_storage::tables::{quarantine, setting, tombstone};

use super::report::{Fault, Kind, Report};
use super::{Check, QUARANTINE, Stage, repair};
use crate::error::Result;

/// How many keys one statement names, three times.
const BATCH: usize = 200;

impl Check {
    pub(super) async fn check_orphans(&self, report: &mut Report) -> Result<()> {
        self.progress.enter(Stage::Objects, 0);
        let mut walk = self.blobs.walk();
        let mut keys = Vec::with_capacity(BATCH);
        while let Some(found) = walk.next().await {
            report.files += 1;
            self.progress.step(0);
            match found? {
                Found::Object(key) => keys.push(key),
                Found::Stranger(path) => report.fault(Kind::Stranger, path, "is no object"),
            }
            if keys.len() == BATCH {
                self.check_owners(&keys, report).await?;
                keys.clear();
            }
            if self.progress.is_stopped() {
                return Ok(());
            }
        }
        self.check_owners(&keys, report).await?;
        if self.options.repair {
            let mut tx = self.db.begin().await?;
            quarantine::release_owned(&mut tx).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    async fn check_owners(&self, keys: &[ObjectKey], report: &mut Report) -> Result<()> {
        let mut conn = self.db.read().await?;
        let owned = quarantine::owned(&mut conn, keys).await?;
        let orphans: Vec<ObjectKey> =
            keys.iter().filter(|key| !owned.contains(key.as_str())).cloned().collect();
        if orphans.is_empty() {
            return Ok(());
        }
        let known = quarantine::first_seen(&mut conn, &orphans).await?;
        drop(conn);
        for key in orphans {
            // Deleted since the store was listed, it is no orphan.
            let Some(size) = self.blobs.size(&key).await? else {
                continue;
            };
            if let Some(since) = known.get(key.as_str()) {
                self.wait_out(&key, *since, report).await?;
                continue;
            }
            let detail = format!("no row knows it; it has {size} bytes");
            let mut fault = Fault::new(Kind::Orphaned, format!("object {key}"), detail);
            if self.options.repair {
                fault.repair = self.put_aside(&key).await?;
            }
            report.add(fault);
        }
        Ok(())
    }

    async fn put_aside(&self, key: &ObjectKey) -> Result<Option<&'static str>> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        if !quarantine::put(&mut tx, key, "no row knows it", now).await? {
            return Ok(None);
        }
        repair::record(&mut tx, key.as_str(), "put into quarantine", now).await?;
        tx.commit().await?;
        Ok(Some("put into quarantine"))
    }

    /// An orphan that was put aside before; when its time is over, it is given up.
    async fn wait_out(&self, key: &ObjectKey, since: Timestamp, report: &mut Report) -> Result<()> {
        report.quarantined += 1;
        let now = self.clock.now();
        if !self.options.repair || since.after(QUARANTINE) > now {
            return Ok(());
        }
        let mut tx = self.db.begin().await?;
        let epoch = setting::get(&mut tx, "db_epoch").await?.unwrap_or_default();
        let owned = quarantine::owned(&mut tx, std::slice::from_ref(key)).await?;
        if !owned.is_empty() || !quarantine::release(&mut tx, key).await? {
            return Ok(());
        }
        let not_before = now.after(self.options.grace);
        tombstone::insert(&mut tx, key, not_before, &epoch).await?;
        repair::record(&mut tx, key.as_str(), "given up after its quarantine", now).await?;
        tx.commit().await?;
        report.given_up += 1;
        Ok(())
    }

    /// Tombstones of another history of the database were left alone until this check had seen
    /// everything.
    pub(super) async fn adopt_tombstones(&self, report: &mut Report) -> Result<()> {
        let damaged = [Kind::Missing, Kind::SharedKey, Kind::Database];
        if damaged.iter().any(|kind| report.kinds.contains_key(kind)) {
            return Ok(());
        }
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        let epoch = setting::get(&mut tx, "db_epoch").await?.unwrap_or_default();
        let adopted = tombstone::adopt(&mut tx, &epoch, now.after(self.options.grace)).await?;
        if adopted > 0 {
            let what = format!("{adopted} keys of another history may be deleted again");
            repair::record(&mut tx, "tombstones", &what, now).await?;
        }
        Ok(tx.commit().await?)
    }
}
