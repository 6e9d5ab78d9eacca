//! Copies of artifacts, and what can be read beside a manifest.

use roadstead_tests::content::{MANIFEST, image};
use roadstead_tests::http::header;
use serde_json::{Value, json};

use super::stage::{APP, column, digest_of, push, push_image, push_index, started};

const OTHER: &str = "/projects/team/repositories/deep%252Fcopy/artifacts";

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_is_copied_with_all_that_is_its_own() {
    let server = started();
    let admin = server.admin();
    admin.create_project("team", false).await;
    let (digest, children) = push_index(&admin, "multi").await;
    let bytes = admin.get("/v2/library/app/manifests/multi").await.bytes().await.unwrap();
    let mut signature = image(b"{}", &[b"signed"]);
    signature["artifactType"] = "application/vnd.cncf.notary.signature".into();
    signature["subject"] = json!({"mediaType": "application/vnd.oci.image.index.v1+json",
                                  "digest": digest, "size": bytes.len()});
    let reference = digest_of(&signature);
    push(&admin, "library/app", &reference, &[b"{}", b"signed"], &signature).await;
    let from = format!("{OTHER}?from=library/app:multi");
    let copied = admin.call("POST", &from, &Value::Null).await;
    assert_eq!(copied.status(), 201);
    assert_eq!(header(&copied, "location"), format!("/api/v2.0{OTHER}/{digest}"));
    let found = admin.read(&format!("{OTHER}/multi?with_accessory=true")).await;
    assert_eq!(found["digest"], json!(digest));
    assert_eq!(column(&found["references"], "child_digest"), children);
    assert_eq!(column(&found["accessories"], "type"), ["signature.notation"]);
    let pulled = admin.get("/v2/team/deep/copy/manifests/multi").await;
    assert_eq!(pulled.bytes().await.unwrap(), bytes);
    let child = admin.get(&format!("/v2/team/deep/copy/manifests/{}", children[0])).await;
    let child: Value = serde_json::from_slice(&child.bytes().await.unwrap()).unwrap();
    let layer = child["layers"][0]["digest"].as_str().unwrap();
    let layer = admin.get(&format!("/v2/team/deep/copy/blobs/{layer}")).await;
    assert_eq!(layer.text().await.unwrap(), "multi amd64");
    // Once more changes nothing; the accessory by itself is not copied.
    assert_eq!(admin.status("POST", &from, &Value::Null).await, 201);
    let alone = format!("{OTHER}?from=library/app@{reference}");
    assert_eq!(admin.status("POST", &alone, &Value::Null).await, 403);
    for (from, expected) in
        [("library/app:nothing", 404), ("library/nothing:v1", 404), ("nonsense", 400), ("", 422)]
    {
        let path = format!("{OTHER}?from={from}");
        assert_eq!(admin.status("POST", &path, &Value::Null).await, expected, "{from}");
    }
    admin.create_user("alice").await;
    let member = json!({"role_id": 2, "member_user": {"username": "alice"}});
    admin.make("/projects/team/members", &member).await;
    let alice = server.person("alice", "Password-1");
    admin.create_project("secret", false).await;
    admin.push_image("secret/app", "v1", b"hidden").await;
    for (from, expected) in [("library/app:multi", 201), ("secret/app:v1", 403)] {
        let path = format!("{OTHER}?from={from}");
        assert_eq!(alice.status("POST", &path, &Value::Null).await, expected, "{from}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_keeps_to_quotas_and_immutable_tags() {
    let server = started();
    let admin = server.admin();
    admin.create_project("team", false).await;
    push_image(&admin, "v1", "amd64", &vec![7; 100_000]).await;
    let from = format!("{OTHER}?from=library/app:v1");
    let quotas = admin.read("/quotas?page_size=100").await;
    let own = quotas.as_array().unwrap().iter().find(|quota| quota["ref"]["name"] == "team");
    let quota = format!("/quotas/{}", own.unwrap()["id"]);
    admin.change("PUT", &quota, &json!({"hard": {"storage": 1000}})).await;
    let refused = admin.call("POST", &from, &Value::Null).await;
    assert_eq!(refused.status(), 403);
    let body: Value = refused.json().await.unwrap();
    assert_eq!(body["errors"][0]["code"], "DENIED");
    let said = body["errors"][0]["message"].as_str().unwrap();
    assert!(said.contains("will exceed the configured upper limit of 1000 B"), "{said}");
    admin.change("PUT", &quota, &json!({"hard": {"storage": -1}})).await;
    admin.push_image("team/deep/copy", "v1", b"another").await;
    let rule = json!({
        "tag_selectors": [{"kind": "doublestar", "decoration": "matches", "pattern": "**"}],
        "scope_selectors": {"repository":
            [{"kind": "doublestar", "decoration": "repoMatches", "pattern": "**"}]},
        "action": "immutable", "template": "immutable_template",
    });
    admin.make("/projects/team/immutabletagrules", &rule).await;
    assert_eq!(admin.status("POST", &from, &Value::Null).await, 412);
}

#[tokio::test(flavor = "multi_thread")]
async fn additions_are_read_from_where_they_are() {
    let server = started();
    let admin = server.admin();
    let (_, digest) = push_image(&admin, "v1", "amd64", b"one").await;
    let history = admin.read(&format!("{APP}/v1/additions/build_history")).await;
    assert_eq!(history, json!([{"created_by": "true"}]));
    for (name, expected) in [("values.yaml", 400), ("nonsense", 422)] {
        let path = format!("{APP}/{digest}/additions/{name}");
        assert_eq!(admin.status("GET", &path, &Value::Null).await, expected, "{name}");
    }
    let mut bom = image(b"{}", &[br#"{"spdxVersion":"SPDX-2.3"}"#]);
    bom["artifactType"] = "application/spdx+json".into();
    bom["config"]["mediaType"] = "application/vnd.oci.empty.v1+json".into();
    push(&admin, "library/app", "bom", &[b"{}", br#"{"spdxVersion":"SPDX-2.3"}"#], &bom).await;
    let found = admin.read(&format!("{APP}/bom")).await;
    assert_eq!((&found["type"], &found["manifest_media_type"]), (&json!("SBOM"), &json!(MANIFEST)));
    let text = admin.read(&format!("{APP}/bom/additions/sbom")).await;
    assert_eq!(text["spdxVersion"], "SPDX-2.3");
}
