//! Each route that changes something is driven once.

use std::collections::BTreeSet;

use reqwest::RequestBuilder;
use reqwest::redirect::Policy;
use roadstead_tests::ADMIN_PASSWORD;
use roadstead_tests::content::{self, MANIFEST, sha256};
use roadstead_tests::http::{header, with_query};
use serde_json::{Value, json};

use crate::stage::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn every_change_leaves_one_event() {
    let stage = Stage::new();
    people(&stage).await;
    let project = projects(&stage).await;
    settings(&stage, project).await;
    members(&stage).await;
    rules(&stage).await;
    purges(&stage).await;
    logins(&stage).await;
    blobs(&stage).await;
    manifests(&stage).await;
    ends(&stage).await;
    assert_eq!(stage.left_out(), Vec::<String>::new(), "these routes need a line in this test");
    // An event whose type is not in the list could be neither switched off nor purged.
    let types: Vec<Value> =
        stage.admin.get("/api/v2.0/auditlog-exts/events").await.json().await.unwrap();
    let types: BTreeSet<String> =
        types.iter().map(|kind| kind["event_type"].as_str().unwrap().to_owned()).collect();
    for event in stage.events("page_size=0").await {
        let text = |key: &str| event[key].as_str().unwrap().to_owned();
        let kind = format!("{}_{}", text("operation"), text("resource_type"));
        assert!(types.contains(&kind), "{kind} is not in the list of types");
    }
}

async fn people(stage: &Stage) {
    let body = json!({
        "username": "alice", "password": "Password-1", "realname": "Alice", "email": "a@example.com",
    });
    let request = stage.admin.send("POST", "/api/v2.0/users").json(&body);
    let acted = stage.act(request, 201).await;
    acted.left("admin", "create", "user", "alice");
    let user = header(&acted.answer, "location");
    let alice = stage.server.person("alice", "Password-1");
    let body = json!({"old_password": "Password-1", "new_password": "Password-2"});
    let request = alice.send("PUT", &format!("{user}/password")).json(&body);
    stage.act(request, 200).await.left("alice", "update", "user", "alice");
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
    let body = json!({"role_id": 2, "member_user": {"username": "alice"}});
    let acted = stage.act(below(stage, "POST", "/members", &body), 201).await;
    acted.left("admin", "create", "member", "alice");
    let one = header(&acted.answer, "location");
    let request = stage.admin.send("PUT", &one).json(&json!({"role_id": 3}));
    stage.act(request, 200).await.left("admin", "update", "member", "alice");
    let acted = stage.act(stage.admin.send("DELETE", &one), 200).await;
    acted.left("admin", "delete", "member", "alice");
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

async fn purges(stage: &Stage) {
    const SCHEDULE: &str = "/api/v2.0/system/purgeaudit/schedule";
    let ask = |method: &str, kind: &str, cron: &str| {
        let body = json!({
            "schedule": {"type": kind, "cron": cron},
            "parameters": {"audit_retention_hour": 24, "include_event_types": "", "dry_run": true},
        });
        stage.admin.send(method, SCHEDULE).json(&body)
    };
    let acted = stage.act(ask("POST", "Weekly", "0 0 0 * * 0"), 201).await;
    acted.left("admin", "create", "purge_schedule", "0 0 0 * * 0");
    let acted = stage.act(ask("PUT", "Daily", "0 0 0 * * *"), 200).await;
    acted.left("admin", "update", "purge_schedule", "0 0 0 * * *");
    let acted = stage.act(ask("PUT", "None", ""), 200).await;
    acted.left("admin", "delete", "purge_schedule", "");
    stage.act(ask("PUT", "None", ""), 200).await.left_nothing();
    let acted = stage.act(ask("POST", "Manual", ""), 201).await;
    let one = header(&acted.answer, "location");
    let id = one.rsplit('/').next().unwrap();
    acted.left("admin", "create", "purge", &format!("execution {id}"));
    // It may have ended by now, and then there is nothing to stop.
    let stopped = stage.act(stage.admin.send("PUT", &one), 200).await;
    assert!(stopped.events.len() <= 1, "{:?}", stopped.events);
}

async fn logins(stage: &Stage) {
    let client = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
    let log_in = |name: &str, password: &str| {
        client
            .post(stage.server.url("/c/login"))
            .form(&[("principal", name), ("password", password)])
    };
    stage
        .act(log_in("admin", "Wrong-1234"), 401)
        .await
        .left_refusal("admin", "login", "user", "admin");
    // Names that are nobody's leave nothing: they may be mistyped passwords.
    stage.act(log_in("nobody", "Wrong-1234"), 401).await.left_nothing();
    let acted = stage.act(log_in("admin", ADMIN_PASSWORD), 200).await;
    acted.left("admin", "login", "user", "admin");
    let cookie = header(&acted.answer, "set-cookie");
    let cookie = cookie.split(';').next().unwrap();
    let request = client.get(stage.server.url("/c/log_out")).header("cookie", cookie);
    stage.act(request, 200).await.left("admin", "logout", "user", "admin");
    let path = "/service/token?service=harbor-registry&scope=repository:audited/app:pull,push";
    stage.act(stage.admin.send("GET", path), 200).await.left_nothing();
    let form = [
        ("grant_type", "password"),
        ("service", "harbor-registry"),
        ("client_id", "test"),
        ("access_type", "offline"),
        ("username", "admin"),
        ("password", ADMIN_PASSWORD),
    ];
    let request = stage.server.nobody().send("POST", "/service/token").form(&form);
    stage.act(request, 200).await.left_nothing();
}

/// Sessions leave nothing; the blob that comes of one does.
async fn blobs(stage: &Stage) {
    const UPLOADS: &str = "/v2/audited/app/blobs/uploads/";
    let admin = &stage.admin;
    let digest = sha256(b"first");
    let acted = stage.act(admin.send("POST", UPLOADS), 202).await;
    acted.left_nothing();
    let session = header(&acted.answer, "location");
    stage.act(admin.send("PATCH", &session).body("fir"), 202).await.left_nothing();
    let url = with_query(&session, &format!("digest={digest}"));
    let acted = stage.act(admin.send("PUT", &url).body("st"), 201).await;
    acted.left("admin", "create", "blob", &format!("audited/app@{digest}"));
    let url = format!("{UPLOADS}?digest={}", sha256(b"second"));
    let acted = stage.act(admin.send("POST", &url).body("second"), 201).await;
    acted.left("admin", "create", "blob", &format!("audited/app@{}", sha256(b"second")));
    let url = format!("/v2/audited/other/blobs/uploads/?mount={digest}&from=audited/app");
    let acted = stage.act(admin.send("POST", &url), 201).await;
    acted.left("admin", "create", "blob", &format!("audited/other@{digest}"));
    let path = format!("/v2/audited/other/blobs/{digest}");
    let acted = stage.act(admin.send("DELETE", &path), 202).await;
    acted.left("admin", "delete", "blob", &format!("audited/other@{digest}"));
    let acted = stage.act(admin.send("POST", UPLOADS), 202).await;
    let session = header(&acted.answer, "location");
    stage.act(admin.send("DELETE", &session), 204).await.left_nothing();
}

async fn manifests(stage: &Stage) {
    let admin = &stage.admin;
    admin.push_blob("audited/app", b"{}").await;
    let manifest = serde_json::to_vec(&content::image(b"{}", &[b"first"])).unwrap();
    let digest = sha256(&manifest);
    let put = |query: &str| {
        let path = format!("/v2/audited/app/manifests/v1{query}");
        admin.send("PUT", &path).header("content-type", MANIFEST).body(manifest.clone())
    };
    let acted = stage.act(put("?tag=v2&tag=v3"), 201).await;
    acted.left("admin", "create", "artifact", &format!("audited/app:v1:v2:v3@{digest}"));
    // The same again changes nothing.
    stage.act(put(""), 201).await.left_nothing();
    let path = "/v2/audited/app/manifests/v3";
    let acted = stage.act(admin.send("DELETE", path), 202).await;
    acted.left("admin", "delete", "tag", "audited/app:v3");
    let path = format!("/v2/audited/app/manifests/{digest}");
    let acted = stage.act(admin.send("DELETE", &path), 202).await;
    acted.left("admin", "delete", "artifact", &format!("audited/app@{digest}"));
}
