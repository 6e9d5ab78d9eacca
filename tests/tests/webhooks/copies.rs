//! What is told of copies and of tags, which the API makes.

use serde_json::{Value, json};

use crate::stage::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_the_quota_refuses_is_told_and_one_that_is_made_is_a_push() {
    let stage = Stage::new().await;
    let (alice, admin) = (&stage.alice, stage.server.admin());
    alice.create_project("source", false).await;
    let (_, digest) = alice.push_image("source/app", "v1", &[7; 10_000]).await;
    let path = stage.policy(&["PUSH_ARTIFACT", "QUOTA_EXCEED"]).await;
    admin.change("PUT", "/quotas/2", &json!({"hard": {"storage": 1024}})).await;
    let copy = "/projects/team/repositories/app/artifacts?from=source/app:v1";
    assert_eq!(alice.status("POST", copy, &Value::Null).await, 403);
    let heard = stage.receiver.wait_for(1).await;
    let body = heard[0].json();
    assert_eq!((&body["type"], &body["operator"]), (&json!("QUOTA_EXCEED"), &json!("alice")));
    let data = &body["event_data"];
    assert_eq!(data["repository"]["repo_full_name"], "team/app");
    let url = format!("{}/team/app@{digest}", stage.server.host());
    assert_eq!(data["resources"], json!([{"digest": digest, "tag": digest, "resource_url": url}]));
    let details = data["custom_attributes"]["Details"].as_str().unwrap();
    assert!(details.contains("will exceed the configured upper limit of 1.0 KiB"), "{details}");
    admin.change("PUT", "/quotas/2", &json!({"hard": {"storage": -1}})).await;
    assert_eq!(alice.status("POST", copy, &Value::Null).await, 201);
    let body = stage.receiver.wait_for(2).await[1].json();
    assert_eq!(body["type"], "PUSH_ARTIFACT");
    assert_eq!(body["event_data"]["resources"][0]["tag"], "v1");
    let told = alice.read(&format!("{path}/executions")).await;
    assert_eq!(told.as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_that_are_made_and_deleted_are_told_to_nobody() {
    let stage = Stage::new().await;
    let alice = &stage.alice;
    let (_, digest) = alice.push_image("team/app", "v1", b"a layer").await;
    let path = stage.policy(&["PUSH_ARTIFACT", "DELETE_ARTIFACT"]).await;
    let artifact = format!("/projects/team/repositories/app/artifacts/{digest}");
    let tags = format!("{artifact}/tags");
    assert_eq!(alice.status("POST", &tags, &json!({"name": "v2"})).await, 201);
    alice.change("DELETE", &format!("{tags}/v1"), &Value::Null).await;
    alice.change("DELETE", &artifact, &Value::Null).await;
    let body = stage.receiver.wait_for(1).await[0].json();
    assert_eq!(body["type"], "DELETE_ARTIFACT");
    assert_eq!(body["event_data"]["resources"][0]["tag"], "v2");
    let told = alice.read(&format!("{path}/executions")).await;
    assert_eq!(told.as_array().unwrap().len(), 1);
}
