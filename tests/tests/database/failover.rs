//! A primary that dies and a standby that takes its place.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use roadstead_tests::content::{self, MANIFEST, sha256};
use roadstead_tests::http::header;
use roadstead_tests::postgres::Cluster;
use roadstead_tests::proxy::Proxy;
use roadstead_tests::{Server, Setup};
use serde_json::json;

use crate::pushing::Pushing;
use crate::{RECOVERY, SECRET, left_out, until_it_works, url};

/// Two database servers, of which the second follows the first, and a name that leads to one.
struct Pair {
    primary: Cluster,
    standby: Cluster,
    name: Proxy,
    database: String,
}

fn place(cluster: &Cluster) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], cluster.port()))
}

impl Pair {
    fn start() -> Self {
        let primary = Cluster::start();
        let database = primary.create_database();
        let standby = primary.standby();
        let name = Proxy::start(place(&primary));
        Self { primary, standby, name, database }
    }

    fn setup(&self) -> Setup {
        Setup::new()
            .env("ROADSTEAD_DATABASE_URL", url(self.name.address().port(), &self.database))
            .env("ROADSTEAD_SECRET_KEY", SECRET)
            .env("ROADSTEAD_DATABASE_ACQUIRE_TIMEOUT", "1s")
    }
}

const IMAGE: &str = "/v2/library/app/manifests/v1";

/// Reads an image over and over; whatever happens, it is there.
fn keep_reading(server: &Server) -> (Arc<AtomicBool>, tokio::task::JoinHandle<usize>) {
    let (stop, admin) = (Arc::new(AtomicBool::new(false)), server.admin());
    let stopped = stop.clone();
    let reading = tokio::spawn(async move {
        let mut answered = 0;
        while !stopped.load(Ordering::Relaxed) {
            let answer = admin.get(IMAGE).await;
            match answer.status().as_u16() {
                200 => answered += 1,
                503 => drop(header(&answer, "retry-after")),
                other => panic!("an image that is there was answered {other}"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        answered
    });
    (stop, reading)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_takes_the_primarys_place_has_all_that_was_acknowledged() {
    if left_out() {
        return;
    }
    let pair = Pair::start();
    let server = pair.setup().start();
    server.admin().push_image("library/app", "v1", b"before").await;
    let (stop, reading) = keep_reading(&server);
    let pushing = Pushing::start(&server);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    pair.primary.kill();
    pair.name.lead_to(place(&pair.standby));
    // It is a standby for a while, as long as whoever promotes it needs to notice.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let before = pushing.count();
    pair.standby.promote();
    let took = until_it_works(&server, IMAGE).await;
    assert!(took < RECOVERY, "reading works after {took:?}");
    let since = Instant::now();
    let config = b"{}".to_vec();
    let admin = server.admin();
    while admin.json("PUT", "/api/v2.0/quotas/1", &json!({"hard": {"storage": -1}})).await != 200 {
        assert!(since.elapsed() < RECOVERY, "writing does not work");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    admin.push_blob("library/app", &config).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    stop.store(true, Ordering::Relaxed);
    assert!(reading.await.unwrap() > 10);
    let images = pushing.end(&server).await;
    assert!(before > 0 && images > before, "{before} images before, {images} in all");
    println!("{images} images, {before} of them before; worked after {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_takes_no_writes_is_an_outage_and_no_error_of_the_callers() {
    if left_out() {
        return;
    }
    let pair = Pair::start();
    let server = pair.setup().start();
    let admin = server.admin();
    let (manifest, _) = admin.push_image("library/app", "v1", b"a layer").await;
    pair.name.lead_to(place(&pair.standby));
    let digest = sha256(&manifest);
    let body = serde_json::to_vec(&content::image(b"{}", &[])).unwrap();
    let writes = [
        ("POST", "/v2/library/app/blobs/uploads/".to_owned()),
        ("PUT", "/v2/library/app/manifests/v2".to_owned()),
        ("DELETE", format!("/v2/library/app/manifests/{digest}")),
        ("DELETE", "/api/v2.0/projects/library/repositories/app".to_owned()),
    ];
    for (method, path) in writes {
        let request = admin.send(method, &path).header("content-type", MANIFEST);
        let answer = request.body(body.clone()).send().await.unwrap();
        assert_eq!(answer.status(), 503, "{method} {path}");
        header(&answer, "retry-after");
    }
    let project = json!({"project_name": "team"});
    assert_eq!(admin.json("POST", "/api/v2.0/projects", &project).await, 503);
    pair.name.lead_to(place(&pair.primary));
    let took = until_it_works(&server, IMAGE).await;
    assert!(took < RECOVERY, "{took:?}");
    assert_eq!(admin.json("POST", "/api/v2.0/projects", &project).await, 201);

    // The same for a primary that is switched to reading, as some do when its disk is full.
    pair.primary.set("default_transaction_read_only", "on");
    tokio::time::sleep(Duration::from_millis(300)).await;
    let project = json!({"project_name": "more"});
    let answer = admin.call("POST", "/projects", &project).await;
    assert_eq!(answer.status(), 503);
    header(&answer, "retry-after");
    assert_eq!(admin.get(IMAGE).await.status(), 200);
    pair.primary.set("default_transaction_read_only", "off");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(admin.json("POST", "/api/v2.0/projects", &project).await, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_starts_on_a_standby_waits_until_it_is_the_primary_or_says_what_it_is() {
    if left_out() {
        return;
    }
    let pair = Pair::start();
    pair.setup().start().terminate();
    pair.name.lead_to(place(&pair.standby));
    let said = pair.setup().env("ROADSTEAD_DATABASE_START_TIMEOUT", "1s").fails_to_start();
    assert!(said.contains("is a standby"), "{said}");
    let setup = pair.setup();
    let starting = std::thread::spawn(move || setup.start());
    tokio::time::sleep(Duration::from_secs(1)).await;
    pair.primary.kill();
    pair.standby.promote();
    let server = starting.join().unwrap();
    assert!(server.log().contains("waiting for the database"), "{}", server.log());
    server.admin().push_image("library/app", "v1", b"after").await;
}
