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

async fn ends(stage: &Stage) {
    stage.admin.push_image("audited/app", "v1", b"a layer").await;
    let body = json!({"description": "What it is"});
    let acted = stage.act(below(stage, "PUT", "/repositories/app", &body), 200).await;
    acted.left("admin", "update", "repository", "audited/app");
    let acted = stage.act(below(stage, "DELETE", "/repositories/app", &Value::Null), 200).await;
    acted.left("admin", "delete", "repository", "audited/app");
    let acted = stage.act(below(stage, "DELETE", "", &Value::Null), 200).await;
    acted.left("admin", "delete", "project", "audited");
}
