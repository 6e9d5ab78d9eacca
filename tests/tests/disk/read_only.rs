use roadstead_tests::Setup;
use roadstead_tests::disk::{Disk, Format, left_out};

use super::try_push;

#[tokio::test(flavor = "multi_thread")]
async fn a_file_system_that_turned_read_only_serves_pulls() {
    if left_out() {
        return;
    }
    let mut disk = Disk::new(Format::Ext4, 256);
    let mut server = Setup::new().data(&disk.path().join("data")).start();
    let admin = server.admin();
    let layer = vec![3; 500_000];
    let (manifest, digest) = admin.push_image("library/ro", "v1", &layer).await;
    let blob = roadstead_tests::content::sha256(&layer);
    disk.turn_read_only();
    for n in 0..20_u8 {
        assert_eq!(try_push(&admin, "library/ro", &[n]).await, 503);
        for path in ["/v2/library/ro/manifests/v1", &format!("/v2/library/ro/manifests/{digest}")] {
            assert_eq!(admin.get(path).await.bytes().await.unwrap(), manifest);
        }
        let pulled = server.nobody().get(&format!("/v2/library/ro/blobs/{blob}")).await;
        assert_eq!(pulled.bytes().await.unwrap(), layer);
        let deleted = admin.delete(&format!("/v2/library/ro/manifests/{digest}")).await;
        assert_eq!(deleted.status(), 503);
    }
    // It cannot be made writable again without mounting it anew.
    server.kill();
    disk.restore_power();
    server.start();
    assert_eq!(try_push(&server.admin(), "library/ro", b"again").await, 201);
    server.assert_clean(&["--deep"]);
    // Not used any more when the disk goes.
    drop(server);
    drop(disk);
}
