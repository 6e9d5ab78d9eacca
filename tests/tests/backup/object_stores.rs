//! Backups of a registry that keeps its bytes in an object store.

use std::path::Path;

use roadstead_tests::content::{random_bytes, rng, sha256};
use roadstead_tests::stores::{PART, Store, left_out};
use roadstead_tests::{Server, Setup, store};

use super::{back_up, restore, restored, said};

/// Images with layers of one request, of parts that fit and of a rest behind them.
async fn pushed(server: &Server) -> Vec<Vec<u8>> {
    let mut rng = rng();
    let sizes = [1000, 2 * PART, 2 * PART + 7];
    let layers: Vec<Vec<u8>> = sizes.map(|size| random_bytes(&mut rng, size)).into();
    for (n, layer) in layers.iter().enumerate() {
        server.admin().push_image("library/kept", &format!("v{n}"), layer).await;
    }
    layers
}

async fn assert_has(server: &Server, layers: &[Vec<u8>]) {
    for layer in layers {
        let path = format!("/v2/library/kept/blobs/{}", sha256(layer));
        assert!(server.admin().get(&path).await.bytes().await.unwrap() == *layer);
    }
    server.assert_clean(&["--deep"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_objects_of_a_store_are_copied_when_asked_for_and_restored_into_any_other() {
    for (from, to) in [
        (Store::Radosgw, Store::S3s),
        (Store::S3s, Store::Disk),
        (Store::Disk, Store::Azurite),
        (Store::Azurite, Store::Google),
        (Store::Google, Store::Radosgw),
    ] {
        if left_out(from) || left_out(to) {
            return;
        }
        let server = from.place().setup().start();
        let layers = pushed(&server).await;
        let directory = server.scratch().join("backup");
        if from != Store::Disk {
            let said = back_up(&server, &directory, &["--with-secret-key"]);
            assert!(said.contains("objects were left out"), "{said}");
        }
        let said = back_up(&server, &directory, &["--with-secret-key", "--blobs"]);
        assert!(said.contains("6 of them copied now"), "{said}");
        let said = back_up(&server, &directory, &["--with-secret-key", "--blobs"]);
        assert!(said.contains("0 of them copied now"), "{said}");
        let place = to.place();
        let copy = restored(place.setup(), &directory);
        assert_has(&copy, &layers).await;
        assert_eq!(place.unfinished_uploads().unwrap_or(0), 0, "{to:?} is left with an upload");
        copy.admin().push_image("library/kept", "new", b"goes on").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_the_rows_finds_its_objects_where_they_were() {
    if left_out(Store::Radosgw) {
        return;
    }
    let place = Store::Radosgw.place();
    let mut server = place.setup().start();
    let layers = pushed(&server).await;
    let directory = server.scratch().join("backup");
    back_up(&server, &directory, &["--with-secret-key"]);
    // Not in the backup: its objects are in the store all the same.
    server.admin().push_image("library/kept", "later", b"later").await;
    server.kill();
    let copy = restored(place.setup(), &directory);
    let repaired = copy.fsck(&["--repair"]);
    let said = said(&repaired);
    assert_eq!(said.matches("orphaned").count(), 2, "{said}");
    server.damaged_on_purpose();
    for layer in &layers {
        let path = format!("/v2/library/kept/blobs/{}", sha256(layer));
        assert!(copy.admin().get(&path).await.bytes().await.unwrap() == *layer);
    }
}

fn damage(directory: &Path, length: u64) {
    let objects = store::objects(&directory.join("blobs"));
    let object = objects.iter().find(|file| file.metadata().unwrap().len() == length);
    let mut bytes = std::fs::read(object.unwrap()).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(object.unwrap(), bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_fails_leaves_no_upload_behind_and_is_repeated() {
    if left_out(Store::Radosgw) {
        return;
    }
    let server = Setup::new().start();
    let layers = pushed(&server).await;
    let (whole, broken) = (server.scratch().join("whole"), server.scratch().join("broken"));
    back_up(&server, &whole, &["--with-secret-key"]);
    back_up(&server, &broken, &["--with-secret-key"]);
    damage(&broken, 2 * PART as u64 + 7);
    let place = Store::Radosgw.place();
    let mut target = place.setup().stopped();
    let refused = restore(&target, &broken);
    assert!(said(&refused).contains("damaged in the backup"), "{}", said(&refused));
    assert_eq!(place.unfinished_uploads(), Some(0));
    let output = restore(&target, &whole);
    assert!(output.status.success(), "{}", said(&output));
    target.start();
    assert_has(&target, &layers).await;
}
