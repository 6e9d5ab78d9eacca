//! Servers that share a database and a bucket, and nothing else.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use roadstead_tests::http::Person;
use roadstead_tests::postgres::{Cluster, Fresh};
use roadstead_tests::stores::{Place, Store};
use roadstead_tests::{Server, Setup, free_port};

/// Seals the secrets in the shared database.
pub(crate) const SECRET_KEY: &str = "c2VhbHMgdGhlIHNlY3JldHMgb2YgYWxsIHRoZSB0ZXM=";

/// What the servers share.
pub(crate) struct Shared {
    database: String,
    place: Place,
    /// Gone after the servers, when it was made for them.
    _own: Option<Fresh>,
}

impl Shared {
    pub(crate) fn new() -> Self {
        let own = Cluster::shared().database();
        Self { database: own.url(), place: Store::Radosgw.place(), _own: Some(own) }
    }

    /// A database and a place for blobs that somebody else looks after.
    pub(crate) fn of(database: String, place: Place) -> Self {
        Self { database, place, _own: None }
    }

    /// How one of the servers is started.
    pub(crate) fn setup(&self, variables: &[(&str, &str)]) -> Setup {
        let setup = self
            .place
            .setup()
            .env("ROADSTEAD_DATABASE_URL", &self.database)
            .env("ROADSTEAD_SECRET_KEY", SECRET_KEY);
        variables.iter().fold(setup, |setup, (name, value)| setup.env(name, *value))
    }
}

/// Servers, each of which is as good as any other. The last one's data is checked at the end, when
/// all have stopped.
pub(crate) struct Fleet {
    pub(crate) servers: Vec<Server>,
    admins: Vec<Person>,
    turn: AtomicUsize,
    /// The ports that tell whether each is ready, when that was asked for.
    pub(crate) health: Vec<u16>,
    /// Gone after the servers.
    pub(crate) shared: Shared,
}

impl Fleet {
    /// Starts servers with these variables, all at once on an empty database.
    pub(crate) fn start(count: usize, variables: &[(&str, &str)]) -> Self {
        let shared = Shared::new();
        let setups = (0..count).map(|_| shared.setup(variables)).collect();
        Self::of(shared, setups, Vec::new())
    }

    /// The same over what the caller has, with a port for health each.
    pub(crate) fn with_health(shared: Shared, count: usize, variables: &[(&str, &str)]) -> Self {
        let health: Vec<u16> = (0..count).map(|_| free_port()).collect();
        let setup = |port| {
            let address = format!("127.0.0.1:{port}");
            shared.setup(variables).env("ROADSTEAD_ADMIN_LISTEN", address)
        };
        let setups = health.iter().map(setup).collect();
        Self::of(shared, setups, health)
    }

    /// Starts servers over what they share, all at once; with their ports for health, if any.
    pub(crate) fn of(shared: Shared, setups: Vec<Setup>, health: Vec<u16>) -> Self {
        let mut servers: Vec<Server> = std::thread::scope(|scope| {
            let start = |setup: Setup| scope.spawn(|| setup.start());
            let starting: Vec<_> = setups.into_iter().map(start).collect();
            starting.into_iter().map(|thread| thread.join().expect("a server")).collect()
        });
        // Dropped from the first on: the one that is checked comes last.
        if let Some((_, others)) = servers.split_last_mut() {
            others.iter_mut().for_each(Server::damaged_on_purpose);
        }
        let admins = servers.iter().map(Server::admin).collect();
        Self { servers, admins, turn: AtomicUsize::new(0), health, shared }
    }

    /// What a server's `/readyz` says; None when it says nothing within a second.
    pub(crate) async fn readiness(&self, server: usize) -> Option<u16> {
        let address = SocketAddr::new(self.servers[server].address().ip(), self.health[server]);
        let nobody = self.servers[server].nobody();
        let request = nobody.send("GET", &format!("http://{address}/readyz"));
        let answer = request.timeout(Duration::from_secs(1)).send().await.ok()?;
        Some(answer.status().as_u16())
    }

    /// The administrator at the server whose turn it is.
    pub(crate) fn admin(&self) -> &Person {
        &self.admins[self.turn.fetch_add(1, Ordering::Relaxed) % self.admins.len()]
    }

    /// The administrator at each server.
    pub(crate) fn admins(&self) -> &[Person] {
        &self.admins
    }

    /// Somebody at each server.
    pub(crate) fn everywhere(&self, name: &str, password: &str) -> Vec<Person> {
        self.servers.iter().map(|server| server.person(name, password)).collect()
    }
}
