//! Each kind of garbage goes by itself, and what lives stays.

use std::time::Duration;

use futures_util::StreamExt as _;
use roadstead_tests::Setup;
use roadstead_tests::content::{
    INDEX, MANIFEST, descriptor, image, index, random_bytes, rng, sha256,
};
use sha2::{Digest as _, Sha256};

use super::stage::{blob_status, objects, quick, until};

#[tokio::test(flavor = "multi_thread")]
async fn unfinished_uploads_unused_blobs_and_deleted_images_go_and_the_rest_stays() {
    let server = quick().env("ROADSTEAD_UPLOAD_EXPIRY", "1s").start();
    let admin = server.admin();
    let (_, kept) = admin.push_image("library/app", "v1", b"kept").await;
    let (_, gone) = admin.push_image("library/app", "v2", b"gone").await;
    admin.push_blob("library/app", b"never used").await;
    let session = admin.start_upload("library/app").await;
    let sent = admin.send("PATCH", &session).body("some bytes").send().await.unwrap();
    assert_eq!(sent.status(), 202);
    // An index that goes sets its child free; a child without an index is kept by default.
    let child = image(b"{}", &[b"of the child"]).to_string();
    for bytes in [&b"{}"[..], b"of the child"] {
        admin.push_blob("library/multi", bytes).await;
    }
    let digest = sha256(child.as_bytes());
    let put = admin.put_manifest("library/multi", &digest, MANIFEST, child.clone()).await;
    assert_eq!(put.status(), 201);
    let parent = index(&[descriptor(MANIFEST, child.as_bytes())]).to_string();
    let put = admin.put_manifest("library/multi", "v1", INDEX, parent.clone()).await;
    assert_eq!(put.status(), 201);
    let deleted = admin.delete(&format!("/v2/library/app/manifests/{gone}")).await;
    assert_eq!(deleted.status(), 202);
    let path = format!("/v2/library/multi/manifests/{}", sha256(parent.as_bytes()));
    assert_eq!(admin.delete(&path).await.status(), 202);
    // Two blobs of the image that stays, two of the child.
    until("only four objects are left", async || objects(&server) == 4).await;
    assert_eq!(blob_status(&admin, "library/app", &sha256(b"kept")).await, 200);
    assert_eq!(blob_status(&admin, "library/app", &sha256(b"gone")).await, 404);
    assert_eq!(blob_status(&admin, "library/app", &sha256(b"never used")).await, 404);
    assert_eq!(admin.status_of("GET", &session).await, 404);
    assert_eq!(admin.status_of("GET", &format!("/v2/library/app/manifests/{kept}")).await, 200);
    let child = format!("/v2/library/multi/manifests/{digest}");
    assert_eq!(admin.status_of("GET", &child).await, 200);
    let usage = admin.read_json("/api/v2.0/quotas/1").await["used"]["storage"].as_i64().unwrap();
    let database = server.database().await;
    let real = database
        .number(
            "SELECT CAST((SELECT SUM(size) FROM blob) + (SELECT SUM(size) FROM manifest) AS BIGINT)",
        )
        .await;
    assert_eq!(usage, real);
    let queued = "SELECT COUNT(*) FROM gc_queue WHERE kind <> 'manifest'";
    until("nothing is queued", async || database.number(queued).await == 0).await;
    database.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_of_two_repositories_stays_until_both_have_let_it_go() {
    let server = quick().start();
    let admin = server.admin();
    let (_, one) = admin.push_image("library/one", "v1", b"shared").await;
    let (_, two) = admin.push_image("library/two", "v1", b"shared").await;
    assert_eq!(one, two);
    let remove = async |repository: &str| {
        let path = format!("/v2/library/{repository}/manifests/{one}");
        assert_eq!(admin.delete(&path).await.status(), 202);
    };
    remove("one").await;
    let layer = sha256(b"shared");
    until("the first link is gone", async || {
        blob_status(&admin, "library/one", &layer).await == 404
    })
    .await;
    assert_eq!(blob_status(&admin, "library/two", &layer).await, 200);
    assert_eq!(objects(&server), 2);
    remove("two").await;
    until("all objects are gone", async || objects(&server) == 0).await;
    let used = admin.read_json("/api/v2.0/quotas/1").await["used"]["storage"].clone();
    assert_eq!(used, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_pusher_was_told_is_there_stays_through_its_lease() {
    let server = quick().env("ROADSTEAD_BLOB_LEASE", "3s").start();
    let admin = server.admin();
    let layer = admin.push_blob("library/app", b"pushed early").await;
    let path = format!("/v2/library/app/blobs/{layer}");
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert_eq!(admin.head(&path).await.status(), 200, "each answer renews it");
    }
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(blob_status(&admin, "library/app", &layer).await, 200);
    until("it is gone", async || blob_status(&admin, "library/app", &layer).await == 404).await;
    until("its object is gone", async || objects(&server) == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_stay_through_their_grace() {
    let server = quick().env("ROADSTEAD_DELETION_GRACE", "1h").start();
    let admin = server.admin();
    let layer = admin.push_blob("library/app", b"short-lived").await;
    until("it is gone", async || blob_status(&admin, "library/app", &layer).await == 404).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(objects(&server), 1);
    admin.push_blob("library/app", b"short-lived").await;
    assert_eq!(blob_status(&admin, "library/app", &layer).await, 200);
    assert_eq!(objects(&server), 2, "it has a new object, the old one waits");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_reads_a_blob_reads_it_to_its_end() {
    const SIZE: usize = 48 << 20;
    let server = quick().start();
    let admin = server.admin();
    let bytes = random_bytes(&mut rng(), SIZE);
    let digest = admin.push_blob("library/app", &bytes).await;
    let answer = admin.get(&format!("/v2/library/app/blobs/{digest}")).await;
    assert_eq!(answer.status(), 200);
    let mut stream = answer.bytes_stream();
    let mut hash = Sha256::new();
    hash.update(stream.next().await.unwrap().unwrap());
    until("the object is gone", async || objects(&server) == 0).await;
    assert_eq!(blob_status(&admin, "library/app", &digest).await, 404);
    while let Some(piece) = stream.next().await {
        hash.update(piece.unwrap());
    }
    assert!(sha256(&bytes).ends_with(&roadstead_tests::content::hex(&hash.finalize())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_goes_leaves_nothing() {
    let server = quick().start();
    let admin = server.admin();
    admin.push_image("library/app", "v1", b"one").await;
    admin.push_image("library/app", "v2", b"two").await;
    admin.start_upload("library/app").await;
    assert_eq!(admin.status_of("DELETE", "/api/v2.0/projects/library/repositories/app").await, 200);
    until("all objects are gone", async || objects(&server) == 0).await;
    let database = server.database().await;
    for table in ["blob", "repo_blob", "project_blob", "upload"] {
        assert_eq!(database.number(&format!("SELECT COUNT(*) FROM {table}")).await, 0, "{table}");
    }
    database.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_the_defaults_takes_nothing_that_is_younger_than_a_day() {
    let server = Setup::new().env("ROADSTEAD_JOB_INTERVAL", "100ms").start();
    let admin = server.admin();
    admin.push_blob("library/app", b"waits for its manifest").await;
    let (_, digest) = admin.push_image("library/app", "v1", b"deleted").await;
    let path = format!("/v2/library/app/manifests/{digest}");
    assert_eq!(admin.delete(&path).await.status(), 202);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(objects(&server), 3);
    for layer in [&b"waits for its manifest"[..], b"deleted"] {
        assert_eq!(blob_status(&admin, "library/app", &sha256(layer)).await, 200);
    }
}
