//! What the tests push.

use roadstead_tests::content::{INDEX, MANIFEST, descriptor, image, index};
use roadstead_tests::http::{Person, header};
use roadstead_tests::{Server, Setup};
use serde_json::{Value, json};

/// The artifacts of `library/app`.
pub const APP: &str = "/projects/library/repositories/app/artifacts";

pub const IMAGE_CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// A server whose artifacts belong to nobody else.
pub fn started() -> Server {
    Setup::new().start()
}

/// The config of an image for a platform.
pub fn config(architecture: &str) -> Vec<u8> {
    let config = json!({
        "architecture": architecture, "os": "linux", "created": "2026-01-02T03:04:05Z",
        "author": "ada", "config": {"Env": ["A=1"]}, "rootfs": {"type": "layers", "diff_ids": []},
        "history": [{"created_by": "true"}],
    });
    config.to_string().into_bytes()
}

/// Pushes what a manifest names, and the manifest; its digest.
pub async fn push(
    person: &Person,
    repository: &str,
    reference: &str,
    blobs: &[&[u8]],
    manifest: &Value,
) -> String {
    for blob in blobs {
        person.push_blob(repository, blob).await;
    }
    let media_type = manifest["mediaType"].as_str().unwrap_or(MANIFEST).to_owned();
    let put = person.put_manifest(repository, reference, &media_type, manifest.to_string()).await;
    assert_eq!(put.status(), 201, "{}", put.text().await.unwrap());
    header(&put, "docker-content-digest")
}

/// An image of one layer for a platform; its manifest and digest.
pub async fn push_image(
    person: &Person,
    reference: &str,
    architecture: &str,
    layer: &[u8],
) -> (Value, String) {
    let config = config(architecture);
    let mut manifest = image(&config, &[layer]);
    manifest["config"]["mediaType"] = IMAGE_CONFIG.into();
    let digest = push(person, "library/app", reference, &[&config, layer], &manifest).await;
    (manifest, digest)
}

/// The digest that a manifest is pushed under.
pub fn digest_of(manifest: &Value) -> String {
    roadstead_tests::content::sha256(manifest.to_string().as_bytes())
}

/// An index of two images, which have no tags.
pub async fn push_index(person: &Person, tag: &str) -> (String, [String; 2]) {
    let mut children = Vec::new();
    let mut digests = Vec::new();
    for architecture in ["amd64", "arm64"] {
        let config = config(architecture);
        let layer = format!("{tag} {architecture}");
        let mut manifest = image(&config, &[layer.as_bytes()]);
        manifest["config"]["mediaType"] = IMAGE_CONFIG.into();
        let blobs = [config.as_slice(), layer.as_bytes()];
        let digest = digest_of(&manifest);
        digests.push(push(person, "library/app", &digest, &blobs, &manifest).await);
        let mut named = descriptor(MANIFEST, manifest.to_string().as_bytes());
        named["platform"] = json!({"architecture": architecture, "os": "linux", "variant": "v8"});
        children.push(named);
    }
    let mut index = index(&children);
    index["mediaType"] = INDEX.into();
    let digest = push(person, "library/app", tag, &[], &index).await;
    (digest, digests.try_into().unwrap())
}

/// Values of a key of each entry of a list.
pub fn column(list: &Value, key: &str) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    list.as_array().unwrap().iter().map(|entry| text(&entry[key])).collect()
}
