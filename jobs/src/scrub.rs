//! Reading every blob now and then, so that a rotten disk is noticed.

use std::sync::Arc;
use std::time::Duration;

use roadstead_model::{Clock, Timestamp};
use roadstead_registry::fsck::{Scrub, Scrubbed};
use roadstead_storage::tables::lease;
use roadstead_storage::{Blobs, Db};
use tokio_util::sync::CancellationToken;

/// How often it is looked whether something is due.
const POLL: Duration = Duration::from_mins(1);
/// One replica reads at a time; one that has died is followed by another after this time.
const LEASE: Duration = Duration::from_mins(10);
const NAME: &str = "scrub";

/// Reads each blob at least once in every `interval`, until told to stop.
pub async fn keep_scrubbing(
    db: Db,
    blobs: Blobs,
    clock: Arc<dyn Clock>,
    interval: Duration,
    stop: CancellationToken,
) {
    let mut lease = Lease { db: db.clone(), clock: clock.clone(), held: None };
    while stop.run_until_cancelled(tokio::time::sleep(POLL)).await.is_some() {
        let pass = async {
            let scrub = Scrub::new(db.clone(), blobs.clone(), clock.clone(), interval).await?;
            pass(&scrub, &mut lease, &stop).await
        };
        match Box::pin(pass).await {
            Ok(done) if done == Scrubbed::default() => {}
            Ok(Scrubbed { blobs, bytes, damaged }) => {
                tracing::info!(blobs, bytes, damaged, "blobs were read and compared");
            }
            Err(error) => tracing::warn!(%error, "reading blobs failed; it is tried again"),
        }
    }
    lease.give_back().await;
}

/// Reads what is due.
async fn pass(
    scrub: &Scrub,
    lease: &mut Lease,
    stop: &CancellationToken,
) -> roadstead_registry::Result<Scrubbed> {
    let mut done = Scrubbed::default();
    loop {
        let due = scrub.due().await?;
        if due.is_empty() || !lease.take().await? {
            return Ok(done);
        }
        for row in due {
            if !lease.is_fresh() && !lease.take().await? {
                return Ok(done);
            }
            match stop.run_until_cancelled(Box::pin(scrub.read(&row, &mut done))).await {
                None => return Ok(done),
                Some(read) => read?,
            }
        }
    }
}

struct Lease {
    db: Db,
    clock: Arc<dyn Clock>,
    held: Option<Timestamp>,
}

impl Lease {
    /// More than half of it is left.
    fn is_fresh(&self) -> bool {
        self.held.is_some_and(|until| until > self.clock.now().after(LEASE / 2))
    }

    async fn take(&mut self) -> roadstead_storage::Result<bool> {
        let now = self.clock.now();
        let until = now.after(LEASE);
        let mut tx = self.db.begin().await?;
        let taken = lease::take(&mut tx, NAME, self.held, until, now).await?;
        tx.commit().await?;
        self.held = taken.then_some(until);
        Ok(taken)
    }

    async fn give_back(&mut self) {
        let Some(held) = self.held.take() else {
            return;
        };
        let released = async {
            let mut tx = self.db.begin().await?;
            lease::release(&mut tx, NAME, held).await?;
            tx.commit().await
        };
        if let Err(error) = released.await {
            tracing::debug!(%error, "the lease of reading blobs ends by itself");
        }
    }
}

#[cfg(test)]
mod tests {
    use roadstead_model::{Algorithm, Digest, ManualClock, ObjectKey};
    use roadstead_storage::ContentHash;
    use roadstead_storage::blobs::{Layout, Session};
    use roadstead_storage::tables::blob::{self, State};

    use super::*;

    async fn stored(db: &Db, blobs: &Blobs, bytes: &'static [u8], now: Timestamp) -> Digest {
        let (key, layout) = (ObjectKey::fresh(), Layout::default());
        let place = Session { key: &key, received: 0, layout: &layout, expected: None };
        let staged = blobs.stage(place, ContentHash::new(Algorithm::Sha256));
        let staged = staged.write(vec![bytes.into()]).await.unwrap();
        let digest = staged.hash().clone().finish();
        blobs.publish(staged, Some(&digest)).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        let size = bytes.len() as u64;
        blob::insert(&mut tx, &digest, size, &key, now).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        digest
    }

    #[tokio::test]
    async fn what_nobody_has_read_for_half_the_interval_is_read_and_what_is_rotten_is_marked() {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("test.db").display());
        let db = Db::open(&url, 2).await.unwrap();
        let root = directory.path().join("blobs");
        let blobs = Blobs::open(root.clone()).await.unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp(1)));
        let whole = stored(&db, &blobs, b"whole", clock.now()).await;
        let rotten = stored(&db, &blobs, b"rotten", clock.now()).await;
        let key = blob::find(&mut db.read().await.unwrap(), &rotten).await.unwrap().unwrap().key;
        std::fs::write(root.join(key.as_str()), b"ROTTEN").unwrap();

        let interval = Duration::from_hours(24 * 30);
        let scrub = Scrub::new(db.clone(), blobs, clock.clone(), interval).await.unwrap();
        let mut lease = Lease { db: db.clone(), clock: clock.clone(), held: None };
        let stop = CancellationToken::new();
        clock.advance(interval / 2);
        assert_eq!(pass(&scrub, &mut lease, &stop).await.unwrap(), Scrubbed::default());
        clock.advance(Duration::from_secs(1));
        // Another replica is at it.
        let mut other = Lease { db: db.clone(), clock: clock.clone(), held: None };
        assert!(other.take().await.unwrap());
        assert_eq!(pass(&scrub, &mut lease, &stop).await.unwrap(), Scrubbed::default());
        other.give_back().await;
        let done = pass(&scrub, &mut lease, &stop).await.unwrap();
        assert_eq!(done, Scrubbed { blobs: 2, bytes: 11, damaged: 1 });
        let mut conn = db.read().await.unwrap();
        let now = clock.now();
        let found = blob::find(&mut conn, &whole).await.unwrap().unwrap();
        assert_eq!((found.state, found.verified_at), (State::Ok, now));
        assert_eq!(blob::find(&mut conn, &rotten).await.unwrap().unwrap().state, State::Suspect);
    }
}
