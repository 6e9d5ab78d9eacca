use std::time::{Duration, Instant};

use roadstead_tests::Setup;
use roadstead_tests::disk::left_out;
use roadstead_tests::fault::Injection;
use sqlx::{ConnectOptions as _, Executor as _};

use super::{try_push, until_pushes_work};

/// What SQLite does when it writes, syncs and makes its files longer.
const CALLS: &[&str] = &["fsync:error=EIO", "pwrite64:error=EIO", "pwrite64:error=ENOSPC"];

#[tokio::test(flavor = "multi_thread")]
async fn writes_that_the_database_cannot_keep_fail_and_reads_go_on() {
    if left_out() {
        return;
    }
    let server = Setup::new().start();
    let admin = server.admin();
    let (manifest, _) = admin.push_image("library/db", "kept", b"kept").await;
    let files = ["roadstead.db", "roadstead.db-wal"].map(|name| server.data().join(name));
    for call in CALLS {
        let fault = Injection::into(server.pid(), server.scratch(), &[call], &files);
        for n in 0..3 {
            let status = try_push(&admin, "library/db", format!("{call} {n}").as_bytes()).await;
            assert!(matches!(status, 503 | 507), "{call}: {status}");
            let pulled = admin.get("/v2/library/db/manifests/kept").await;
            assert_eq!(pulled.status(), 200, "{call}");
            assert_eq!(pulled.bytes().await.unwrap(), manifest);
        }
        drop(fault);
        until_pushes_work(&admin, "library/db", Duration::from_secs(20)).await;
        server.assert_clean(&["--deep"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_somebody_else_has_locked_is_waited_for_and_then_given_up() {
    let server = Setup::new().start();
    let admin = server.admin();
    let (manifest, _) = admin.push_image("library/busy", "kept", b"kept").await;
    let file = server.data().join("roadstead.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    let mut other = options.connect().await.unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let since = Instant::now();
    let pushes = (0..4_u8).map(|n| {
        let admin = admin.clone();
        tokio::spawn(async move { try_push(&admin, "library/busy", &[n]).await })
    });
    let pushes: Vec<_> = pushes.collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let pulled = admin.get("/v2/library/busy/manifests/kept").await;
    assert_eq!(pulled.bytes().await.unwrap(), manifest);
    assert!(since.elapsed() < Duration::from_secs(4), "a pull waited for the lock");
    for push in pushes {
        assert_eq!(push.await.unwrap(), 503);
    }
    // Those that queue behind one another do not wait once more each.
    assert!(since.elapsed() < Duration::from_secs(12), "{:?}", since.elapsed());
    other.execute("ROLLBACK").await.unwrap();
    assert_eq!(try_push(&admin, "library/busy", b"again").await, 201);
}
