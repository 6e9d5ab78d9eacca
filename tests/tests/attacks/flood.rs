//! Many logins at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::Rng as _;
use roadstead_tests::cast::PASSWORD;
use roadstead_tests::http::Person;
use roadstead_tests::{ADMIN_PASSWORD, Server};

use crate::passwords::quick;
use crate::{Tenants, p95};

/// 500 clients at once that ask for a token about every second, with passwords or without, from
/// many networks; until told to stop, on a thread that runs after all others, because they bring
/// their own machines.
fn flood(server: &Server, logins: bool, stop: Arc<AtomicBool>) -> std::thread::JoinHandle<u64> {
    let networks: Vec<Person> = (0..50).map(|n| server.nobody().from([127, 1, n, 1])).collect();
    let people: Vec<Person> = (0..500)
        .map(|n| {
            let person = networks[n % networks.len()].clone();
            match n % 5 {
                _ if !logins => person,
                0 => person.known_as("alice", PASSWORD),
                1 => person.known_as("admin", ADMIN_PASSWORD),
                _ => person.known_as(&format!("user-{}", rand::rng().random::<u64>()), "Wrong-1"),
            }
        })
        .collect();
    std::thread::spawn(move || {
        let _ = rustix::process::nice(19);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let stop = &stop;
            let loops = people.into_iter().zip(0..).map(|(person, at)| async move {
                let mut sent = 0;
                tokio::time::sleep(Duration::from_millis(1) * at).await;
                while !stop.load(Ordering::Relaxed) {
                    person.get("/service/token?service=harbor-registry").await;
                    sent += 1;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                sent
            });
            futures_util::future::join_all(loops).await.into_iter().sum()
        })
    })
}

/// How long pulls by tag take, in milliseconds, one every few milliseconds.
async fn pulls(holder: &Person, count: usize) -> Vec<f64> {
    let mut times = Vec::new();
    for _ in 0..count {
        let began = Instant::now();
        let answer = holder.get("/v2/hers/app/manifests/v1").await;
        assert_eq!(answer.status(), 200);
        answer.bytes().await.unwrap();
        times.push(began.elapsed().as_secs_f64() * 1e3);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    times
}

/// What 95 of 100 pulls take at most while a flood goes on, in milliseconds.
async fn pulls_under(tenants: &Tenants, holder: &Person, logins: bool) -> f64 {
    let stop = Arc::new(AtomicBool::new(false));
    let flood = flood(&tenants.server, logins, stop.clone());
    tokio::time::sleep(Duration::from_millis(700)).await;
    let took = p95(pulls(holder, 100).await);
    stop.store(true, Ordering::Relaxed);
    let sent = flood.join().unwrap();
    assert!(sent >= 250, "no flood: {sent} requests");
    took
}

/// Hashing takes a hundred times what a request takes otherwise, and all of it is to be felt by
/// those who log in: the same flood without passwords is what it is compared with.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_logins_does_not_slow_down_who_pulls() {
    if quick() {
        return;
    }
    let tenants = Tenants::new().await;
    let (token, _) = tenants.alice.registry_token("repository:hers/app:pull").await;
    let holder = tenants.server.bearer(&token);
    pulls(&holder, 50).await;
    // The best of some rounds is what the server does to itself; the rest is what else the
    // machine was doing.
    let (mut usual, mut flooded, mut heard) = (f64::MAX, f64::MAX, Vec::new());
    for round in 0..10 {
        let plain = pulls_under(&tenants, &holder, false).await;
        let logins = pulls_under(&tenants, &holder, true).await;
        heard.push(format!("{plain:.1} ms, and {logins:.1} ms while passwords are hashed"));
        (usual, flooded) = (usual.min(plain), flooded.min(logins));
        if round >= 1 && flooded <= 2.0 * usual {
            return;
        }
    }
    panic!("95 of 100 pulls took {heard:?}");
}
