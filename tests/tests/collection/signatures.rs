//! Signatures that name what they sign by their tag, as cosign's do.

use roadstead_tests::content::{MANIFEST, image, sha256};
use roadstead_tests::http::Person;
use serde_json::{Value, json};

use super::stage::{collect, on_demand};

const APP: &str = "library/app";

/// Signs a digest as cosign does without referrers; the digest of the signature.
async fn sign(person: &Person, digest: &str, payload: &[u8]) -> String {
    let mut signature = image(b"{}", &[payload]);
    signature["layers"][0]["mediaType"] = "application/vnd.dev.cosign.simplesigning.v1+json".into();
    for bytes in [&b"{}"[..], payload] {
        person.push_blob(APP, bytes).await;
    }
    let bytes = signature.to_string();
    let tag = format!("{}.sig", digest.replace(':', "-"));
    assert_eq!(person.put_manifest(APP, &tag, MANIFEST, bytes.clone()).await.status(), 201);
    sha256(bytes.as_bytes())
}

async fn is_there(person: &Person, digest: &str) -> bool {
    person.get(&format!("/v2/{APP}/manifests/{digest}")).await.status() == 200
}

async fn referrers(person: &Person, digest: &str, narrowed: &str) -> Value {
    person.read_json(&format!("/v2/{APP}/referrers/{digest}{narrowed}")).await["manifests"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_is_a_referrer_of_what_its_tag_names_and_goes_with_it() {
    let server = on_demand().env("ROADSTEAD_BLOB_LEASE", "0s").start();
    let admin = server.admin();
    let (_, digest) = admin.push_image(APP, "v1", b"a layer").await;
    let signature = sign(&admin, &digest, b"payload").await;
    let of_signature = sign(&admin, &signature, b"another payload").await;
    // One of something that is elsewhere, and one with a tag of its own.
    let elsewhere = sign(&admin, &sha256(b"elsewhere"), b"a third payload").await;
    let (_, other) = admin.push_image(APP, "v2", b"another layer").await;
    let named = sign(&admin, &other, b"a fourth payload").await;
    let tags = format!("/projects/library/repositories/app/artifacts/{named}/tags");
    assert_eq!(admin.status("POST", &tags, &json!({"name": "mine"})).await, 201);
    for narrowed in ["", "?artifactType=application/vnd.oci.image.config.v1%2Bjson"] {
        let found = referrers(&admin, &digest, narrowed).await;
        assert_eq!((&found[0]["digest"], &found[1]), (&json!(signature), &Value::Null));
    }
    assert_eq!(referrers(&admin, &signature, "").await[0]["digest"], of_signature);
    assert_eq!(referrers(&admin, &digest, "?artifactType=text/x").await, json!([]));
    let done = collect(&admin, &json!({"delete_untagged": true})).await;
    assert_eq!(done["purged_manifests"], 0, "tags keep them");
    for gone in [&digest, &other] {
        assert_eq!(admin.delete(&format!("/v2/{APP}/manifests/{gone}")).await.status(), 202);
    }
    let dry = collect(&admin, &json!({"dry_run": true})).await;
    let done = collect(&admin, &json!({})).await;
    for figure in ["purged_manifests", "purged_blobs", "freed_space"] {
        assert_eq!(dry[figure], done[figure], "{figure}");
    }
    assert_eq!(done["purged_manifests"], 2);
    for (digest, there) in
        [(&signature, false), (&of_signature, false), (&elsewhere, true), (&named, true)]
    {
        assert_eq!(is_there(&admin, digest).await, there, "{digest}");
    }
    let history = "/api/v2.0/projects/library/repositories/app/tag_history?page_size=1";
    let last = &admin.read_json(history).await[0];
    assert_eq!((&last["username"], &last["new_digest"]), (&json!("system"), &Value::Null));
}
