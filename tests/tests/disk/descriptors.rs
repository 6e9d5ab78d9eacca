use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use roadstead_tests::Setup;
use roadstead_tests::disk::left_out;

use super::try_push;

fn open_files(process: u32) -> usize {
    std::fs::read_dir(format!("/proc/{process}/fd")).unwrap().count()
}

fn limit_files(process: u32, most: usize) {
    let limit = format!("--nofile={most}:");
    let status = Command::new("prlimit").args(["--pid", &process.to_string(), &limit]).status();
    assert!(status.is_ok_and(|status| status.success()), "prlimit sets a limit");
}

/// The client needs a moment to know that its connection is free again. Without it it makes another one,
/// which would wait outside until the server closes the first.
async fn between() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_file_descriptors_nothing_is_called_missing_or_damaged() {
    if left_out() {
        return;
    }
    let server = Setup::new().start();
    let admin = server.admin();
    let digest = admin.push_blob("library/files", b"kept").await;
    let path = format!("/v2/library/files/blobs/{digest}");
    assert_eq!(admin.get(&path).await.bytes().await.unwrap(), "kept");
    // Its one connection is open; hardly a file can be.
    limit_files(server.pid(), open_files(server.pid()) - 2);
    let mut refused = 0;
    for _ in 0..10 {
        between().await;
        let answer = admin.get(&path).await;
        assert!(matches!(answer.status().as_u16(), 200 | 503), "{}", answer.status());
        refused += usize::from(answer.status() == 503);
        assert_eq!(answer.status() == 503, answer.headers().contains_key("retry-after"));
        let _ = answer.bytes().await;
        between().await;
        let pushed = try_push(&admin, "library/files", b"more").await;
        assert!(matches!(pushed, 201 | 503), "{pushed}");
        refused += usize::from(pushed == 503);
    }
    assert!(refused > 5, "it had files to open all the same: {refused}");
    // More connections than it can take wait outside, and leave.
    let silent: Vec<TcpStream> =
        (0..20).map(|_| TcpStream::connect(server.address()).unwrap()).collect();
    limit_files(server.pid(), 1000);
    drop(silent);
    assert_eq!(admin.get(&path).await.bytes().await.unwrap(), "kept");
    super::until_pushes_work(&admin, "library/files", Duration::from_secs(20)).await;
    assert_eq!(server.nobody().get(&path).await.status(), 200, "new connections come in");
}
