//! What was attempted and refused.

use roadstead_tests::content::{MANIFEST, sha256};
use roadstead_tests::http::error_code;
use serde_json::{Value, json};

use crate::stage::{Stage, changing_routes, configure, until};

#[tokio::test(flavor = "multi_thread")]
async fn every_refused_change_of_the_api_leaves_an_event() {
    let stage = Stage::new();
    stage.admin.create_user("mallory").await;
    stage.admin.create_project("secret", false).await;
    let mallory = stage.server.person("mallory", "Password-1");
    let routes = changing_routes();
    let guarded = routes.iter().filter(|(_, access)| {
        ["system", "project", "repository", "self"].iter().any(|kind| access.starts_with(kind))
    });
    let mut refused = 0;
    for (route, _) in guarded {
        let (method, template) = route.split_once(' ').unwrap();
        let path = template
            .replace("{project_name_or_id}", "secret")
            .replace("{project_name}", "secret")
            .replace("{repository_name}", "app");
        let parts = path.split('/').map(|part| if part.starts_with('{') { "1" } else { part });
        let path = parts.collect::<Vec<_>>().join("/");
        let request = mallory.send(method, &path).json(&json!({}));
        let acted = stage.act(request, 403).await;
        acted.left_refusal("mallory", "refuse", "api", &format!("{method} {path}"));
        let acted =
            stage.act(stage.server.nobody().send(method, &path).json(&json!({})), 401).await;
        acted.left_nothing();
        refused += 1;
    }
    assert!(refused >= 4, "too few routes prove nothing: {refused}");
    // Reading what only administrators may read is privileged, too.
    let acted = stage.act(mallory.send("GET", "/api/v2.0/system/purgeaudit"), 403).await;
    acted.left_refusal("mallory", "refuse", "api", "GET /api/v2.0/system/purgeaudit");
}

async fn token(stage: &Stage, name: &str, actions: &str) -> String {
    let person = stage.server.person(name, "Password-1");
    let scope = format!("repository:guarded/app:{actions}");
    let path = format!("/service/token?service=harbor-registry&scope={scope}");
    let body: Value = person.get(&path).await.json().await.unwrap();
    body["token"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_pushes_leave_an_event_and_the_way_to_a_token_does_not() {
    let stage = Stage::new();
    for name in ["alice", "mallory"] {
        stage.admin.create_user(name).await;
    }
    let alice = stage.server.person("alice", "Password-1");
    alice.create_project("guarded", true).await;
    alice.push_image("guarded/app", "v1", b"a layer").await;
    let mallory = stage.server.person("mallory", "Password-1");
    let (tag, digest) = ("/v2/guarded/app/manifests/v1", sha256(b"a layer"));
    let put = |person: &roadstead_tests::http::Person| {
        person.send("PUT", tag).header("content-type", MANIFEST).body("{}")
    };
    let acted = stage.act(put(&mallory), 401).await;
    acted.left_refusal("mallory", "create", "artifact", "guarded/app:v1");
    assert!(acted.events[0]["project_id"].is_i64(), "the project's own people see it");
    let acted = stage.act(mallory.send("DELETE", tag), 401).await;
    acted.left_refusal("mallory", "delete", "tag", "guarded/app:v1");
    let path = format!("/v2/guarded/app/manifests/{digest}");
    let acted = stage.act(mallory.send("DELETE", &path), 401).await;
    acted.left_refusal("mallory", "delete", "artifact", &format!("guarded/app@{digest}"));
    let path = format!("/v2/guarded/app/blobs/{digest}");
    let acted = stage.act(mallory.send("DELETE", &path), 401).await;
    acted.left_refusal("mallory", "delete", "blob", &format!("guarded/app@{digest}"));
    let uploads = "/v2/guarded/app/blobs/uploads/";
    let acted = stage.act(mallory.send("POST", uploads), 401).await;
    acted.left_refusal("mallory", "create", "blob", "guarded/app");
    // With a token that says nothing, because there was nothing to say.
    let nobody = stage.server.nobody();
    let empty = token(&stage, "mallory", "pull,push").await;
    let acted = stage.act(put(&nobody).bearer_auth(&empty), 401).await;
    acted.left_refusal("mallory", "create", "artifact", "guarded/app:v1");
    // A project that does not exist.
    let acted = stage.act(mallory.send("POST", "/v2/nothing/app/blobs/uploads/"), 401).await;
    acted.left_refusal("mallory", "create", "blob", "nothing/app");
    // How every push begins, and reading.
    stage.act(put(&nobody), 401).await.left_nothing();
    let narrow = token(&stage, "alice", "pull").await;
    stage.act(put(&nobody).bearer_auth(&narrow), 401).await.left_nothing();
    stage.act(mallory.send("GET", "/v2/nothing/app/manifests/v1"), 401).await.left_nothing();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_rule_or_a_quota_forbids_leaves_an_event() {
    let stage = Stage::new();
    let admin = &stage.admin;
    admin.create_project("ruled", false).await;
    stage
        .sql(
            "INSERT INTO immutable_rule (project_id, repository_decoration, repository_pattern,
                 tag_decoration, tag_pattern, created_at, updated_at)
             SELECT id, 'matches', '**', 'matches', 'v*', 1, 1 FROM project WHERE name = 'ruled'",
        )
        .await;
    let (first, digest) = admin.push_image("ruled/app", "v1", b"one").await;
    let (second, _) = admin.push_image("ruled/app", "latest", b"two").await;
    assert_ne!(first, second);
    let tag = "/v2/ruled/app/manifests/v1";
    let request = admin.send("PUT", tag).header("content-type", MANIFEST).body(second);
    let acted = stage.act(request, 412).await;
    acted.left_refusal("admin", "create", "artifact", "ruled/app:v1");
    let why = acted.events[0]["operation_description"].as_str().unwrap();
    assert!(why.contains("immutable"), "{why}");
    let acted = stage.act(admin.send("DELETE", tag), 412).await;
    acted.left_refusal("admin", "delete", "tag", "ruled/app:v1");
    let acted = stage.act(admin.send("DELETE", &format!("/v2/ruled/app/manifests/{digest}")), 412);
    let resource = format!("ruled/app@{digest}");
    acted.await.left_refusal("admin", "delete", "artifact", &resource);
    let repository = "/api/v2.0/projects/ruled/repositories/app";
    let acted = stage.act(admin.send("DELETE", repository), 412).await;
    acted.left_refusal("admin", "refuse", "api", &format!("DELETE {repository}"));

    let body = json!({"project_name": "small", "storage_limit": 100});
    let made = admin.send("POST", "/api/v2.0/projects").json(&body).send().await.unwrap();
    assert_eq!(made.status(), 201);
    let blob = vec![b'x'; 101];
    let path = format!("/v2/small/app/blobs/uploads/?digest={}", sha256(&blob));
    let acted = stage.act(admin.send("POST", &path).body(blob), 403).await;
    acted.left_refusal("admin", "create", "blob", "small/app");
    // What was wrong with a request is no refusal.
    let request = admin.send("PUT", tag).header("content-type", MANIFEST).body("{}");
    stage.act(request, 400).await.left_nothing();
}

#[tokio::test(flavor = "multi_thread")]
async fn in_read_only_mode_the_protocol_changes_nothing() {
    let stage = Stage::new();
    let admin = &stage.admin;
    let (manifest, digest) = admin.push_image("library/app", "v1", b"a layer").await;
    let session = admin.start_upload("library/app").await;
    configure(&stage.server, "read_only", "true").await;
    until("read-only mode", async || {
        admin.send("POST", "/v2/library/app/blobs/uploads/").send().await.unwrap().status() == 403
    })
    .await;
    let tag = "/v2/library/app/manifests/v1";
    for (method, path) in [
        ("POST", "/v2/library/app/blobs/uploads/".to_owned()),
        ("PATCH", session.clone()),
        ("PUT", format!("{session}?digest={digest}")),
        ("DELETE", session),
        ("PUT", tag.to_owned()),
        ("DELETE", tag.to_owned()),
        ("DELETE", format!("/v2/library/app/manifests/{digest}")),
        ("DELETE", format!("/v2/library/app/blobs/{}", sha256(b"a layer"))),
    ] {
        let request = admin.send(method, &path).header("content-type", MANIFEST);
        let acted = stage.act(request.body(manifest.clone()), 403).await;
        acted.left_nothing();
        assert_eq!(error_code(acted.answer).await, "DENIED", "{method} {path}");
    }
    // Who may not learns no more than before, and reading goes on.
    assert_eq!(stage.server.nobody().send("PUT", tag).send().await.unwrap().status(), 401);
    assert_eq!(admin.get(tag).await.bytes().await.unwrap(), manifest);
    configure(&stage.server, "read_only", "false").await;
    until("the end of read-only mode", async || {
        admin.send("POST", "/v2/library/app/blobs/uploads/").send().await.unwrap().status() == 202
    })
    .await;
}
