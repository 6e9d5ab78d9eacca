//! Word of changes that other processes on the same database have committed.
//!
//! Whoever changes what others may remember says so in the transaction ([`Tx::announce`]).
//! PostgreSQL tells every listener once it is committed, and what was remembered before is read
//! anew. Words can be lost, behind a pooler or while a connection is made again; so whoever
//! remembers something also reads it anew after some seconds. On SQLite nobody else is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::task::AbortHandle;

use super::{Tx, touched};
use crate::error::Result;
use crate::remembered::Generations;

/// The channel's name; one database may serve other programs, too.
const CHANNEL: &str = "roadstead";
/// How long to wait before listening again.
const PAUSE: Duration = Duration::from_secs(1);

/// How many changes were heard of. What was remembered at another number is to be read anew.
#[derive(Clone, Debug, Default)]
pub struct Changes(Arc<Heard>);

#[derive(Debug, Default)]
struct Heard {
    count: AtomicU64,
    listener: Option<Listener>,
}

/// A task that ends with this.
#[derive(Debug)]
struct Listener(AbortHandle);

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Changes {
    /// The number so far; it only grows.
    pub fn count(&self) -> u64 {
        self.0.count.load(Ordering::Acquire)
    }

    /// Listens on a pool of its own, whose one connection it keeps.
    pub(super) fn listen(pool: PgPool, generations: Generations) -> Self {
        Self(Arc::new_cyclic(|heard: &std::sync::Weak<Heard>| {
            let heard = heard.clone();
            let note = move |text: &str| {
                let Some(heard) = heard.upgrade() else {
                    return;
                };
                if !touched::heard(text, &generations) {
                    generations.everything_changed();
                    heard.count.fetch_add(1, Ordering::AcqRel);
                }
            };
            let task = tokio::spawn(async move {
                loop {
                    if let Err(error) = hear(&pool, &note).await {
                        tracing::debug!(%error, "not listening for changes at the moment");
                    }
                    note("");
                    tokio::time::sleep(PAUSE).await;
                }
            });
            Heard { count: AtomicU64::new(0), listener: Some(Listener(task.abort_handle())) }
        }))
    }

    /// Whether somebody listens for more.
    pub fn is_listening(&self) -> bool {
        self.0.listener.is_some()
    }
}

async fn hear(pool: &PgPool, note: &impl Fn(&str)) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    // What was committed before the first word can be heard.
    note("");
    loop {
        // Without a notification the connection was lost, and made again, and words with it.
        let word = listener.try_recv().await?;
        note(word.as_ref().map_or("", |word| word.payload()));
    }
}

impl Tx {
    /// Tells the other processes, when the transaction is committed, that something changed which
    /// they may remember.
    pub async fn announce(&mut self) -> Result<()> {
        if self.is_postgres() { self.notify("").await } else { Ok(()) }
    }

    /// Sends a text to everybody who listens on the channel, once it is committed.
    pub(super) async fn notify(&mut self, text: &str) -> Result<()> {
        let query = self.query("SELECT CAST(pg_notify($1, $2) AS TEXT)").bind(CHANNEL).bind(text);
        query.fetch_optional::<(Option<String>,)>().await?;
        Ok(())
    }
}
