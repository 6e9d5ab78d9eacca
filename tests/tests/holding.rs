//! What a manifest names stays, also when it came later or as something else.

use roadstead_tests::content::{INDEX, MANIFEST, descriptor, image, index, sha256};
use roadstead_tests::http::{Person, error_code};
use roadstead_tests::{Server, Setup};
use serde_json::json;

const REPOSITORY: &str = "library/holding";

async fn push(admin: &Person, media_type: &str, bytes: &[u8]) -> u16 {
    let digest = sha256(bytes);
    let answer = admin.put_manifest(REPOSITORY, &digest, media_type, bytes.to_vec()).await;
    answer.status().as_u16()
}

async fn delete(admin: &Person, kind: &str, bytes: &[u8]) -> u16 {
    let path = format!("/v2/{REPOSITORY}/{kind}/{}", sha256(bytes));
    admin.delete(&path).await.status().as_u16()
}

fn sparse() -> Server {
    Setup::new()
        .env("ROADSTEAD_SPARSE_IMAGES", "true")
        .env("ROADSTEAD_SPARSE_INDEXES", "true")
        .start()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_that_comes_after_its_image_is_held_by_it() {
    let server = sparse();
    let admin = server.admin();
    admin.push_blob(REPOSITORY, b"{}").await;
    let manifest = image(b"{}", &[b"late layer"]).to_string();
    assert_eq!(push(&admin, MANIFEST, manifest.as_bytes()).await, 201);
    admin.push_blob(REPOSITORY, b"late layer").await;
    assert_eq!(delete(&admin, "blobs", b"late layer").await, 405);
    assert_eq!(delete(&admin, "manifests", manifest.as_bytes()).await, 202);
    assert_eq!(delete(&admin, "blobs", b"late layer").await, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_is_held_as_a_blob_even_when_the_same_bytes_are_a_manifest() {
    let server = Setup::new().start();
    let admin = server.admin();
    admin.push_blob(REPOSITORY, b"{}").await;
    let inner = index(&[]).to_string();
    let mut outer = image(b"{}", &[]);
    let mut layer = descriptor("a/b", inner.as_bytes());
    layer["urls"] = json!(["http://example.com/layer"]);
    outer["layers"] = json!([layer]);
    assert_eq!(push(&admin, MANIFEST, outer.to_string().as_bytes()).await, 201);
    assert_eq!(push(&admin, INDEX, inner.as_bytes()).await, 201);
    admin.push_blob(REPOSITORY, inner.as_bytes()).await;
    assert_eq!(delete(&admin, "blobs", inner.as_bytes()).await, 405);
    assert_eq!(delete(&admin, "manifests", inner.as_bytes()).await, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_was_a_blob_first_is_held_as_a_manifest_too() {
    let server = Setup::new().start();
    let admin = server.admin();
    let child = index(&[]).to_string();
    admin.push_blob(REPOSITORY, child.as_bytes()).await;
    let parent = index(&[descriptor(INDEX, child.as_bytes())]).to_string();
    assert_eq!(push(&admin, INDEX, parent.as_bytes()).await, 201);
    assert_eq!(push(&admin, INDEX, child.as_bytes()).await, 201);
    assert_eq!(delete(&admin, "manifests", child.as_bytes()).await, 405);
    assert_eq!(delete(&admin, "blobs", child.as_bytes()).await, 405);
    assert_eq!(delete(&admin, "manifests", parent.as_bytes()).await, 202);
    assert_eq!(delete(&admin, "manifests", child.as_bytes()).await, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_later_with_another_size_is_not_what_was_named() {
    let server = sparse();
    let admin = server.admin();
    admin.push_blob(REPOSITORY, b"{}").await;
    let mut manifest = image(b"{}", &[b"late layer"]);
    manifest["layers"][0]["size"] = json!(5);
    assert_eq!(push(&admin, MANIFEST, manifest.to_string().as_bytes()).await, 201);
    admin.push_blob(REPOSITORY, b"late layer").await;
    assert_eq!(delete(&admin, "blobs", b"late layer").await, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_in_two_repositories_is_counted_once_and_deleted_apart() {
    let server = Setup::new().start();
    let admin = server.admin();
    admin.push_blob(REPOSITORY, b"shared").await;
    let digest = sha256(b"shared");
    let mount = format!("/v2/library/other/blobs/uploads/?mount={digest}&from={REPOSITORY}");
    assert_eq!(admin.send("POST", &mount).send().await.unwrap().status(), 201);
    assert_eq!(delete(&admin, "blobs", b"shared").await, 202);
    let gone = admin.get(&format!("/v2/{REPOSITORY}/blobs/{digest}")).await;
    assert_eq!(error_code(gone).await, "BLOB_UNKNOWN");
    let kept = admin.get(&format!("/v2/library/other/blobs/{digest}")).await;
    assert_eq!(kept.bytes().await.unwrap(), "shared");
    // What was counted is compared with what is held when the server is dropped.
}
