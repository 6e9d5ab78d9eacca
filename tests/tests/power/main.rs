//! What was acknowledged survives a power cut at any moment, on ext4 and on XFS, with SQLite and with
//! a PostgreSQL on the same disk.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use roadstead_tests::content::rng;
use roadstead_tests::disk::{Disk, Format, left_out};
use roadstead_tests::journal::Journal;
use roadstead_tests::postgres::Cluster;
use roadstead_tests::{SECRET_KEY, Server, Setup};

/// Where the rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Engine {
    Sqlite,
    Postgres,
}

const PUSHERS: usize = 8;
/// How long pushes are waited for before a cut.
const LONGEST_CYCLE: Duration = Duration::from_secs(2);

fn cuts() -> usize {
    let wanted = std::env::var("ROADSTEAD_POWER_CUTS").ok().and_then(|n| n.parse().ok());
    wanted.unwrap_or(50)
}

/// Pushes with eight clients and cuts the power in the middle of it.
async fn cut_once(
    disk: &Disk,
    cluster: Option<&Cluster>,
    server: &mut Server,
    token: &str,
    rng: &mut StdRng,
    journal: &Journal,
) {
    let pushers: Vec<_> = (0..PUSHERS)
        .map(|pusher| {
            let (person, journal) = (server.bearer(token), journal.clone());
            let mut rng = StdRng::seed_from_u64(rng.random());
            tokio::spawn(async move {
                let repository = format!("library/power-{pusher}");
                while journal.push(&person, &mut rng, &repository).await.is_some() {
                    if rng.random_bool(0.2) {
                        journal.delete(&person, &mut rng, &repository).await;
                    }
                }
            })
        })
        .collect();
    // After some pushes, however long they take here, and then somewhere in the next ones.
    let (before, wanted) = (journal.acknowledged(), rng.random_range(0..8));
    let since = Instant::now();
    while journal.acknowledged() < before + wanted && since.elapsed() < LONGEST_CYCLE {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    tokio::time::sleep(Duration::from_micros(rng.random_range(0..100_000))).await;
    journal.stop_listening();
    disk.cut_power();
    tokio::time::sleep(Duration::from_millis(rng.random_range(0..50))).await;
    server.kill();
    if let Some(cluster) = cluster {
        cluster.kill();
    }
    for pusher in pushers {
        pusher.await.expect("no pusher was told anything wrong");
    }
}

/// PostgreSQL on the disk, and the URL of a database in it.
fn postgres_on(disk: &Disk) -> (Cluster, String) {
    let directory = disk.path().join("postgres");
    std::fs::create_dir(&directory).expect("a directory");
    disk.open_to_all();
    let cluster = Cluster::durable_in(&directory);
    let url = cluster.url(&cluster.create_database());
    // Nothing promises that a cluster which was made a moment ago is durable.
    disk.sync();
    (cluster, url)
}

async fn cut_often(format: Format, engine: Engine, cuts: usize) {
    let since = Instant::now();
    let (mut rng, journal) = (rng(), Journal::default());
    let mut disk = Disk::new(format, 1024);
    let mut setup = Setup::new()
        .sqlite()
        .data(&disk.path().join("data"))
        .env("ROADSTEAD_JOB_INTERVAL", "200ms")
        .env("ROADSTEAD_DELETION_GRACE", "0s");
    let mut cluster = None;
    if engine == Engine::Postgres {
        let (made, url) = postgres_on(&disk);
        setup = setup.env("ROADSTEAD_DATABASE_URL", url).env("ROADSTEAD_SECRET_KEY", SECRET_KEY);
        cluster = Some(made);
    }
    let mut server = setup.start();
    // A password would be verified anew after each cut, which takes longer than the cut.
    let scope = |n| format!("repository:library/power-{n}:pull,push,delete");
    let scopes: Vec<String> = (0..PUSHERS).map(scope).collect();
    let (token, _) = server.admin().registry_token(&scopes.join(" ")).await;
    for cut in 1..=cuts {
        cut_once(&disk, cluster.as_ref(), &mut server, &token, &mut rng, &journal).await;
        disk.restore_power();
        if let Some(cluster) = &cluster {
            cluster.start_again();
        }
        journal.listen();
        let last = cut == cuts;
        server.assert_clean(if last || cut % 5 == 0 { &["--deep"] } else { &[] });
        server.start();
        journal.verify(&server.bearer(&token), &mut rng, last).await;
    }
    let (acknowledged, took) = (journal.acknowledged(), since.elapsed());
    println!(
        "{cuts} power cuts on {format:?} with {engine:?}: {acknowledged} images, none lost, in {took:?}"
    );
    assert!(acknowledged > cuts, "too few pushes to prove anything");
    drop(server);
    drop(cluster);
    drop(disk);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_push_is_lost_when_the_power_fails_under_ext4() {
    if !left_out() {
        cut_often(Format::Ext4, Engine::Sqlite, cuts() / 2).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_push_is_lost_when_the_power_fails_under_xfs() {
    if !left_out() {
        cut_often(Format::Xfs, Engine::Sqlite, cuts().div_ceil(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_push_is_lost_when_the_power_fails_under_postgresql_on_ext4() {
    if !left_out() {
        cut_often(Format::Ext4, Engine::Postgres, cuts().div_ceil(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_push_is_lost_when_the_power_fails_under_postgresql_on_xfs() {
    if !left_out() {
        cut_often(Format::Xfs, Engine::Postgres, cuts().div_ceil(10)).await;
    }
}
