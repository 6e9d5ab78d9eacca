//! The database of several servers dies, and comes back when nobody expects it any more.

use std::time::{Duration, Instant};

use roadstead_tests::content::{rng, sha256};
use roadstead_tests::postgres::Cluster;
use roadstead_tests::stores::Store;

use crate::crew::{Crew, PROJECT};
use crate::fleet::{Fleet, Shared};

/// How soon every server works again once the database does.
const RECOVERY: Duration = Duration::from_secs(5);
/// Between the end of the database and its coming back: long enough for every patience to end.
const DEATH: Duration = Duration::from_secs(10);
const RESTART: Duration = Duration::from_secs(2);

/// Waits until a server serves a blob and says that it is ready.
async fn until_it_works(fleet: &Fleet, server: usize, since: Instant) {
    let path = format!("/v2/{PROJECT}/before/blobs/{}", sha256(b"before"));
    loop {
        let answer = fleet.admins()[server].get(&path).await.status();
        if answer == 200 && fleet.readiness(server).await == Some(200) {
            println!("server {server} works after {:?}", since.elapsed());
            return;
        }
        let log = || fleet.servers[server].log();
        assert!(since.elapsed() < RECOVERY, "server {server} does not recover:\n{}", log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn servers_whose_database_died_say_come_back_later_and_lose_nothing() {
    let (mut rng, cluster) = (rng(), Cluster::start());
    let database = cluster.url(&cluster.create_database());
    let fleet = Fleet::with_health(Shared::of(database, Store::Radosgw.place()), 3, &[]);
    let crew = Crew::start(&fleet, None, &mut rng).await;
    let endings: [(&dyn Fn(), Duration); 2] =
        [(&|| cluster.kill(), DEATH), (&|| cluster.stop(), RESTART)];
    for (end, absence) in endings {
        crew.wait_for_images(10).await;
        tokio::task::block_in_place(end);
        tokio::time::sleep(absence).await;
        for server in 0..fleet.servers.len() {
            let readiness = fleet.readiness(server).await;
            assert_ne!(readiness, Some(200), "server {server} says that it is ready");
        }
        tokio::task::block_in_place(|| cluster.start_again());
        let since = Instant::now();
        let works = (0..fleet.servers.len()).map(|server| until_it_works(&fleet, server, since));
        futures_util::future::join_all(works).await;
    }
    crew.wait_for_images(10).await;
    crew.finish(&fleet).await;
}
