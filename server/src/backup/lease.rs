//! The right to copy objects without any being deleted.

use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use roadstead_model::{Clock as _, SystemClock, Timestamp};
use roadstead_storage::Db;
use roadstead_storage::tables::lease;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

const NAME: &str = "backup";
/// A backup that has died holds deletion up for so long.
const LENGTH: Duration = Duration::from_mins(10);
const RENEWAL: Duration = Duration::from_mins(1);

/// A lease that is kept until it is given back.
pub(super) struct Lease {
    db: Db,
    held: Arc<Mutex<Timestamp>>,
    renewal: JoinHandle<()>,
}

impl Lease {
    pub(super) async fn take(db: &Db) -> anyhow::Result<Self> {
        let Some(until) = extend(db, None).await? else {
            bail!("another backup is being made, or one was cut off in the last ten minutes");
        };
        let held = Arc::new(Mutex::new(until));
        let renewal = tokio::spawn(keep(db.clone(), held.clone()));
        Ok(Self { db: db.clone(), held, renewal })
    }

    pub(super) async fn give_back(self) {
        self.renewal.abort();
        let held = *self.held.lock().await;
        let released = async {
            let mut tx = self.db.begin().await?;
            lease::release(&mut tx, NAME, held).await?;
            tx.commit().await
        };
        if let Err(error) = released.await {
            eprintln!("roadstead: objects are not deleted for ten minutes more: {error}");
        }
    }
}

async fn extend(db: &Db, held: Option<Timestamp>) -> roadstead_storage::Result<Option<Timestamp>> {
    let now = SystemClock.now();
    let until = now.after(LENGTH);
    let mut tx = db.begin().await?;
    let taken = lease::take(&mut tx, NAME, held, until, now).await?;
    tx.commit().await?;
    Ok(taken.then_some(until))
}

async fn keep(db: Db, held: Arc<Mutex<Timestamp>>) {
    loop {
        tokio::time::sleep(RENEWAL).await;
        let mut held = held.lock().await;
        // There are nine more attempts before it ends.
        if let Ok(Some(until)) = extend(&db, Some(*held)).await {
            *held = until;
        }
    }
}
