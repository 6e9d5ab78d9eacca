//! A lost database where the bytes are in an object store.

use std::time::{Duration, Instant};

use roadstead_tests::content::{random_bytes, rng, sha256};
use roadstead_tests::stores::{PART, S3s, Store, left_out};
use roadstead_tests::{Server, Setup};
use serde_json::Value;

use super::{faults, report};

/// How long the objects of sessions and of second copies may take to go.
const TIDY_LIMIT: Duration = Duration::from_mins(1);

fn tidy(setup: Setup) -> Setup {
    let setup = setup.sqlite().env("ROADSTEAD_DELETION_GRACE", "10ms");
    setup.env("ROADSTEAD_JOB_INTERVAL", "200ms")
}

fn lose_the_database(server: &mut Server) {
    server.kill();
    for file in ["roadstead.db", "roadstead.db-wal", "roadstead.db-shm"] {
        let _ = std::fs::remove_file(server.data().join(file));
    }
}

fn rebuild(server: &Server, more: &[&str]) -> (Option<i32>, Value) {
    let output = server.fsck(&[&["--rebuild", "--json"], more].concat());
    let text = String::from_utf8_lossy(&output.stdout);
    let rebuilt = serde_json::from_str(&text)
        .unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), rebuilt)
}

/// Objects, blobs that got a row, objects that had one, and those without a label.
fn counts(rebuilt: &Value) -> [u64; 4] {
    ["objects", "blobs", "known", "unlabelled"].map(|name| rebuilt[name].as_u64().unwrap())
}

async fn the_bytes_outlive_the_database(store: Store) {
    let mut rng = rng();
    let mut server = tidy(store.place().setup()).start();
    let admin = server.admin();
    let sizes = [20_000, PART + 1000, 2 * PART + 7];
    let layers: Vec<Vec<u8>> = sizes.map(|size| random_bytes(&mut rng, size)).into();
    for (n, layer) in layers.iter().enumerate() {
        admin.push_image("library/lost", &format!("v{n}"), layer).await;
    }
    // What a session keeps of an upload that nobody finished has no label.
    let location = admin.start_upload("library/lost").await;
    let begun = random_bytes(&mut rng, 30_000);
    let sent = admin.send("PATCH", &location).body(begun).send().await.unwrap();
    assert_eq!(sent.status(), 202);
    assert_eq!(server.fsck(&["--rebuild"]).status.code(), Some(2), "a server is running");
    lose_the_database(&mut server);
    let (code, rebuilt) = rebuild(&server, &[]);
    assert_eq!((code, counts(&rebuilt)), (Some(0), [7, 6, 0, 1]), "{store:?}");
    // Read and hashed, the bytes have a name and are no orphan any more.
    let (code, rebuilt) = rebuild(&server, &["--deep"]);
    assert_eq!((code, counts(&rebuilt)), (Some(0), [7, 1, 6, 1]), "{store:?}");
    assert_eq!(counts(&rebuild(&server, &[]).1), [7, 0, 7, 0], "{store:?}");
    server.start();
    server.assert_clean(&["--deep"]);
    let admin = server.admin();
    for (n, layer) in layers.iter().enumerate() {
        let path = format!("/v2/library/lost/blobs/{}", sha256(layer));
        assert_eq!(admin.head(&path).await.status(), 404, "nobody sees it without a repository");
        admin.push_image("library/lost", &format!("v{n}"), layer).await;
        assert!(admin.get(&path).await.bytes().await.unwrap() == *layer);
    }
    // The blobs kept their objects: what the pushes brought goes again.
    let since = Instant::now();
    while report(&server, &[]).1["files"] != 7 {
        assert!(since.elapsed() < TIDY_LIMIT, "{}", report(&server, &[]).1);
        std::thread::sleep(Duration::from_millis(300));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_database_leaves_the_bytes_in_every_object_store() {
    for store in [Store::S3s, Store::Radosgw, Store::Azurite, Store::Google] {
        if !left_out(store) {
            the_bytes_outlive_the_database(store).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_not_what_its_label_says_is_given_no_row() {
    if left_out(Store::S3s) {
        return;
    }
    let place = Store::S3s.place();
    let mut server = tidy(place.setup()).start();
    let digest = server.admin().push_blob("library/cut", &random_bytes(&mut rng(), 5000)).await;
    S3s::shared().damage(&place, true);
    assert_eq!(
        faults(&report(&server, &[]).1),
        [("truncated".to_owned(), format!("blob {digest}"))]
    );
    lose_the_database(&mut server);
    let (code, rebuilt) = rebuild(&server, &["--deep"]);
    assert_eq!((code, counts(&rebuilt)), (Some(1), [1, 0, 0, 0]));
    assert_eq!(rebuilt["damaged"].as_array().unwrap().len(), 1);
    // It is an orphan, which is given up when it was in quarantine for a while.
    assert_eq!(faults(&report(&server, &["--repair"]).1)[0].0, "orphaned");
    server.damaged_on_purpose();
}
