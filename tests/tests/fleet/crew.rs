//! Clients that push and pull while a test makes trouble, and the reckoning at its end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use roadstead_tests::Server;
use tokio::task::JoinHandle;

use crate::fleet::Fleet;
use crate::witness::{Witness, repository};

/// The project, which is nobody's but the administrator's.
pub(crate) const PROJECT: &str = "team";
const CLIENTS: usize = 6;
/// How long clients are waited for, on a busy machine.
const LONG: Duration = Duration::from_mins(2);

/// Clients at work.
pub(crate) struct Crew {
    pub(crate) witness: Arc<Witness>,
    workers: Vec<JoinHandle<()>>,
}

impl Crew {
    /// Makes the project, with an image `before`, and starts clients, who ask the proxy or, without
    /// one, each server in turn.
    pub(crate) async fn start(fleet: &Fleet, proxy: Option<String>, rng: &mut StdRng) -> Self {
        let admin = &fleet.admins()[0];
        admin.create_project(PROJECT, false).await;
        admin.push_image(&format!("{PROJECT}/before"), "1", b"before").await;
        let scopes = (0..CLIENTS).map(|n| format!("repository:{}:pull,push,delete", repository(n)));
        let (token, _) = admin.registry_token(&scopes.collect::<Vec<_>>().join(" ")).await;
        let proxied = proxy.is_some();
        let hosts = proxy.map_or_else(|| hosts(fleet), |host| vec![host]);
        let witness = Arc::new(Witness::new(hosts, token, proxied));
        let start = |n| {
            let (witness, rng) = (witness.clone(), StdRng::seed_from_u64(rng.random()));
            tokio::spawn(async move { witness.work(n, rng).await })
        };
        let workers = (0..CLIENTS).map(start).collect();
        Self { witness, workers }
    }

    /// Waits until so many images more were acknowledged.
    pub(crate) async fn wait_for_images(&self, more: usize) {
        let (before, since) = (self.witness.acknowledged(), Instant::now());
        while self.witness.acknowledged() < before + more {
            assert!(since.elapsed() < LONG, "clients get nothing done");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends the work: every answer was right, and what was acknowledged is what every server has.
    pub(crate) async fn finish(self, fleet: &Fleet) {
        let since = Instant::now();
        self.witness.end();
        for worker in self.workers {
            worker.await.expect("no client panicked");
        }
        println!("{}; the last ended after {:?}", self.witness.summary(), since.elapsed());
        self.witness.assert_nothing_wrong();
        self.witness.read_everything(&hosts(fleet)).await;
        fleet.servers[0].assert_clean(&["--deep"]);
        println!("all was read again and checked after {:?}", since.elapsed());
    }
}

fn hosts(fleet: &Fleet) -> Vec<String> {
    fleet.servers.iter().map(Server::host).collect()
}
