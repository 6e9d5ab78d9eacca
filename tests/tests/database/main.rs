//! What becomes of a server when its database is slow, gone, restarted or busy, and how servers
//! start on one.

mod busy;
mod commits;
mod failover;
mod outage;
mod poolers;
mod pools;
mod pushing;
mod races;
mod restart;
mod start;
mod tls;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use roadstead_tests::postgres::{Cluster, Fresh, PASSWORD};
use roadstead_tests::proxy::Proxy;
use roadstead_tests::{Server, Setup};

/// How soon a server must work again after its database does.
pub const RECOVERY: Duration = Duration::from_secs(5);

/// What servers of one database seal secrets with.
pub const SECRET: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// Whether the short run was asked for, which says so: this needs PostgreSQL.
pub fn left_out() -> bool {
    let quick = std::env::var_os("ROADSTEAD_TEST_QUICK").is_some();
    if quick && !roadstead_tests::runs_on_postgres() {
        eprintln!("skipped: the short run was asked for, and this needs PostgreSQL");
        return true;
    }
    false
}

/// The URL of a database of a cluster, by way of another port.
pub fn url(port: u16, database: &str) -> String {
    format!("postgres://postgres:{PASSWORD}@127.0.0.1:{port}/{database}")
}

/// A database of its own behind a proxy.
pub struct Behind {
    /// What is in between.
    pub proxy: Proxy,
    /// The database.
    pub database: Fresh,
}

impl Behind {
    /// A new one, without faults so far.
    pub fn start() -> Self {
        let cluster = Cluster::shared();
        let database = cluster.database();
        let proxy = Proxy::start(SocketAddr::from(([127, 0, 0, 1], cluster.port())));
        Self { proxy, database }
    }

    /// A server that reaches the database through the proxy only, and is not patient.
    pub fn setup(&self) -> Setup {
        let url = url(self.proxy.address().port(), self.database.name());
        Setup::new()
            .env("ROADSTEAD_DATABASE_URL", url)
            .env("ROADSTEAD_SECRET_KEY", SECRET)
            .env("ROADSTEAD_DATABASE_ACQUIRE_TIMEOUT", "1s")
            .env("ROADSTEAD_DATABASE_STATEMENT_TIMEOUT", "1s")
    }
}

/// Asks until the answer to a pull is 200; returns how long that took.
pub async fn until_it_works(server: &Server, path: &str) -> Duration {
    let since = Instant::now();
    let admin = server.admin();
    while admin.get(path).await.status() != 200 {
        assert!(since.elapsed() < Duration::from_mins(1), "it does not recover:\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    since.elapsed()
}
