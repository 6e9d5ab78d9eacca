//! PostgreSQL that ends and comes back while clients push: nothing that was acknowledged is lost.

use std::time::Duration;

use roadstead_tests::Setup;
use roadstead_tests::postgres::Cluster;

use crate::pushing::Pushing;
use crate::{RECOVERY, SECRET, left_out, until_it_works, url};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_a_database_that_is_killed_and_comes_back() {
    if left_out() {
        return;
    }
    let cluster = Cluster::start();
    let name = cluster.create_database();
    let server = Setup::new()
        .env("ROADSTEAD_DATABASE_URL", url(cluster.port(), &name))
        .env("ROADSTEAD_SECRET_KEY", SECRET)
        .env("ROADSTEAD_DATABASE_ACQUIRE_TIMEOUT", "1s")
        .start();
    server.admin().push_image("library/app", "v1", b"before").await;
    let pushing = Pushing::start(&server);
    for round in 0..4 {
        tokio::time::sleep(Duration::from_millis(700)).await;
        if round % 2 == 0 {
            cluster.kill();
        } else {
            cluster.stop();
        }
        tokio::time::sleep(Duration::from_millis(400)).await;
        cluster.start_again();
        let took = until_it_works(&server, "/v2/library/app/manifests/v1").await;
        assert!(took < RECOVERY, "{took:?}");
    }
    let images = pushing.end(&server).await;
    assert!(images > 6, "{images} images");
    println!("{images} images through 4 restarts");
}
