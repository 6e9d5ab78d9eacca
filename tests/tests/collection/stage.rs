//! A server that collects quickly, and what is asked of it.

use std::time::{Duration, Instant};

use roadstead_tests::http::{Person, header};
use roadstead_tests::{Server, Setup, store};
use serde_json::{Value, json};

pub const GC: &str = "/api/v2.0/system/gc";
pub const SCHEDULE: &str = "/api/v2.0/system/gc/schedule";

/// How long something may take that happens by itself.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server whose leases last a second, and that gives no grace and keeps nothing deleted.
pub fn quick() -> Setup {
    Setup::new()
        .env("ROADSTEAD_JOB_INTERVAL", "100ms")
        .env("ROADSTEAD_BLOB_LEASE", "1s")
        .env("ROADSTEAD_DELETION_GRACE", "0s")
        .env("ROADSTEAD_COLLECTION_RATE", "0")
        .env("ROADSTEAD_UNDELETE_WINDOW", "0s")
}

/// One that collects only when it is asked to.
pub fn on_demand() -> Setup {
    quick().env("ROADSTEAD_JOB_INTERVAL", "1h")
}

/// Waits until something is so.
pub async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let since = Instant::now();
    while !so().await {
        assert!(since.elapsed() < PATIENCE, "it never came to be that {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// How many objects the store has.
pub fn objects(server: &Server) -> usize {
    store::objects(&server.data().join("blobs")).len()
}

pub async fn blob_status(person: &Person, repository: &str, digest: &str) -> u16 {
    // A GET: asking with HEAD whether it is there would renew its lease.
    person.get(&format!("/v2/{repository}/blobs/{digest}")).await.status().as_u16()
}

/// Asks for a collection and returns its path.
pub async fn ask(admin: &Person, parameters: &Value) -> String {
    let body = json!({"schedule": {"type": "Manual"}, "parameters": parameters});
    let answer = admin.send("POST", SCHEDULE).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
    header(&answer, "location")
}

/// Waits for the end of a collection, which must be a success; its results and its log.
pub async fn ended(admin: &Person, path: &str) -> (Value, String) {
    until("the collection ended", async || {
        let status = admin.read_json(path).await["job_status"].clone();
        assert!(status != "Error" && status != "Stopped", "{status}");
        status == "Success"
    })
    .await;
    let found = admin.read_json(path).await;
    let results = serde_json::from_str(found["job_parameters"].as_str().unwrap()).unwrap();
    let log = admin.get(&format!("{path}/log")).await.text().await.unwrap();
    (results, log)
}

/// Asks for a collection and waits for its end.
pub async fn collect(admin: &Person, parameters: &Value) -> Value {
    let path = ask(admin, parameters).await;
    ended(admin, &path).await.0
}
