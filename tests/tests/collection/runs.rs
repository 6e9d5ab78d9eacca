//! Collections that somebody asks for: dry and wet, stopped and killed.

use std::time::Duration;

use roadstead_tests::Server;
use roadstead_tests::content::sha256;
use serde_json::json;

use super::stage::{ask, collect, ended, objects, on_demand, until};

/// Blobs that nothing uses, made behind the server's back, each with an object.
async fn make_garbage(server: &Server, count: usize) {
    let database = server.database().await;
    let mut statements = String::new();
    for number in 0..count {
        let key = format!("b/{:02x}/{}", number % 256, uuid(number));
        let path = server.data().join("blobs").join(&key);
        let bytes = number.to_string();
        std::fs::write(path, &bytes).unwrap();
        let (digest, size) = (sha256(bytes.as_bytes()), bytes.len());
        let row = format!(
            "INSERT INTO blob (digest, size, okey, verified_at, created_at)
             VALUES ('{digest}', {size}, '{key}', 0, 0);"
        );
        statements.push_str(&row);
    }
    let all = format!(
        "BEGIN; {statements}
         INSERT INTO gc_queue (kind, target_id, repo_id, not_before)
         SELECT 'blob', id, 0, 0 FROM blob WHERE verified_at = 0; COMMIT;"
    );
    database.execute(&all, &[]).await;
    database.close().await;
}

/// A key's name, whose shard is its last byte.
pub fn uuid(number: usize) -> String {
    format!("01900000-0000-7000-8000-{:010x}{:02x}", number, number % 256)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_tells_what_the_real_one_then_frees() {
    let server = on_demand().start();
    let admin = server.admin();
    let (_, gone) = admin.push_image("library/app", "v1", b"gone").await;
    admin.push_image("library/app", "kept", b"kept").await;
    admin.push_image("library/app", "moved", b"before").await;
    admin.push_image("library/app", "moved", b"after").await;
    admin.push_blob("library/other", b"never used").await;
    let deleted = admin.delete(&format!("/v2/library/app/manifests/{gone}")).await;
    assert_eq!(deleted.status(), 202);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let before = objects(&server);
    for parameters in [json!({"delete_untagged": false}), json!({"delete_untagged": true})] {
        let mut dry = parameters.clone();
        dry["dry_run"] = json!(true);
        let path = ask(&admin, &dry).await;
        let (told, log) = ended(&admin, &path).await;
        assert!(log.contains("would be collected (dry run)"), "{log}");
        let left = objects(&server);
        let mut wet = parameters.clone();
        wet["workers"] = json!(4);
        let done = collect(&admin, &wet).await;
        for figure in ["freed_space", "purged_blobs", "purged_manifests"] {
            assert_eq!(told[figure], done[figure], "{figure} {parameters}");
        }
        let blobs = done["purged_blobs"].as_u64().unwrap();
        assert!(blobs > 0);
        assert_eq!(left - objects(&server), usize::try_from(blobs).unwrap());
    }
    assert_eq!((before, objects(&server)), (9, 4));
    let used = admin.read_json("/api/v2.0/quotas/1").await["used"]["storage"].as_i64().unwrap();
    let database = server.database().await;
    let real = "SELECT CAST((SELECT SUM(size) FROM blob) + (SELECT SUM(size) FROM manifest)
                AS BIGINT)";
    assert_eq!(used, database.number(real).await);
    database.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_that_is_stopped_ends_and_the_next_one_goes_on() {
    let server = on_demand().env("ROADSTEAD_COLLECTION_RATE", "200").start();
    let admin = server.admin();
    make_garbage(&server, 1500).await;
    let path = ask(&admin, &json!({})).await;
    until("some are gone", async || objects(&server) < 1500 || blobs(&server).await < 1500).await;
    assert_eq!(admin.status_of("PUT", &path).await, 200);
    until("it has ended", async || {
        admin.read_json(&path).await["job_parameters"].as_str().unwrap().contains("freed_space")
    })
    .await;
    let found = admin.read_json(&path).await;
    assert_eq!(found["job_status"], "Stopped");
    let log = admin.get(&format!("{path}/log")).await.text().await.unwrap();
    assert!(log.contains("stopped by admin"), "{log}");
    let left = blobs(&server).await;
    assert!(left > 0 && left < 1500, "{left} are left");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(blobs(&server).await, left, "nobody goes on");
    assert_eq!(admin.status_of("PUT", &path).await, 200, "stopping it again changes nothing");
}

async fn blobs(server: &Server) -> i64 {
    let database = server.database().await;
    let count = database.number("SELECT COUNT(*) FROM blob").await;
    database.close().await;
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_kill_cut_off_is_finished_after_the_restart() {
    let mut server = super::stage::quick().env("ROADSTEAD_COLLECTION_RATE", "2000").start();
    make_garbage(&server, 3000).await;
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        server.kill();
        server.start();
    }
    until("all is gone", async || objects(&server) == 0 && blobs(&server).await == 0).await;
    let database = server.database().await;
    until("the tombstones are gone", async || {
        database.number("SELECT COUNT(*) FROM tombstone").await == 0
    })
    .await;
    database.close().await;
}
