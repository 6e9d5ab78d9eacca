use roadstead_tests::content::{random_bytes, rng, sha256};
use roadstead_tests::http::error_code;
use roadstead_tests::{Setup, store};
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_database_leaves_the_bytes_and_pushes_find_them_again() {
    let mut rng = rng();
    let mut server = Setup::new().start();
    let layers: Vec<Vec<u8>> = (0..5).map(|_| random_bytes(&mut rng, 20_000)).collect();
    for (n, layer) in layers.iter().enumerate() {
        server.admin().push_image("library/lost", &format!("v{n}"), layer).await;
    }
    let running = server.fsck(&["--rebuild"]);
    assert_eq!(running.status.code(), Some(2), "not while a server is running");
    server.kill();
    for file in ["roadstead.db", "roadstead.db-wal", "roadstead.db-shm"] {
        let _ = std::fs::remove_file(server.data().join(file));
    }
    let output = server.fsck(&["--rebuild", "--deep", "--json"]);
    let rebuilt: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((rebuilt["objects"].as_u64(), rebuilt["blobs"].as_u64()), (Some(10), Some(10)));
    // Once more changes nothing.
    let again = server.fsck(&["--rebuild", "--json"]);
    let again: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!((again["blobs"].as_u64(), again["known"].as_u64()), (Some(0), Some(10)));
    server.start();
    server.assert_clean(&["--deep"]);
    let admin = server.admin();
    let missing = admin.get("/v2/library/lost/manifests/v0").await;
    assert_eq!(error_code(missing).await, "NAME_UNKNOWN");
    // Nobody sees a blob whose repository is gone, though its bytes are there.
    let path = format!("/v2/library/lost/blobs/{}", sha256(&layers[0]));
    assert_eq!(admin.head(&path).await.status(), 404);
    let before = store::by_digest(&server.data().join("blobs"));
    admin.push_image("library/lost", "v0", &layers[0]).await;
    assert_eq!(admin.get(&path).await.bytes().await.unwrap(), layers[0]);
    // The blob kept its object, and the second copy waits for its deletion.
    std::fs::remove_file(&before[&sha256(&layers[0])]).unwrap();
    assert_ne!(server.fsck(&[]).status.code(), Some(0), "the old object was not in use");
    server.damaged_on_purpose();
}
