//! Executions that are cut off, stopped, or looked for by two servers.

use roadstead_tests::stores::Store;
use roadstead_tests::{Server, Setup};
use serde_json::json;

use super::stage::{ended, last, latest, make, setup, until};

const ARTIFACTS: i64 = 3000;
const KEPT: i64 = 100;

/// Artifacts of one repository, a second apart, as rows only.
async fn rows(server: &mut Server) {
    server.damaged_on_purpose();
    let numbers = format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ARTIFACTS})"
    );
    let media_type = roadstead_tests::content::MANIFEST;
    let (bytes, no) = if server.is_on_postgres() { ("'{}'", "FALSE") } else { ("x'7b7d'", "0") };
    let digest = if server.is_on_postgres() {
        "'sha256:' || lpad(to_hex(i), 64, '0')"
    } else {
        "'sha256:' || printf('%064x', i)"
    };
    // What PostgreSQL gives out itself must not be given.
    for statement in [
        "INSERT INTO repository (project_id, name, created_at, updated_at)
             VALUES (1, 'library/many', 0, 0)"
            .to_owned(),
        format!(
            "{numbers} INSERT INTO manifest
                 (repo_id, digest, media_type, is_index, bytes, size, created_at, kind)
             SELECT r.id, {digest}, '{media_type}', {no}, {bytes}, 2, CAST(i AS BIGINT) * 1000000, 'IMAGE'
             FROM n, repository r WHERE r.name = 'library/many'"
        ),
        "INSERT INTO tag (repo_id, name, manifest_id, created_at, updated_at)
             SELECT m.repo_id, 't' || m.id, m.id, m.created_at, m.created_at FROM manifest m
             JOIN repository r ON r.id = m.repo_id WHERE r.name = 'library/many'"
            .to_owned(),
        format!("UPDATE project_usage SET used = used + 2 * {ARTIFACTS} WHERE project_id = 1"),
    ] {
        server.sql(&statement).await;
    }
}

async fn left(server: &Server) -> i64 {
    let database = server.database().await;
    let count = database.number("SELECT COUNT(*) FROM manifest").await;
    database.close().await;
    count
}

/// What every end has in common: what was to stay is there, and everything was counted once.
async fn assert_done(server: &Server) {
    let database = server.database().await;
    let wrong = format!(
        "SELECT COUNT(*) FROM manifest WHERE created_at <= {}",
        (ARTIFACTS - KEPT) * 1_000_000
    );
    assert_eq!(database.number(&wrong).await, 0, "the newest stayed");
    assert_eq!(database.number("SELECT COUNT(*) FROM manifest").await, KEPT);
    assert_eq!(database.number("SELECT COUNT(*) FROM tag").await, KEPT);
    let used = "SELECT used FROM project_usage WHERE project_id = 1";
    assert_eq!(database.number(used).await, 2 * KEPT, "the quota is exact");
    let events = "SELECT COUNT(*) FROM audit_log
        WHERE resource_type = 'artifact' AND operation = 'delete'";
    assert_eq!(database.number(events).await, ARTIFACTS - KEPT, "an event for each");
    database.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_kill_cuts_off_is_gone_on_with() {
    let mut server = setup().env("ROADSTEAD_COLLECTION_RATE", "1000").start();
    rows(&mut server).await;
    let path = make(&server.admin(), "library", &[latest(KEPT)]).await;
    let (execution, _) = server.admin().make(&format!("{path}/executions"), &json!({})).await;
    let mut before = ARTIFACTS;
    for _ in 0..3 {
        until("some more are gone", async || left(&server).await < before).await;
        server.kill();
        before = left(&server).await;
        assert!(before > KEPT, "it was done before it was killed");
        // The worker has been silent for long enough.
        server.sql("UPDATE execution SET updated_at = updated_at - 60000000").await;
        server.start();
    }
    let admin = server.admin();
    let found = ended(&admin, &path, last(&execution)).await;
    assert_eq!(found["status"], "Success");
    assert_done(&server).await;
    let tasks = admin.read(&format!("{execution}/tasks")).await;
    assert_eq!(tasks.as_array().unwrap().len(), 1);
    assert_eq!((&tasks[0]["total"], &tasks[0]["retained"]), (&json!(ARTIFACTS), &json!(KEPT)));
    let executions = admin.read(&format!("{path}/executions")).await;
    assert_eq!(executions.as_array().unwrap().len(), 1, "none was made anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_leaves_the_rest_to_the_next_one() {
    let mut server = setup().env("ROADSTEAD_COLLECTION_RATE", "1000").start();
    rows(&mut server).await;
    let path = make(&server.admin(), "library", &[latest(KEPT)]).await;
    let (execution, _) = server.admin().make(&format!("{path}/executions"), &json!({})).await;
    until("some are gone", async || left(&server).await < ARTIFACTS).await;
    server.terminate();
    assert_eq!(server.wait(), Some(0));
    assert!(left(&server).await > KEPT);
    server.start();
    let found = ended(&server.admin(), &path, last(&execution)).await;
    assert_eq!(found["status"], "Success");
    assert_done(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_that_is_stopped_deletes_nothing_more() {
    let mut server = setup().env("ROADSTEAD_COLLECTION_RATE", "500").start();
    rows(&mut server).await;
    let admin = server.admin();
    let path = make(&admin, "library", &[latest(KEPT)]).await;
    let (execution, _) = admin.make(&format!("{path}/executions"), &json!({})).await;
    until("some are gone", async || left(&server).await < ARTIFACTS).await;
    admin.change("PATCH", &execution, &json!({"action": "stop"})).await;
    let after = left(&server).await;
    assert!(after > KEPT, "{after} are left");
    assert_eq!(ended(&admin, &path, last(&execution)).await["status"], "Stopped");
    let tasks = admin.read(&format!("{execution}/tasks")).await;
    assert_eq!(tasks[0]["status"], "Stopped");
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(left(&server).await, after, "nobody goes on");
    let (next, _) = admin.make(&format!("{path}/executions"), &json!({})).await;
    assert_eq!(ended(&admin, &path, last(&next)).await["status"], "Success");
    assert_done(&server).await;
    assert_eq!(admin.status("DELETE", &path, &json!(null)).await, 200);
    let database = server.database().await;
    for table in ["retention_task", "retention_verdict", "execution"] {
        let count = format!("SELECT COUNT(*) FROM {table}");
        assert_eq!(database.number(&count).await, 0, "{table}");
    }
    database.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_servers_one_does_each_execution_and_the_other_goes_on_when_it_dies() {
    if std::env::var_os("ROADSTEAD_TEST_QUICK").is_some() {
        return;
    }
    let place = Store::S3s.place();
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let setup = |setup: Setup| {
        let setup = setup.env("ROADSTEAD_SECRET_KEY", key).env("ROADSTEAD_JOB_INTERVAL", "1h");
        setup.env("ROADSTEAD_COLLECTION_RATE", "1000")
    };
    let mut first = setup(place.setup()).postgres().start();
    let mut second = setup(place.setup()).database_of(&first).start();
    second.damaged_on_purpose();
    rows(&mut first).await;
    let path = make(&first.admin(), "library", &[latest(KEPT)]).await;
    let (execution, _) = first.admin().make(&format!("{path}/executions"), &json!({})).await;
    until("some are gone", async || left(&first).await < ARTIFACTS).await;
    let database = first.database().await;
    let pool: Vec<(String,)> =
        database.rows("SELECT pool FROM execution WHERE status = 'Running'", &[]).await;
    assert_eq!(pool.len(), 1, "one is at it");
    let of_first = pool[0].0.contains(&format!("-{}-", first.pid()));
    let (working, waiting) = if of_first { (&mut first, &second) } else { (&mut second, &first) };
    working.kill();
    assert!(left(waiting).await > KEPT);
    // Not before the other one was silent for long enough.
    let found = ended(&waiting.admin(), &path, last(&execution)).await;
    assert_eq!(found["status"], "Success");
    assert_done(waiting).await;
    database.close().await;
}
