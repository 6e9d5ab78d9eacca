//! `PgBouncer` between a server and its database.

use std::time::{Duration, Instant};

use roadstead_tests::pgbouncer::PgBouncer;
use roadstead_tests::postgres::Cluster;
use roadstead_tests::{Server, Setup};
use serde_json::json;

use crate::pushing::Pushing;
use crate::{RECOVERY, SECRET, left_out, until_it_works, url};

fn setup(pooler: &PgBouncer, database: &str) -> Setup {
    Setup::new()
        .env("ROADSTEAD_DATABASE_URL", url(pooler.port(), database))
        .env("ROADSTEAD_SECRET_KEY", SECRET)
        .env("ROADSTEAD_DATABASE_CONNECTIONS", "3")
        .env("ROADSTEAD_DATABASE_ACQUIRE_TIMEOUT", "1s")
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_pooler_of_sessions_servers_are_what_they_are_without_one() {
    if left_out() {
        return;
    }
    let database = Cluster::shared().database();
    let mut pooler = PgBouncer::start(Cluster::shared(), "session");
    let setup = || setup(&pooler, database.name());
    let (one, other) = (setup().start(), setup().start());
    // What one changes the other hears of.
    let read_only =
        async |server: &Server| server.admin().read("/systeminfo").await["read_only"] == true;
    tokio::time::sleep(Duration::from_millis(300)).await;
    for wanted in [true, false] {
        assert_eq!(read_only(&other).await, !wanted);
        one.admin().configure(json!({"read_only": wanted})).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(read_only(&other).await, wanted);
    }
    // Each has a disk of its own, and checks it at its end.
    drop(other);
    one.admin().push_image("library/app", "v1", b"before").await;
    let pushing = Pushing::start(&one);
    tokio::time::sleep(Duration::from_secs(1)).await;
    pooler.kill();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(one.admin().get("/v2/library/app/manifests/v1").await.status(), 503);
    pooler.start_again();
    let took = until_it_works(&one, "/v2/library/app/manifests/v1").await;
    assert!(took < RECOVERY, "{took:?}");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(pushing.end(&one).await > 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_that_mixes_sessions_is_noticed_at_the_start() {
    if left_out() {
        return;
    }
    let database = Cluster::shared().database();
    for mode in ["transaction", "statement"] {
        let pooler = PgBouncer::start(Cluster::shared(), mode);
        let since = Instant::now();
        let said = setup(&pooler, database.name()).fails_to_start();
        assert!(said.contains("pool_mode = session"), "{mode}: {said}");
        assert!(since.elapsed() < Duration::from_secs(15), "{:?}", since.elapsed());
    }
    let tables = "SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(database.cluster().run(database.name(), tables), "0", "nothing was written");
}
