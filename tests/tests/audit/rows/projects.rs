//! Projects and what belongs to them.

use reqwest::RequestBuilder;
use roadstead_tests::http::header;
use serde_json::{Value, json};

use super::content;
use crate::stage::Stage;

pub async fn drive(stage: &Stage) {
    stage.admin.create_user("member").await;
    let project = projects(stage).await;
    settings(stage, project).await;
    members(stage).await;
    rules(stage).await;
    labels(stage, project).await;
    webhooks(stage).await;
    retention(stage, project).await;
    content::drive(stage).await;
    ends(stage).await;
}

/// A request below the project `audited`.
fn below(stage: &Stage, method: &str, path: &str, body: &Value) -> RequestBuilder {
    stage.admin.send(method, &format!("/api/v2.0/projects/audited{path}")).json(body)
}

/// Returns the project's id.
async fn projects(stage: &Stage) -> i64 {
    let body = json!({"project_name": "audited", "metadata": {"public": "false"}});
    let request = stage.admin.send("POST", "/api/v2.0/projects").json(&body);
    let acted = stage.act(request, 201).await;
    let event = acted.left("admin", "create", "project", "audited");
    event["project_id"].as_i64().unwrap()
}

async fn settings(stage: &Stage, project: i64) {
    for (method, path, body) in [
        ("PUT", "", json!({"metadata": {"auto_scan": "true"}})),
        ("POST", "/metadatas/", json!({"prevent_vul": "true"})),
        ("PUT", "/metadatas/prevent_vul", json!({"prevent_vul": "false"})),
        ("DELETE", "/metadatas/prevent_vul", Value::Null),
    ] {
        let acted = stage.act(below(stage, method, path, &body), 200).await;
        acted.left("admin", "update", "project", "audited");
    }
    let body = json!({"hard": {"storage": 1_000_000}});
    let request = stage.admin.send("PUT", &format!("/api/v2.0/quotas/{project}")).json(&body);
    stage.act(request, 200).await.left("admin", "update", "quota", "audited");
}

async fn members(stage: &Stage) {
    let body = json!({"role_id": 2, "member_user": {"username": "member"}});
    let acted = stage.act(below(stage, "POST", "/members", &body), 201).await;
    acted.left("admin", "create", "member", "member");
    let one = header(&acted.answer, "location");
    let request = stage.admin.send("PUT", &one).json(&json!({"role_id": 3}));
    stage.act(request, 200).await.left("admin", "update", "member", "member");
    let acted = stage.act(stage.admin.send("DELETE", &one), 200).await;
    acted.left("admin", "delete", "member", "member");
}

async fn rules(stage: &Stage) {
    let mut rule = json!({
        "tag_selectors": [{"kind": "doublestar", "decoration": "matches", "pattern": "v*"}],
        "scope_selectors": {
            "repository": [{"kind": "doublestar", "decoration": "repoMatches", "pattern": "**"}],
        },
    });
    let acted = stage.act(below(stage, "POST", "/immutabletagrules", &rule), 201).await;
    let one = header(&acted.answer, "location");
    let id = one.rsplit('/').next().unwrap();
    let name = format!("audited/{id}");
    acted.left("admin", "create", "immutable_rule", &name);
    rule["id"] = id.parse().unwrap();
    rule["disabled"] = true.into();
    let acted = stage.act(stage.admin.send("PUT", &one).json(&rule), 200).await;
    acted.left("admin", "update", "immutable_rule", &name);
    let acted = stage.act(stage.admin.send("DELETE", &one), 200).await;
    acted.left("admin", "delete", "immutable_rule", &name);
}

async fn labels(stage: &Stage, project: i64) {
    const LABELS: &str = "/api/v2.0/labels";
    let body = json!({"name": "first", "scope": "p", "project_id": project});
    let acted = stage.act(stage.admin.send("POST", LABELS).json(&body), 201).await;
    acted.left("admin", "create", "label", "first");
    let one = header(&acted.answer, "location");
    let request = stage.admin.send("PUT", &one).json(&json!({"name": "second"}));
    stage.act(request, 200).await.left("admin", "update", "label", "second");
    let (_, digest) = stage.admin.push_image("audited/labelled", "v1", b"a layer").await;
    let id: i64 = one.rsplit('/').next().unwrap().parse().unwrap();
    let all = "/repositories/labelled/artifacts/v1/labels";
    let resource = format!("audited/labelled@{digest}");
    let acted = stage.act(below(stage, "POST", all, &json!({"id": id})), 200).await;
    let event = acted.left("admin", "create", "artifact_label", &resource);
    assert_eq!(event["operation_description"], "second");
    let request = below(stage, "DELETE", &format!("{all}/{id}"), &Value::Null);
    stage.act(request, 200).await.left("admin", "delete", "artifact_label", &resource);
    stage
        .act(stage.admin.send("DELETE", &one), 200)
        .await
        .left("admin", "delete", "label", "second");
    assert_eq!(
        stage.admin.delete("/api/v2.0/projects/audited/repositories/labelled").await.status(),
        200
    );
}

async fn webhooks(stage: &Stage) {
    let policy = json!({
        "name": "hook", "event_types": ["PUSH_ARTIFACT"],
        "targets": [{"type": "http", "address": "http://192.0.2.1/"}],
    });
    let name = "audited/hook";
    let acted = stage.act(below(stage, "POST", "/webhook/policies", &policy), 201).await;
    let one = header(&acted.answer, "location");
    acted.left("admin", "create", "webhook_policy", name);
    let acted = stage.act(stage.admin.send("PUT", &one).json(&policy), 200).await;
    acted.left("admin", "update", "webhook_policy", name);
    let test = stage.admin.send("POST", &format!("{one}/test")).json(&json!({}));
    stage.act(test, 202).await.left("admin", "test", "webhook_policy", name);
    let acted = stage.act(stage.admin.send("DELETE", &one), 200).await;
    acted.left("admin", "delete", "webhook_policy", name);
}

async fn retention(stage: &Stage, project: i64) {
    const POLICIES: &str = "/api/v2.0/retentions";
    const QUEUE: &str = "/api/v2.0/jobservice/queues/RETENTION";
    let body = json!({"rules": [], "scope": {"level": "project", "ref": project}});
    let acted = stage.act(stage.admin.send("POST", POLICIES).json(&body), 201).await;
    acted.left("admin", "create", "retention_policy", "audited");
    let one = header(&acted.answer, "location");
    let acted = stage.act(stage.admin.send("PUT", &one).json(&body), 200).await;
    acted.left("admin", "update", "retention_policy", "audited");
    assert_eq!(stage.admin.json("PUT", QUEUE, &json!({"action": "pause"})).await, 200);
    let executions = format!("{one}/executions");
    let request = stage.admin.send("POST", &executions).json(&json!({"dry_run": true}));
    let acted = stage.act(request, 201).await;
    let execution = header(&acted.answer, "location");
    let name = format!("execution {}", execution.rsplit('/').next().unwrap());
    acted.left("admin", "create", "retention", &name);
    let request = stage.admin.send("PATCH", &execution).json(&json!({"action": "stop"}));
    stage.act(request, 200).await.left("admin", "stop", "retention", &name);
    let acted = stage.act(stage.admin.send("DELETE", &one), 200).await;
    acted.left("admin", "delete", "retention_policy", "audited");
    assert_eq!(stage.admin.json("PUT", QUEUE, &json!({"action": "resume"})).await, 200);
}

async fn artifacts(stage: &Stage) {
    let (_, digest) = stage.admin.push_image("audited/from", "v1", b"a layer of it").await;
    let copy = "/repositories/to/artifacts?from=audited/from:v1";
    let acted = stage.act(below(stage, "POST", copy, &Value::Null), 201).await;
    acted.left_at_last("admin", "create", "artifact", &format!("audited/to:v1@{digest}"));
    let tags = "/repositories/to/artifacts/v1/tags";
    let acted = stage.act(below(stage, "POST", tags, &json!({"name": "v2"})), 201).await;
    acted.left("admin", "create", "tag", &format!("audited/to:v2@{digest}"));
    let one = format!("{tags}/v2");
    let acted = stage.act(below(stage, "DELETE", &one, &Value::Null), 200).await;
    acted.left("admin", "delete", "tag", "audited/to:v2");
    let one = "/repositories/to/artifacts/v1";
    let acted = stage.act(below(stage, "DELETE", one, &Value::Null), 200).await;
    acted.left("admin", "delete", "artifact", &format!("audited/to@{digest}"));
    for name in ["from", "to"] {
        let path = format!("/api/v2.0/projects/audited/repositories/{name}");
        stage.admin.delete(&path).await;
    }
}

/// The id of the only thing of a kind that is deleted in the repository.
async fn deleted(stage: &Stage, kind: &str, key: &str) -> String {
    let path = format!("/api/v2.0/projects/audited/deleted/{kind}?q={key}=audited/undelete");
    let found = stage.admin.read_json(&path).await;
    format!("/deleted/{kind}/{}", found[0]["id"])
}

async fn undelete(stage: &Stage) {
    let body = json!({"days": 3, "counted": false});
    let acted = stage.act(below(stage, "PUT", "/undelete", &body), 200).await;
    acted.left("admin", "update", "undelete", "audited");
    let (_, digest) = stage.admin.push_image("audited/undelete", "v1", b"a layer to keep").await;
    let manifests = "/v2/audited/undelete/manifests";
    assert_eq!(stage.admin.delete(&format!("{manifests}/v1")).await.status(), 202);
    let one = deleted(stage, "tags", "repository_name").await;
    let acted = stage.act(below(stage, "POST", &format!("{one}/restore"), &Value::Null), 200).await;
    acted.left("admin", "restore", "tag", &format!("audited/undelete:v1@{digest}"));
    assert_eq!(stage.admin.delete(&format!("{manifests}/{digest}")).await.status(), 202);
    let one = deleted(stage, "artifacts", "repository_name").await;
    let acted = stage.act(below(stage, "POST", &format!("{one}/restore"), &Value::Null), 200).await;
    acted.left("admin", "restore", "artifact", &format!("audited/undelete:v1@{digest}"));
    let path = "/api/v2.0/projects/audited/repositories/undelete";
    assert_eq!(stage.admin.delete(path).await.status(), 200);
    let one = deleted(stage, "repositories", "name").await;
    let acted = stage.act(below(stage, "POST", &format!("{one}/restore"), &Value::Null), 200).await;
    acted.left_at_last("admin", "restore", "repository", "audited/undelete");
    assert_eq!(stage.admin.delete(path).await.status(), 200);
    let one = deleted(stage, "artifacts", "repository_name").await;
    let acted = stage.act(below(stage, "DELETE", &one, &Value::Null), 200).await;
    acted.left("admin", "delete", "deleted_artifact", &format!("audited/undelete@{digest}"));
}

async fn ends(stage: &Stage) {
    artifacts(stage).await;
    undelete(stage).await;
    stage.admin.push_image("audited/app", "v1", b"a layer").await;
    let body = json!({"description": "What it is"});
    let acted = stage.act(below(stage, "PUT", "/repositories/app", &body), 200).await;
    acted.left("admin", "update", "repository", "audited/app");
    let acted = stage.act(below(stage, "DELETE", "/repositories/app", &Value::Null), 200).await;
    acted.left("admin", "delete", "repository", "audited/app");
    let acted = stage.act(below(stage, "DELETE", "", &Value::Null), 200).await;
    acted.left("admin", "delete", "project", "audited");
}
