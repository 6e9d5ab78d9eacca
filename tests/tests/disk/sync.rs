use std::path::PathBuf;
use std::time::Duration;

use roadstead_tests::content::sha256;
use roadstead_tests::disk::left_out;
use roadstead_tests::fault::Injection;
use roadstead_tests::http::{error_code, with_query};
use roadstead_tests::{Server, Setup, free_port};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use super::{try_push, until_pushes_work};

/// The files whose fsync failed, and those whose worked, in order.
fn synced(log: &str) -> Vec<(String, bool)> {
    let path = |line: &str| Some(line.split_once('<')?.1.split_once('>')?.0.to_owned());
    let calls = log.lines().filter(|line| line.contains("fsync(") && line.contains(" = "));
    calls.filter_map(|line| Some((path(line)?, !line.contains("EIO")))).collect()
}

async fn readiness(server: &Server, port: u16) -> String {
    let person = server.nobody();
    person.get(&format!("http://127.0.0.1:{port}/readyz")).await.text().await.unwrap()
}

/// Where the bytes of the only open session go.
async fn object_of_session(server: &Server) -> PathBuf {
    let file = server.data().join("roadstead.db");
    let options = SqliteConnectOptions::new().filename(file).read_only(true);
    let mut database = options.connect().await.unwrap();
    let (key,): (String,) =
        sqlx::query_as("SELECT okey FROM upload").fetch_one(&mut database).await.unwrap();
    server.data().join("blobs").join(key)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_whose_sync_failed_is_never_synced_again_and_others_go_on() {
    if left_out() {
        return;
    }
    let server = Setup::new().start();
    let admin = server.admin();
    let kept = admin.push_blob("library/sync", b"kept").await;
    let location = admin.start_upload("library/sync").await;
    let file = object_of_session(&server).await;
    let fault = Injection::into(
        server.pid(),
        server.scratch(),
        &["fsync:error=EIO"],
        std::slice::from_ref(&file),
    );
    let url = with_query(&location, &format!("digest={}", sha256(b"first")));
    let answer = admin.send("PUT", &url).body("first").send().await.unwrap();
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    let again = admin.send("PUT", &url).body("first").send().await.unwrap();
    assert_eq!(error_code(again).await, "BLOB_UPLOAD_UNKNOWN", "the session has ended");
    let refused = admin.head(&format!("/v2/library/sync/blobs/{}", sha256(b"first"))).await;
    assert_eq!(refused.status(), 404, "nothing is visible");
    for bytes in [&b"first"[..], b"second", b"third"] {
        assert_eq!(try_push(&admin, "library/sync", bytes).await, 201);
    }
    let log = synced(&fault.end());
    assert_eq!(log, [(file.display().to_string(), false)], "one call, which failed");
    let answer = admin.get(&format!("/v2/library/sync/blobs/{kept}")).await;
    assert_eq!(answer.bytes().await.unwrap(), "kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_keeps_failing_takes_no_pushes_until_it_works_again() {
    if left_out() {
        return;
    }
    let port = free_port();
    let server = Setup::new().env("ROADSTEAD_ADMIN_LISTEN", format!("127.0.0.1:{port}")).start();
    let admin = server.admin();
    let (manifest, _) = admin.push_image("library/sync", "kept", b"kept").await;
    let shards: Vec<PathBuf> =
        (0..=255).map(|n| server.data().join(format!("blobs/b/{n:02x}"))).collect();
    let fault = Injection::into(server.pid(), server.scratch(), &["fsync:error=EIO"], &shards);
    for n in 0..6 {
        assert_eq!(try_push(&admin, "library/sync", format!("{n}").as_bytes()).await, 503);
    }
    let attempts = synced(&fault.end()).len();
    assert_eq!(attempts, 3, "it was given up after three");
    assert!(readiness(&server, port).await.starts_with("ok, but pushes are refused: "));
    let pulled = admin.get("/v2/library/sync/manifests/kept").await;
    assert_eq!(pulled.bytes().await.unwrap(), manifest, "pulls go on");
    let took = until_pushes_work(&admin, "library/sync", Duration::from_secs(20)).await;
    assert_eq!(readiness(&server, port).await, "ok");
    println!("pushes were taken again after {took:?}");
}
