//! What belongs to artifacts.

use roadstead_tests::content::{MANIFEST, image, sha256};
use serde_json::{Value, json};

use super::stage::{APP, column, push, push_image, push_index, started};

fn belonging(artifact_type: &str, subject: &Value, number: u8) -> Value {
    let mut manifest = image(b"{}", &[&[number]]);
    manifest["config"]["mediaType"] = "application/vnd.oci.empty.v1+json".into();
    manifest["artifactType"] = artifact_type.into();
    manifest["subject"] = subject.clone();
    manifest
}

#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_to_an_artifact_is_shown_there_and_nowhere_else() {
    let server = started();
    let admin = server.admin();
    let (manifest, digest) = push_image(&admin, "v1", "amd64", b"one").await;
    let subject = json!({"mediaType": MANIFEST, "digest": digest,
                         "size": manifest.to_string().len()});
    let kinds = [
        ("application/vnd.cncf.notary.signature", "signature.notation"),
        ("application/vnd.dev.sigstore.bundle.v0.3+json", "signature.cosign"),
        ("application/spdx+json", "subject.accessory"),
    ];
    let mut pushed = Vec::new();
    for (number, (artifact_type, _)) in (0..).zip(kinds) {
        let one = belonging(artifact_type, &subject, number);
        let reference = super::stage::digest_of(&one);
        pushed.push(push(&admin, "library/app", &reference, &[b"{}", &[number]], &one).await);
    }
    // As cosign names signatures without referrers.
    let mut signature = image(b"{}", &[b"payload"]);
    signature["layers"][0]["mediaType"] = "application/vnd.dev.cosign.simplesigning.v1+json".into();
    let tag = format!("{}.sig", digest.replace(':', "-"));
    pushed.push(push(&admin, "library/app", &tag, &[b"{}", b"payload"], &signature).await);
    assert_eq!(column(&admin.read(APP).await, "digest"), [digest.as_str()]);
    let repository = admin.read("/projects/library/repositories/app").await;
    assert_eq!(repository["artifact_count"], 1);
    let listed = admin.read(&format!("{APP}/v1/accessories?sort=id")).await;
    assert_eq!(column(&listed, "digest"), pushed);
    let expected: Vec<&str> =
        kinds.iter().map(|(_, kind)| *kind).chain(["signature.cosign"]).collect();
    assert_eq!(column(&listed, "type"), expected);
    assert_eq!(listed[0]["subject_artifact_digest"], json!(digest));
    let found = admin.read(&format!("{APP}/v1?with_accessory=true")).await;
    assert_eq!(listed[0]["subject_artifact_id"], found["id"]);
    assert_eq!(found["accessories"].as_array().unwrap().len(), 4);
    let one = admin.read(&format!("{APP}/v1/accessories?q=type%3Dsignature.notation")).await;
    assert_eq!(column(&one, "digest"), [pushed[0].clone()]);
    // A direct look finds it.
    let direct = admin.read(&format!("{APP}/{}", pushed[0])).await;
    assert_eq!(direct["artifact_type"], "application/vnd.cncf.notary.signature");
    admin.change("DELETE", &format!("{APP}/{}", pushed[0]), &json!({})).await;
    let left = admin.read(&format!("{APP}/v1/accessories")).await;
    assert_eq!(left.as_array().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_inherits_the_signatures_of_its_index() {
    let server = started();
    let admin = server.admin();
    let (digest, children) = push_index(&admin, "multi").await;
    let bytes = admin.get("/v2/library/app/manifests/multi").await.bytes().await.unwrap();
    assert_eq!(sha256(&bytes), digest);
    let subject = json!({"mediaType": "application/vnd.oci.image.index.v1+json",
                         "digest": digest, "size": bytes.len()});
    let signature = belonging("application/vnd.cncf.notary.signature", &subject, 7);
    let reference = super::stage::digest_of(&signature);
    push(&admin, "library/app", &reference, &[b"{}", &[7]], &signature).await;
    let path = format!("{APP}/{}?with_inherited_accessory=true&with_accessory=true", children[0]);
    let child = admin.read(&path).await;
    assert_eq!(child["accessories"], Value::Null);
    assert_eq!(column(&child["inherited_accessories"], "type"), ["signature.notation"]);
    let index = admin.read(&format!("{APP}/multi?with_inherited_accessory=true")).await;
    assert_eq!(index.get("inherited_accessories"), None);
}
