//! An SQLite database that another process has locked.

use std::time::{Duration, Instant};

use roadstead_tests::Setup;
use roadstead_tests::http::header;
use serde_json::json;
use sqlx::Connection as _;

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_sqlite_database_is_waited_for_and_then_503_while_pulls_go_on() {
    let server = Setup::new().sqlite().start();
    let admin = server.admin();
    admin.push_image("library/app", "v1", b"a layer").await;
    let url = server.database_url();
    let mut other = sqlx::SqliteConnection::connect(&url).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let since = Instant::now();
    let project = json!({"project_name": "team"});
    let request = admin.send("POST", "/api/v2.0/projects").json(&project).send();
    let waiting = tokio::spawn(request);
    for _ in 0..5 {
        assert_eq!(admin.get("/v2/library/app/manifests/v1").await.status(), 200);
    }
    let refused = waiting.await.unwrap().unwrap();
    assert_eq!(refused.status(), 503);
    header(&refused, "retry-after");
    assert!(since.elapsed() > Duration::from_secs(4), "{:?}", since.elapsed());
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    assert_eq!(admin.json("POST", "/api/v2.0/projects", &project).await, 201);
}
