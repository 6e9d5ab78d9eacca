//! Objects that no row needs any more.

use std::time::Duration;

use roadstead_model::ObjectKey;
use roadstead_storage::Result;
use roadstead_storage::tables::tombstone;

use crate::{BATCH, Worker};

/// When a key that could not be deleted is tried again.
const RETRY: Duration = Duration::from_hours(1);

impl Worker {
    /// Deletes the objects of tombstones whose time has come; returns how many. The object goes
    /// first: a tombstone that is left is tried again, an object without a row would be lost.
    pub(crate) async fn delete_objects(&self) -> Result<usize> {
        let mut deleted = 0;
        loop {
            let now = self.clock.now();
            let mut conn = self.db.read().await?;
            let due = tombstone::due(&mut conn, now, &self.db_epoch, BATCH).await?;
            drop(conn);
            if due.is_empty() {
                return Ok(deleted);
            }
            let failed = self.blobs.delete(due.clone()).await?;
            let gone: Vec<ObjectKey> =
                due.into_iter().filter(|key| !failed.contains(key)).collect();
            let mut tx = self.db.begin().await?;
            tombstone::remove(&mut tx, &gone).await?;
            tombstone::defer(&mut tx, &failed, now.after(RETRY)).await?;
            tx.commit().await?;
            deleted += gone.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use roadstead_model::{Algorithm, Clock as _, ManualClock, Timestamp};
    use roadstead_storage::tables::{blob, setting};
    use roadstead_storage::{Blobs, ContentHash, Db};

    use super::*;

    #[tokio::test]
    async fn an_object_stays_through_its_grace_and_is_gone_after_it() {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("test.db").display());
        let db = Db::open(&url, 2).await.unwrap();
        let blobs = Blobs::open(directory.path().join("blobs")).await.unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp(0)));
        let grace = Duration::from_mins(1);
        let key = ObjectKey::fresh();
        drop(blobs.stage(&key, 0, ContentHash::new(Algorithm::Sha256)).await.unwrap());
        let mut tx = db.begin().await.unwrap();
        setting::get_or_set(&mut tx, "db_epoch", "epoch").await.unwrap();
        tombstone::insert(&mut tx, &key, clock.now().after(grace), "epoch").await.unwrap();
        let other = ObjectKey::fresh();
        tombstone::insert(&mut tx, &other, clock.now(), "a restored database").await.unwrap();
        tx.commit().await.unwrap();

        let worker = Worker::new(db.clone(), blobs.clone(), clock.clone(), grace).await.unwrap();
        clock.advance(Duration::from_secs(59));
        assert_eq!(worker.delete_objects().await.unwrap(), 0);
        assert!(blobs.size(&key).await.unwrap().is_some());
        clock.advance(Duration::from_secs(1));
        assert_eq!(worker.delete_objects().await.unwrap(), 1);
        assert!(blobs.size(&key).await.unwrap().is_none());
        let mut conn = db.read().await.unwrap();
        assert!(blob::owners_of_key(&mut conn, &key).await.unwrap().is_empty());
        assert_eq!(blob::owners_of_key(&mut conn, &other).await.unwrap(), ["tombstone"]);
    }
}
