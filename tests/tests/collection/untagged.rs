//! Manifests without a tag: what the policy lets go, and what it does not.

use std::time::Duration;

use roadstead_tests::content::{INDEX, MANIFEST, descriptor, image, index, sha256};
use roadstead_tests::http::Person;
use serde_json::json;

use super::stage::{collect, on_demand, quick, until};

const REPOSITORY: &str = "library/app";

async fn status(admin: &Person, digest: &str) -> u16 {
    admin.status_of("GET", &format!("/v2/{REPOSITORY}/manifests/{digest}")).await
}

/// Puts an image whose only difference is its name, perhaps with a subject; its digest.
async fn put(admin: &Person, reference: &str, name: &str, subject: Option<&str>) -> String {
    let mut manifest = image(b"{}", &[]);
    manifest["annotations"] = json!({"name": name});
    if let Some(bytes) = subject {
        manifest["subject"] = descriptor(MANIFEST, bytes.as_bytes());
        manifest["artifactType"] = json!("application/x-test");
    }
    let bytes = manifest.to_string();
    let digest = sha256(bytes.as_bytes());
    let reference = if reference.is_empty() { &digest } else { reference };
    let answer = admin.put_manifest(REPOSITORY, reference, MANIFEST, bytes).await;
    assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
    digest
}

#[tokio::test(flavor = "multi_thread")]
async fn they_go_when_they_are_old_unless_something_keeps_them() {
    let server = quick().env("ROADSTEAD_UNTAGGED_MANIFESTS", "1s").start();
    let admin = server.admin();
    admin.push_blob(REPOSITORY, b"{}").await;
    let tagged = put(&admin, "v1", "tagged", None).await;
    let loose = put(&admin, "", "loose", None).await;
    let subject = image(b"{}", &[]).to_string();
    let answer = admin.put_manifest(REPOSITORY, "subject", MANIFEST, subject.clone()).await;
    assert_eq!(answer.status(), 201);
    let referrer = put(&admin, "", "referrer", Some(&subject)).await;
    let child = image(b"{}", &[b"{}"]).to_string();
    let child_digest = sha256(child.as_bytes());
    let answer = admin.put_manifest(REPOSITORY, &child_digest, MANIFEST, child.clone()).await;
    assert_eq!(answer.status(), 201);
    let parent = index(&[descriptor(MANIFEST, child.as_bytes())]).to_string();
    let answer = admin.put_manifest(REPOSITORY, "index", INDEX, parent).await;
    assert_eq!(answer.status(), 201);
    let rule = json!({
        "action": "immutable", "template": "immutable_template",
        "scope_selectors": {"repository": [
            {"kind": "doublestar", "decoration": "repoMatches", "pattern": "**"}]},
        "tag_selectors": [{"kind": "doublestar", "decoration": "matches", "pattern": "fixed"}],
    });
    let rules = "/api/v2.0/projects/library/immutabletagrules";
    assert_eq!(admin.json("POST", rules, &rule).await, 201);
    let fixed = put(&admin, "fixed", "immutable", None).await;
    until("the loose one is gone", async || status(&admin, &loose).await == 404).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    for digest in [&tagged, &referrer, &child_digest, &fixed, &sha256(subject.as_bytes())] {
        assert_eq!(status(&admin, digest).await, 200);
    }
    // The tag moves on, and then what it named has its time.
    put(&admin, "v1", "newer", None).await;
    until("the old one is gone", async || status(&admin, &tagged).await == 404).await;
    let path = format!("/v2/{REPOSITORY}/manifests/subject");
    assert_eq!(admin.delete(&path).await.status(), 202);
    until("the referrer went with its subject", async || status(&admin, &referrer).await == 404)
        .await;
    let path = format!("/v2/{REPOSITORY}/manifests/index");
    assert_eq!(admin.delete(&path).await.status(), 202);
    until("the child went with its index", async || status(&admin, &child_digest).await == 404)
        .await;
    assert_eq!(status(&admin, &fixed).await, 200);
    let events = admin.read_json("/api/v2.0/auditlog-exts?q=username%3Dsystem&page_size=100").await;
    let resource = format!("{REPOSITORY}@{loose}");
    let found = events.as_array().unwrap().iter().find(|event| event["resource"] == *resource);
    assert_eq!(found.unwrap()["operation"], "delete");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_of_a_repository_stay() {
    let server = quick()
        .env("ROADSTEAD_UNTAGGED_MANIFESTS", "0s")
        .env("ROADSTEAD_UNTAGGED_KEEP", "2")
        .start();
    let admin = server.admin();
    admin.push_blob(REPOSITORY, b"{}").await;
    let mut digests = Vec::new();
    for build in 0..6 {
        digests.push(put(&admin, "latest", &format!("build {build}"), None).await);
    }
    until("builds 0 to 2 are gone", async || {
        status(&admin, &digests[0]).await == 404
            && status(&admin, &digests[1]).await == 404
            && status(&admin, &digests[2]).await == 404
    })
    .await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    for digest in &digests[3..] {
        assert_eq!(status(&admin, digest).await, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn they_go_at_once_when_somebody_asks_for_it_but_not_what_was_pushed_just_now() {
    let server = on_demand().env("ROADSTEAD_BLOB_LEASE", "4s").start();
    let admin = server.admin();
    admin.push_blob(REPOSITORY, b"{}").await;
    let old = put(&admin, "v1", "old", None).await;
    let signature = image(b"{}", &[]);
    assert!(signature.is_object());
    tokio::time::sleep(Duration::from_secs(5)).await;
    put(&admin, "v1", "new", None).await;
    let fresh = put(&admin, "", "the child of an index that is being pushed", None).await;
    let kept = collect(&admin, &json!({"delete_untagged": false})).await;
    assert_eq!(kept["purged_manifests"], 0);
    let done = collect(&admin, &json!({"delete_untagged": true})).await;
    assert_eq!(done["purged_manifests"], 1);
    assert_eq!(status(&admin, &old).await, 404);
    assert_eq!(status(&admin, &fresh).await, 200);
}
