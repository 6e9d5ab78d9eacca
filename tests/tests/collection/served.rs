//! What was served a moment ago, and is kept open for the next reader.

use std::path::Path;

use roadstead_tests::content::{random_bytes, rng};
use roadstead_tests::store;

use super::stage::{quick, until};

/// How often a process has a file open or mapped.
fn held(process: u32, file: &Path) -> usize {
    let name = file.file_name().unwrap().to_str().unwrap();
    let files = std::fs::read_dir(format!("/proc/{process}/fd")).unwrap();
    let open = files.filter_map(Result::ok).filter(|fd| {
        std::fs::read_link(fd.path()).is_ok_and(|to| to.to_string_lossy().contains(name))
    });
    let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    open.count() + maps.lines().filter(|line| line.contains(name)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_collected_frees_its_space_although_it_was_served_just_now() {
    let server = quick().env("ROADSTEAD_BLOB_LEASE", "2s").start();
    let admin = server.admin();
    let bytes = random_bytes(&mut rng(), 3 << 20);
    let digest = admin.push_blob("library/served", &bytes).await;
    let file = store::by_digest(&server.data().join("blobs"))[&digest].clone();
    let path = format!("/v2/library/served/blobs/{digest}");
    let mut most = 0;
    until("it is collected", async || {
        let answer = admin.get(&path).await;
        if answer.status() == 200 {
            assert!(answer.bytes().await.unwrap() == bytes);
            most = most.max(held(server.pid(), &file));
        }
        !file.exists()
    })
    .await;
    assert_eq!(most, 2, "it was kept open and mapped while it was asked for");
    until("nothing holds it", async || held(server.pid(), &file) == 0).await;
}
