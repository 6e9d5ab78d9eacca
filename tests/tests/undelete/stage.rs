//! A private project whose server collects when it is asked to, and what is asked of it.

use std::time::{Duration, Instant};

use roadstead_tests::cast::PASSWORD;
use roadstead_tests::http::{Person, header};
use roadstead_tests::{Server, Setup, store};
use serde_json::{Value, json};

/// How long something may take that happens by itself.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server that collects only when it is asked to, and then everything that it may.
pub fn setup() -> Setup {
    Setup::new()
        .env("ROADSTEAD_JOB_INTERVAL", "1h")
        .env("ROADSTEAD_BLOB_LEASE", "0s")
        .env("ROADSTEAD_DELETION_GRACE", "0s")
        .env("ROADSTEAD_COLLECTION_RATE", "0")
}

/// A server with alice's private project `team`, whose id is 2.
pub async fn team(setup: Setup) -> (Server, Person) {
    let server = setup.start();
    server.admin().create_user("alice").await;
    let alice = server.person("alice", PASSWORD);
    alice.create_project("team", false).await;
    (server, alice)
}

/// Waits until something is so.
pub async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let since = Instant::now();
    while !so().await {
        assert!(since.elapsed() < PATIENCE, "it never came to be that {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Collects with these parameters; the log.
pub async fn collect(server: &Server, parameters: Value) -> String {
    let admin = server.admin();
    let body = json!({"schedule": {"type": "Manual"}, "parameters": parameters});
    let (path, _) = admin.make("/system/gc/schedule", &body).await;
    let since = Instant::now();
    loop {
        match admin.read(&path).await["job_status"].as_str().unwrap() {
            "Success" => break,
            "Pending" | "Running" => assert!(since.elapsed() < PATIENCE, "it never ended"),
            other => panic!("{other}: {}\n{}", log(&admin, &path).await, server.log()),
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    log(&admin, &path).await
}

async fn log(admin: &Person, path: &str) -> String {
    admin.get(&format!("/api/v2.0{path}/log")).await.text().await.unwrap()
}

/// A page of what is deleted of a kind in `team`.
pub async fn deleted(person: &Person, kind: &str) -> Vec<Value> {
    let found = person.read(&format!("/projects/team/deleted/{kind}?page_size=100")).await;
    found.as_array().unwrap().clone()
}

/// Brings something back, which must succeed.
pub async fn restore(person: &Person, kind: &str, id: &Value) -> Value {
    let path = format!("/projects/team/deleted/{kind}/{id}/restore");
    let answer = person.call("POST", &path, &Value::Null).await;
    let status = answer.status();
    let text = answer.text().await.unwrap();
    assert_eq!(status, 200, "{path}: {text}");
    text.parse().unwrap()
}

/// Deletes by the protocol, which must succeed.
pub async fn delete(person: &Person, repository: &str, reference: &str) {
    let path = format!("/v2/{repository}/manifests/{reference}");
    assert_eq!(person.delete(&path).await.status(), 202, "{path}");
}

/// The bytes of a manifest, if it is there, under the digest that the answer says.
pub async fn pull(person: &Person, repository: &str, reference: &str) -> Option<(Vec<u8>, String)> {
    let answer = person.get(&format!("/v2/{repository}/manifests/{reference}")).await;
    match answer.status().as_u16() {
        200 => {
            let digest = header(&answer, "docker-content-digest");
            Some((answer.bytes().await.unwrap().to_vec(), digest))
        }
        404 => None,
        other => panic!("{reference}: {other}"),
    }
}

/// The bytes of a blob, if it is there.
pub async fn blob(person: &Person, repository: &str, digest: &str) -> Option<Vec<u8>> {
    let answer = person.get(&format!("/v2/{repository}/blobs/{digest}")).await;
    match answer.status().as_u16() {
        200 => Some(answer.bytes().await.unwrap().to_vec()),
        404 => None,
        other => panic!("{digest}: {other}"),
    }
}

/// How many objects the store has.
pub fn objects(server: &Server) -> usize {
    store::objects(&server.data().join("blobs")).len()
}

/// The bytes that count in the quota of `team`.
pub async fn used(server: &Server) -> i64 {
    server.admin().read("/quotas/2").await["used"]["storage"].as_i64().unwrap()
}
