//! What is told of retention.

use std::time::Duration;

use roadstead_tests::receiver::Heard;
use serde_json::{Value, json};

use crate::stage::Stage;

/// Keeps of each repository what was pushed last.
fn rule() -> Value {
    let selector = |decoration: &str| json!({"kind": "doublestar", "decoration": decoration, "pattern": "**", "extras": ""});
    json!({
        "disabled": false, "action": "retain", "template": "latestPushedK",
        "params": {"latestPushedK": 1}, "tag_selectors": [selector("matches")],
        "scope_selectors": {"repository": [selector("repoMatches")]},
    })
}

/// Makes the policy of the project `team`; returns its path.
async fn policy(stage: &Stage) -> String {
    let body = json!({
        "algorithm": "or", "rules": [rule()],
        "trigger": {"kind": "Schedule", "settings": {"cron": ""}, "references": {}},
        "scope": {"level": "project", "ref": 2},
    });
    stage.alice.make("/retentions", &body).await.0
}

/// Executes it, to the end.
async fn execute(stage: &Stage, policy: &str, dry_run: bool) {
    let (path, _) =
        stage.alice.make(&format!("{policy}/executions"), &json!({"dry_run": dry_run})).await;
    let id: i64 = path.rsplit('/').next().unwrap().parse().unwrap();
    for _ in 0..1200 {
        let all = stage.alice.read(&format!("{policy}/executions")).await;
        let found = all.as_array().unwrap().iter().find(|one| one["id"] == id);
        if found.unwrap()["status"] == "Success" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the execution {id} never ended");
}

/// What was told at a path of the receiver.
fn at<'h>(heard: &'h [Heard], path: &str) -> &'h Heard {
    heard.iter().find(|heard| heard.line.contains(path)).expect(path)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_retention_deletes_is_told_in_every_format_and_a_dry_run_is_not() {
    let stage = Stage::new().await;
    let alice = &stage.alice;
    alice.push_image("team/sea/app", "v1", b"one").await;
    let (_, untagged) = alice.push_image("team/sea/app", "v2", b"two").await;
    assert_eq!(alice.delete("/v2/team/sea/app/manifests/v2").await.status(), 202);
    alice.push_image("team/sea/app", "v3", b"three").await;
    alice.push_image("team/other", "v1", b"four").await;
    let target = |path: &str, kind: &str, format: &str| json!({"type": kind, "address": stage.receiver.url(path), "payload_format": format});
    let targets = [
        target("/plain", "http", "Default"),
        target("/cloud", "http", "CloudEvents"),
        target("/slack", "slack", ""),
    ];
    let events = ["TAG_RETENTION", "DELETE_ARTIFACT"];
    let webhook = stage.policy_for(&events, &targets).await;
    let retention = policy(&stage).await;
    let id: i64 = retention.rsplit('/').next().unwrap().parse().unwrap();
    execute(&stage, &retention, true).await;
    execute(&stage, &retention, false).await;
    // Where nothing went, nothing is told; and an execution that deletes nothing tells nothing.
    execute(&stage, &retention, false).await;
    let heard = stage.receiver.wait_for(3).await;
    let told = alice.read(&format!("{webhook}/executions")).await;
    assert_eq!(told.as_array().unwrap().len(), 3, "{told}");

    let mut shown = rule();
    for key in ["disabled", "action"] {
        shown.as_object_mut().unwrap().remove(key);
    }
    let deleted = |name: String| json!({"type": "image", "status": "SUCCESS", "name_tag": name});
    let expected = json!({"retention": {
        "total": 3, "retained": 1, "harbor_hostname": stage.server.host(), "project_name": "team",
        "retention_policy_id": id, "retention_rule": [shown], "result": "SUCCESS",
        "deleted_artifact": [
            deleted("sea/app:v1".to_owned()), deleted(format!("sea/app@{untagged}")),
        ],
    }});
    let plain = at(&heard, "/plain").json();
    assert!(plain["occur_at"].as_i64().unwrap() > 1_700_000_000);
    assert_eq!((&plain["type"], &plain["operator"]), (&json!("TAG_RETENTION"), &json!("MANUAL")));
    assert_eq!(plain["event_data"], expected);
    let cloud = at(&heard, "/cloud");
    assert_eq!(cloud.header("content-type"), Some("application/cloudevents+json"));
    let cloud = cloud.json();
    assert_eq!(cloud["type"], "harbor.tag_retention.finished");
    assert_eq!((&cloud["operator"], &cloud["data"]), (&json!("MANUAL"), &expected));
    let slack = at(&heard, "/slack").json();
    assert_eq!(slack["text"], "TAG_RETENTION team by MANUAL");
    assert!(slack["blocks"].to_string().contains("sea/app:v1"), "{slack}");
}
