//! What is told, and in which words.

use roadstead_tests::content::{self, MANIFEST, sha256};
use roadstead_tests::http::with_query;
use roadstead_tests::receiver::Heard;
use serde_json::{Value, json};

use crate::stage::{Stage, policy};

/// The body that was heard, with what differs from run to run replaced.
fn told(heard: &Heard) -> Value {
    let mut body = heard.json();
    for pointer in ["/occur_at", "/event_data/repository/date_created"] {
        if let Some(time) = body.pointer_mut(pointer) {
            assert!(time.as_i64().unwrap() > 1_700_000_000, "{pointer} {time}");
            *time = "T".into();
        }
    }
    body
}

/// Harbor's payload about an image of `team/app`.
fn about(stage: &Stage, kind: &str, digest: &str, tag: Option<&str>) -> Value {
    let host = stage.server.host();
    let url = tag.map_or_else(
        || format!("{host}/team/app@{digest}"),
        |tag| format!("{host}/team/app:{tag}"),
    );
    json!({
        "type": kind, "occur_at": "T", "operator": "alice",
        "event_data": {
            "resources": [{"digest": digest, "tag": tag.unwrap_or(digest), "resource_url": url}],
            "repository": {
                "date_created": "T", "name": "app", "namespace": "team",
                "repo_full_name": "team/app", "repo_type": "private",
            },
        },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn pushes_pulls_and_deletions_are_told_in_harbors_words() {
    let stage = Stage::new().await;
    let alice = &stage.alice;
    stage.policy(&["PUSH_ARTIFACT", "PULL_ARTIFACT", "DELETE_ARTIFACT"]).await;
    let (manifest, digest) = alice.push_image("team/app", "v1", b"a layer").await;
    let heard = stage.receiver.wait_for(1).await;
    assert_eq!(told(&heard[0]), about(&stage, "PUSH_ARTIFACT", &digest, Some("v1")));
    assert_eq!(heard[0].line, "POST /hook HTTP/1.1");
    assert_eq!(heard[0].header("content-type"), Some("application/json"));
    assert_eq!(heard[0].header("x-roadstead-event"), Some("PUSH_ARTIFACT"));
    assert!(heard[0].header("user-agent").unwrap().starts_with("roadstead/"));
    // The same again, by its digest.
    let pushed = alice.put_manifest("team/app", &digest, MANIFEST, manifest).await;
    assert_eq!(pushed.status(), 201);
    let heard = stage.receiver.wait_for(2).await;
    assert_eq!(told(&heard[1]), about(&stage, "PUSH_ARTIFACT", &digest, None));
    // Who only asks whether it is there, or has it already, pulls nothing.
    let path = "/v2/team/app/manifests/v1";
    assert_eq!(alice.head(path).await.status(), 200);
    let known = alice.send("GET", path).header("if-none-match", format!("\"{digest}\""));
    assert_eq!(known.send().await.unwrap().status(), 304);
    assert_eq!(alice.get("/v2/team/app/manifests/v2").await.status(), 404);
    assert_eq!(alice.get(path).await.status(), 200);
    let heard = stage.receiver.wait_for(3).await;
    assert_eq!(told(&heard[2]), about(&stage, "PULL_ARTIFACT", &digest, Some("v1")));
    assert_eq!(alice.get(&format!("/v2/team/app/manifests/{digest}")).await.status(), 200);
    let heard = stage.receiver.wait_for(4).await;
    assert_eq!(told(&heard[3]), about(&stage, "PULL_ARTIFACT", &digest, None));
    // A tag that goes leaves its artifact.
    let answer = alice.get(path).await;
    assert_eq!(answer.status(), 200);
    stage.receiver.wait_for(5).await;
    let (_, second) = alice.push_image("team/app", "v2", b"another layer").await;
    stage.receiver.wait_for(6).await;
    assert_eq!(alice.delete("/v2/team/app/manifests/v2").await.status(), 202);
    assert_eq!(alice.delete(&format!("/v2/team/app/manifests/{digest}")).await.status(), 202);
    let heard = stage.receiver.wait_for(7).await;
    assert_eq!(told(&heard[6]), about(&stage, "DELETE_ARTIFACT", &digest, Some("v1")));
    // A repository takes all of its artifacts along.
    let (_, third) = alice.push_image("team/app", "v3", b"a third layer").await;
    stage.receiver.wait_for(8).await;
    let removed = alice.status("DELETE", "/projects/team/repositories/app", &Value::Null).await;
    assert_eq!(removed, 200);
    let heard = stage.receiver.wait_for(10).await;
    let gone: Vec<Value> = heard[8..].iter().map(told).collect();
    let expected = [
        about(&stage, "DELETE_ARTIFACT", &second, None),
        about(&stage, "DELETE_ARTIFACT", &third, Some("v3")),
    ];
    assert_eq!(gone, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_is_not_told() {
    let stage = Stage::new().await;
    let alice = &stage.alice;
    let (_, digest) = alice.push_image("team/app", "v1", b"a layer").await;
    let rule = json!({
        "tag_selectors": [{"kind": "doublestar", "decoration": "matches", "pattern": "v1"}],
        "scope_selectors": {
            "repository": [{"kind": "doublestar", "decoration": "repoMatches", "pattern": "**"}],
        },
    });
    alice.make("/projects/team/immutabletagrules", &rule).await;
    stage.policy(&["PUSH_ARTIFACT", "DELETE_ARTIFACT"]).await;
    let missing = serde_json::to_vec(&content::image(b"{}", &[b"nobody pushed this"])).unwrap();
    let refused = alice.put_manifest("team/app", "v2", MANIFEST, missing).await;
    assert_eq!(refused.status(), 404);
    assert_eq!(alice.delete(&format!("/v2/team/app/manifests/{digest}")).await.status(), 412);
    let removed = alice.status("DELETE", "/projects/team/repositories/app", &Value::Null).await;
    assert_eq!(removed, 412);
    let (manifest, second) = alice.push_image("team/app", "v2", b"another layer").await;
    let moved = alice.put_manifest("team/app", "v1", MANIFEST, manifest).await;
    assert_eq!(moved.status(), 412);
    let heard = stage.receiver.wait_for(1).await;
    assert_eq!(told(&heard[0]), about(&stage, "PUSH_ARTIFACT", &second, Some("v2")));
    let database = stage.server.database().await;
    assert_eq!(database.number("SELECT COUNT(*) FROM webhook_delivery").await, 1);
    database.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn quotas_are_told_when_they_are_near_and_when_they_are_passed() {
    let stage = Stage::new().await;
    let (alice, admin) = (&stage.alice, stage.server.admin());
    let path = stage.policy(&["QUOTA_EXCEED", "QUOTA_WARNING"]).await;
    let limit = async |bytes: i64| {
        admin.change("PUT", "/quotas/2", &json!({"hard": {"storage": bytes}})).await;
    };
    limit(1000).await;
    alice.push_blob("team/app", &[1; 900]).await;
    let heard = stage.receiver.wait_for(1).await;
    let details = |heard: &Heard| {
        let body = heard.json();
        let text = body["event_data"]["custom_attributes"]["Details"].as_str().unwrap().to_owned();
        (body, text)
    };
    let (body, text) = details(&heard[0]);
    assert_eq!((&body["type"], &body["operator"]), (&json!("QUOTA_WARNING"), &json!("alice")));
    assert_eq!(body["event_data"]["repository"]["repo_full_name"], "team/app");
    assert!(body["event_data"].get("resources").is_none() && text.contains("900"), "{body}");
    // A blob that is too much.
    let location = alice.start_upload("team/app").await;
    let blob = vec![2; 200];
    let url = with_query(&location, &format!("digest={}", sha256(&blob)));
    assert_eq!(alice.send("PUT", &url).body(blob).send().await.unwrap().status(), 403);
    let heard = stage.receiver.wait_for(2).await;
    let (body, text) = details(&heard[1]);
    assert_eq!(body["type"], "QUOTA_EXCEED");
    assert!(text.contains("will exceed the configured upper limit of"), "{text}");
    assert!(body["event_data"].get("resources").is_none(), "{body}");
    // A manifest that is.
    let config = alice.push_blob("team/app", b"{}").await;
    assert_eq!(config, sha256(b"{}"));
    let mut manifest = content::image(b"{}", &[]);
    manifest["annotations"] = json!({"x": "y".repeat(500)});
    let manifest = serde_json::to_vec(&manifest).unwrap();
    assert_eq!(alice.put_manifest("team/app", "v1", MANIFEST, manifest).await.status(), 403);
    let heard = stage.receiver.wait_for(3).await;
    let (body, _) = details(&heard[2]);
    let url = format!("{}/team/app:v1", stage.server.host());
    let expected = json!([{"tag": "v1", "resource_url": url}]);
    assert_eq!(body["event_data"]["resources"], expected);
    let total = stage.alice.read(&format!("{path}/executions")).await;
    assert_eq!(total.as_array().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_gets_its_format_its_header_and_its_signature() {
    let stage = Stage::new().await;
    let target = |path: &str, more: Value| {
        let mut target = json!({"type": "http", "address": stage.receiver.url(path)});
        target.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        target
    };
    let cloud = json!({"payload_format": "CloudEvents", "auth_header": "Basic eDp5"});
    let targets = [
        target("/cloud", cloud),
        target("/signed", json!({"secret": "It's a Secret to Everybody"})),
        target("/slack", json!({"type": "slack", "secret": "s"})),
    ];
    let path = stage.policy_for(&["PUSH_ARTIFACT"], &targets).await;
    let policy = path.rsplit('/').next().unwrap();
    let (_, digest) = stage.alice.push_image("team/app", "v1", b"a layer").await;
    let mut heard = stage.receiver.wait_for(3).await;
    heard.sort_by(|a, b| a.line.cmp(&b.line));
    let [cloud, signed, slack] = heard.as_slice() else { panic!("{heard:?}") };
    assert_eq!(cloud.header("content-type"), Some("application/cloudevents+json"));
    assert_eq!(cloud.header("authorization"), Some("Basic eDp5"));
    assert_eq!(cloud.header("x-roadstead-signature-256"), None);
    let body = cloud.json();
    assert_eq!(body["specversion"], "1.0");
    assert_eq!(body["type"], "harbor.artifact.pushed");
    assert_eq!(body["source"], format!("/projects/2/webhook/policies/{policy}"));
    assert_eq!(body["datacontenttype"], "application/json");
    assert_eq!(body["operator"], "alice");
    assert_eq!(body["data"]["resources"][0]["digest"], *digest);
    assert_eq!(cloud.header("x-roadstead-delivery"), body["id"].as_str());
    assert!(body["time"].as_str().unwrap().ends_with('Z'));
    assert!(!body["requestid"].as_str().unwrap().is_empty());
    assert_eq!(told(signed), about(&stage, "PUSH_ARTIFACT", &digest, Some("v1")));
    assert_eq!(signed.header("authorization"), None);
    let by_openssl = hmac(&stage, "It's a Secret to Everybody", &signed.body);
    assert_eq!(signed.header("x-roadstead-signature-256"), Some(by_openssl.as_str()));
    let body = slack.json();
    assert!(body["text"].as_str().unwrap().contains("PUSH_ARTIFACT"), "{body}");
    let shown = body["blocks"].to_string();
    assert!(shown.contains(&digest) && shown.contains("team/app:v1"), "{shown}");
    let executions = stage.alice.read(&format!("{path}/executions?q=notify_type%3Dslack")).await;
    assert_eq!(executions[0]["vendor_type"], "SLACK");
}

/// The signature as another program makes it.
fn hmac(stage: &Stage, secret: &str, body: &str) -> String {
    let file = stage.server.scratch().join("body");
    std::fs::write(&file, body).unwrap();
    let output = std::process::Command::new("openssl")
        .args(["dgst", "-sha256", "-hmac", secret, "-r"])
        .arg(&file)
        .output()
        .expect("openssl");
    let text = String::from_utf8(output.stdout).unwrap();
    format!("sha256={}", text.split_whitespace().next().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_was_asked_for_is_told_while_it_is_switched_on() {
    let stage = Stage::new().await;
    let (alice, admin) = (&stage.alice, stage.server.admin());
    let path = stage.policy(&["DELETE_ARTIFACT"]).await;
    let (_, digest) = alice.push_image("team/app", "v1", b"a layer").await;
    alice.get("/v2/team/app/manifests/v1").await;
    let pushes = policy("pushes", &["PUSH_ARTIFACT"], &[stage.target()]);
    let (pushes, _) = alice.make("/projects/team/webhook/policies", &pushes).await;
    let mut off = policy("pushes", &["PUSH_ARTIFACT"], &[stage.target()]);
    off["enabled"] = false.into();
    alice.change("PUT", &pushes, &off).await;
    alice.push_image("team/app", "v2", b"another layer").await;
    admin.configure(json!({"notification_enable": false})).await;
    alice.push_image("team/app", "v3", b"a third layer").await;
    let (_, other) = alice.push_image("team/app", "v4", b"a fourth layer").await;
    assert_eq!(alice.delete(&format!("/v2/team/app/manifests/{other}")).await.status(), 202);
    admin.configure(json!({"notification_enable": true})).await;
    assert_eq!(alice.delete(&format!("/v2/team/app/manifests/{digest}")).await.status(), 202);
    let heard = stage.receiver.wait_for(1).await;
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert_eq!(heard[0].json()["event_data"]["resources"][0]["digest"], *digest);
    for (path, expected) in [(&path, 1), (&pushes, 0)] {
        let found = alice.read(&format!("{path}/executions")).await;
        assert_eq!(found.as_array().unwrap().len(), expected, "{path}");
    }
}
