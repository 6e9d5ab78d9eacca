//! Webhooks: telling others what happened, from the rows that it left.
//!
//! Each row is told once, unless its worker dies; then its claim ends, and it is told again. A
//! target is served by one task of a server at a time, so one that is slow or gone keeps only its
//! own rows waiting.

mod attempt;
mod client;
mod payload;
mod reach;
mod rounds;
mod slack;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ipnet::IpNet;
use roadstead_auth::webhooks::Sealer;
use tokio::sync::OnceCell;

use client::Client;
use reach::Reach;

/// How webhooks are told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Networks that are no part of the internet, and may be told something anyway.
    pub networks: Vec<IpNet>,
    /// How often a row is tried.
    pub attempts: i64,
    /// How long to wait after the first failure; after each more it is four times as long.
    pub backoff: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// The registry as clients name it, `host[:port]`.
    pub host: String,
}

/// How many rows went which way in this process.
#[derive(Debug, Default)]
pub struct Figures {
    told: AtomicU64,
    tried: AtomicU64,
    failed: AtomicU64,
    given_up: AtomicU64,
}

impl Figures {
    /// (result, how many).
    pub fn deliveries(&self) -> [(&'static str, u64); 4] {
        let count = |number: &AtomicU64| number.load(Ordering::Relaxed);
        [
            ("success", count(&self.told)),
            ("retry", count(&self.tried)),
            ("error", count(&self.failed)),
            ("dropped", count(&self.given_up)),
        ]
    }
}

/// What tells.
pub struct Teller {
    settings: Settings,
    sealer: Sealer,
    client: OnceCell<Client>,
    figures: Arc<Figures>,
}

impl Teller {
    /// Tells in this way. What is sealed is opened with `sealer`.
    pub fn new(settings: Settings, sealer: Sealer) -> Self {
        Self { settings, sealer, client: OnceCell::new(), figures: Arc::default() }
    }

    /// What was told so far.
    pub fn figures(&self) -> Arc<Figures> {
        self.figures.clone()
    }

    /// Made when it is needed first: it reads the system's certificates.
    async fn client(&self) -> Result<&Client, reqwest::Error> {
        let reach = || Reach::new(self.settings.networks.clone());
        self.client.get_or_try_init(async || Client::new(reach(), self.settings.timeout)).await
    }
}
