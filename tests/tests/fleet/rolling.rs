//! Servers are replaced one after another behind the proxy of deploy/compose, and nobody notices.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use rand::Rng as _;
use roadstead_tests::Server;
use roadstead_tests::content::{random_bytes, rng};

use crate::client::{Failed, Image, Registry, repository};
use crate::fleet::{Fleet, Shared};
use crate::proxy::Proxy;

/// How many clients push and pull all the while.
const CLIENTS: usize = 8;

/// Pushes and pulls until it is told to stop; the number of images.
async fn work(registry: Arc<Registry>, n: usize, stop: Arc<AtomicBool>) -> Result<usize, Failed> {
    let (mut rng, mut images) = (rng(), 0);
    while !stop.load(Ordering::Relaxed) {
        let length = rng.random_range(100_000..2_000_000);
        let layers: Vec<Bytes> = vec![random_bytes(&mut rng, length).into()];
        let (repository, tag) = (repository(n), format!("v{n}-{images}"));
        let image = Image { repository, tag, layers };
        registry.push(&image).await?;
        registry.pull(&image).await?;
        images += 1;
    }
    Ok(images)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn servers_are_replaced_one_after_another_and_nobody_notices() {
    let mut fleet = Fleet::with_health(
        Shared::new(),
        3,
        &[("ROADSTEAD_DRAIN_DELAY", "2s"), ("ROADSTEAD_TRUSTED_PROXIES", "127.0.0.1")],
    );
    let places = fleet.servers.iter().map(Server::host).zip(fleet.health.iter().copied());
    let proxy = Proxy::start(Ipv4Addr::LOCALHOST, &places.collect::<Vec<_>>());
    let registry = Arc::new(Registry::new(vec![proxy.host()]));
    let stop = Arc::new(AtomicBool::new(false));
    let workers: Vec<_> =
        (0..CLIENTS).map(|n| tokio::spawn(work(registry.clone(), n, stop.clone()))).collect();
    tokio::time::sleep(Duration::from_secs(2)).await;
    for server in &mut fleet.servers {
        tokio::task::block_in_place(|| {
            server.terminate();
            assert_eq!(server.wait(), Some(0), "it did not leave in order");
            server.start();
        });
        // The proxy takes it in again.
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    stop.store(true, Ordering::Relaxed);
    let mut images = 0;
    for worker in workers {
        images += worker.await.expect("no panic").unwrap_or_else(|error| panic!("{error}"));
    }
    let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    let (requests, repeated) = (count(&registry.requests), count(&registry.repeated));
    println!("{images} images pushed and pulled, {requests} requests, {repeated} sent again");
    assert!(images > 0 && repeated * 20 < requests, "{repeated} of {requests} sent again");
}
