//! Policies and what they told, in Harbor's shapes.

use roadstead_tests::api::{API, timeless};
use roadstead_tests::cast::PASSWORD;
use roadstead_tests::http::header;
use serde_json::{Value, json};

use crate::stage::{POLICIES, Stage, policy};

#[tokio::test(flavor = "multi_thread")]
async fn policies_are_made_and_listed_as_in_harbor() {
    let stage = Stage::new().await;
    let alice = &stage.alice;
    let body = json!({
        "name": "hook", "description": "tells", "enabled": true,
        "event_types": ["PUSH_ARTIFACT", "DELETE_ARTIFACT"],
        "targets": [
            {"type": "http", "address": "https://example.com/a?b=c", "auth_header": "Bearer x"},
            {"type": "slack", "address": "https://hooks.slack.com/services/T"},
        ],
    });
    let (path, made) = alice.make(POLICIES, &body).await;
    assert_eq!(made, Value::Null);
    let id: i64 = path.rsplit('/').next().unwrap().parse().unwrap();
    let expected = json!({
        "id": id, "name": "hook", "description": "tells", "project_id": 2, "creator": "alice",
        "enabled": true, "event_types": ["PUSH_ARTIFACT", "DELETE_ARTIFACT"],
        "creation_time": "T", "update_time": "T",
        "targets": [
            {"type": "http", "address": "https://example.com/a?b=c", "auth_header": "Bearer x",
             "payload_format": "Default"},
            {"type": "slack", "address": "https://hooks.slack.com/services/T"},
        ],
    });
    assert_eq!(timeless(alice.read(&path).await), expected);
    alice.make(POLICIES, &policy("other", &["PULL_ARTIFACT"], &[stage.target()])).await;
    let list = alice.get(&format!("{API}{POLICIES}?page_size=1")).await;
    assert_eq!(header(&list, "x-total-count"), "2");
    assert!(header(&list, "link").contains("rel=\"next\""));
    let names = async |query: &str| {
        let found = alice.read(&format!("{POLICIES}{query}")).await;
        let names = found.as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap());
        names.collect::<Vec<_>>().join(" ")
    };
    for (query, expected) in [
        ("", "other hook"),
        ("?sort=name", "hook other"),
        ("?q=name%3D~oo", "hook"),
        ("?q=enabled%3Dfalse", ""),
        ("?page=2&page_size=1", "hook"),
    ] {
        assert_eq!(names(query).await, expected, "{query}");
    }
    // By the project's id, and by its name.
    let by_id = alice.read("/projects/2/webhook/policies?q=name%3Dhook").await;
    assert_eq!(timeless(by_id), json!([expected]));
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_are_changed_and_deleted_as_in_harbor() {
    let stage = Stage::new().await;
    let alice = &stage.alice;
    let slack = json!({"type": "slack", "address": "https://hooks.slack.com/services/T"});
    let mut body = policy("hook", &["PUSH_ARTIFACT"], &[slack, stage.target()]);
    body["description"] = "tells".into();
    let (path, _) = alice.make(POLICIES, &body).await;
    let id: i64 = path.rsplit('/').next().unwrap().parse().unwrap();
    let other = alice.make(POLICIES, &policy("other", &["PULL_ARTIFACT"], &[stage.target()])).await;
    let mut change = policy("hook", &["QUOTA_EXCEED"], &[stage.target()]);
    change["enabled"] = false.into();
    alice.change("PUT", &path, &change).await;
    let found = timeless(alice.read(&path).await);
    let targets = json!([{
        "type": "http", "address": stage.receiver.url("/hook"), "payload_format": "Default",
    }]);
    let expected = json!({
        "id": id, "name": "hook", "project_id": 2, "creator": "alice", "enabled": false,
        "event_types": ["QUOTA_EXCEED"], "creation_time": "T", "update_time": "T",
        "targets": targets,
    });
    assert_eq!(found, expected);
    for (method, path) in [("POST", POLICIES), ("PUT", &path)] {
        let taken = policy("other", &["PUSH_ARTIFACT"], &[stage.target()]);
        assert_eq!(alice.status(method, path, &taken).await, 409, "{method}");
    }
    assert_eq!(alice.status("DELETE", &path, &Value::Null).await, 200);
    assert_eq!(alice.get(&format!("{API}{path}")).await.status(), 404);
    assert_eq!(alice.status("DELETE", &path, &Value::Null).await, 404);
    // What is left goes with the project.
    stage.test(&other.0).await;
    assert_eq!(alice.status("DELETE", "/projects/team", &Value::Null).await, 200);
    let database = stage.server.database().await;
    for table in ["webhook_policy", "webhook_target", "webhook_delivery"] {
        assert_eq!(database.number(&format!("SELECT COUNT(*) FROM {table}")).await, 0, "{table}");
    }
    database.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused() {
    let stage = Stage::new().await;
    let good = policy("p", &["PUSH_ARTIFACT"], &[stage.target()]);
    let with = |key: &str, value: Value| {
        let mut body = good.clone();
        body[key] = value;
        body
    };
    let target = |key: &str, value: &str| {
        let mut target = stage.target();
        target[key] = value.into();
        with("targets", json!([target]))
    };
    let slack = json!({"type": "slack", "address": "http://a/", "payload_format": "Default"});
    for (body, expected) in [
        (with("name", json!("")), 400),
        (with("name", json!("n".repeat(257))), 400),
        (with("description", json!("d".repeat(5000))), 400),
        (with("event_types", json!([])), 400),
        (with("event_types", Value::Null), 400),
        (with("event_types", json!(["PUSH_ARTIFACT", "NONSENSE"])), 400),
        (with("event_types", json!("PUSH_ARTIFACT")), 422),
        (with("targets", json!([])), 400),
        (with("targets", json!([{}])), 400),
        (with("targets", json!(vec![stage.target(); 17])), 400),
        (with("enabled", json!("yes")), 422),
        (target("type", "smtp"), 400),
        (target("payload_format", "XML"), 400),
        (target("address", ""), 400),
        (target("address", "ftp://example.com/"), 400),
        (target("address", "file:///etc/passwd"), 400),
        (target("address", "http://"), 400),
        (target("address", "http://user:password@example.com/"), 400),
        (target("address", "http://example.com/ space"), 400),
        (target("auth_header", "a\r\nX-Injected: b"), 400),
        (target("auth_header", &"x".repeat(5000)), 400),
        (target("secret", "\u{0}"), 400),
        (with("targets", json!([slack])), 400),
    ] {
        assert_eq!(stage.alice.status("POST", POLICIES, &body).await, expected, "{body}");
    }
    assert_eq!(stage.alice.read(POLICIES).await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_harbor_tells_and_nobody_here_does_can_be_asked_for() {
    let stage = Stage::new().await;
    let types =
        ["PUSH_ARTIFACT", "REPLICATION", "SCANNING_COMPLETED", "SCANNING_FAILED", "TAG_RETENTION"];
    let path = stage.policy(&types).await;
    let found = stage.alice.read(&path).await;
    let mut told: Vec<&str> =
        found["event_types"].as_array().unwrap().iter().map(|t| t.as_str().unwrap()).collect();
    told.sort_unstable();
    assert_eq!(told, types);
    // Whether there is such a policy is told whatever the body says.
    assert_eq!(stage.alice.status("PUT", &format!("{POLICIES}/4711"), &json!({})).await, 404);
    assert_eq!(stage.alice.status("PUT", &path, &json!({})).await, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_not_found() {
    let stage = Stage::new().await;
    let path = stage.policy(&["PUSH_ARTIFACT"]).await;
    for (what, expected) in [
        (format!("{path}/executions"), 200),
        (format!("{path}/executions?q=nonsense%3D1"), 400),
        (format!("{path}/executions/7/tasks"), 404),
        (format!("{path}/executions/x/tasks"), 422),
        (format!("{path}/executions/7/tasks/7/log"), 404),
        ("/projects/team/webhook/policies/x".to_owned(), 422),
        ("/projects/team/webhook/jobs".to_owned(), 422),
        ("/projects/team/webhook/jobs?policy_id=77".to_owned(), 404),
    ] {
        let found = stage.alice.get(&format!("{API}{what}")).await.status();
        assert_eq!(found, expected, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_is_listed_in_the_new_shape_and_in_the_old() {
    let stage = Stage::new().await;
    let alice = &stage.alice;
    let events = alice.read("/projects/team/webhook/events").await;
    let expected = json!({
        "event_type": [
            "PUSH_ARTIFACT", "PULL_ARTIFACT", "DELETE_ARTIFACT", "QUOTA_EXCEED", "QUOTA_WARNING",
            "TAG_RETENTION",
        ],
        "notify_type": ["http", "slack"],
        "payload_formats": [{"notify_type": "http", "formats": ["Default", "CloudEvents"]}],
    });
    assert_eq!(events, expected);
    let path = stage.policy(&["PUSH_ARTIFACT", "PULL_ARTIFACT"]).await;
    let policy: i64 = path.rsplit('/').next().unwrap().parse().unwrap();
    let id = stage.test(&path).await[0];
    let mut found = timeless(stage.ended(&path, id).await);
    let payload = found["extra_attrs"]["payload"].take();
    let payload: Value = serde_json::from_str(payload.as_str().unwrap()).unwrap();
    assert_eq!(payload["type"], "PUSH_ARTIFACT");
    assert_eq!(payload, stage.receiver.heard()[0].json());
    let expected = json!({
        "id": id, "vendor_type": "WEBHOOK", "vendor_id": policy, "status": "Success",
        "metrics": {"task_count": 1, "success_task_count": 1}, "trigger": "EVENT",
        "extra_attrs": {"event_type": "PUSH_ARTIFACT", "payload": null},
        "start_time": "T", "end_time": "T",
    });
    assert_eq!(found, expected);
    let tasks = alice.get(&format!("{API}{path}/executions/{id}/tasks")).await;
    assert_eq!(header(&tasks, "x-total-count"), "1");
    let expected = json!([{
        "id": id, "execution_id": id, "status": "Success", "run_count": 1, "creation_time": "T",
        "update_time": "T", "start_time": "T", "end_time": "T",
    }]);
    assert_eq!(timeless(tasks.json().await.unwrap()), expected);
    let log = stage.log_of(&path, id).await;
    assert!(log.contains("attempt 1 at http://127.0.0.1:") && log.contains("200"), "{log}");
    let jobs = format!("/projects/team/webhook/jobs?policy_id={policy}");
    let mut job = timeless(alice.read(&jobs).await)[0].take();
    assert!(job["job_detail"].take().as_str().unwrap().contains("test-webhook"));
    let expected = json!({
        "id": id, "policy_id": policy, "event_type": "PUSH_ARTIFACT", "notify_type": "http",
        "status": "Success", "job_detail": null, "creation_time": "T", "update_time": "T",
    });
    assert_eq!(job, expected);
    for (query, expected) in [("&status=Error", 0), ("&status=Error&status=Success", 1)] {
        let found = alice.read(&format!("{jobs}{query}")).await;
        assert_eq!(found.as_array().unwrap().len(), expected, "{query}");
    }
    let last = alice.read("/projects/team/webhook/lasttrigger").await;
    assert_eq!(last[0]["event_type"], "PUSH_ARTIFACT");
    assert!(last[0]["last_trigger_time"].as_str().unwrap().starts_with("20"));
    assert_eq!(last[1]["last_trigger_time"], "0001-01-01T00:00:00.000Z");
    // Somebody who goes round is stopped, and so is everybody while they are switched off.
    let request = alice.send("POST", &format!("{API}{path}/test")).json(&json!({}));
    let round = request.header("x-roadstead-delivery", "x").send().await.unwrap();
    assert_eq!(round.status(), 400);
    let test = format!("{path}/test");
    assert_eq!(alice.status("POST", &test, &json!({"event_type": "NONSENSE"})).await, 400);
    stage.server.admin().configure(json!({"notification_enable": false})).await;
    assert_eq!(alice.status("POST", &test, &json!({})).await, 412);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_found_in_its_own_project_only() {
    let stage = Stage::new().await;
    stage.server.admin().create_user("mallory").await;
    let mallory = stage.server.person("mallory", PASSWORD);
    mallory.create_project("other", false).await;
    let path = stage.policy(&["PUSH_ARTIFACT"]).await;
    let id = stage.test(&path).await[0];
    let theirs = path.replace("/team/", "/other/");
    for (method, below) in [
        ("GET", String::new()),
        ("PUT", String::new()),
        ("DELETE", String::new()),
        ("POST", "/test".to_owned()),
        ("GET", "/executions".to_owned()),
        ("GET", format!("/executions/{id}/tasks")),
        ("GET", format!("/executions/{id}/tasks/{id}/log")),
    ] {
        let body = policy("x", &["PUSH_ARTIFACT"], &[stage.target()]);
        for (base, expected) in [(&theirs, 404), (&path, 403)] {
            let found = mallory.status(method, &format!("{base}{below}"), &body).await;
            assert_eq!(found, expected, "{method} {base}{below}");
        }
    }
    let policy = path.rsplit('/').next().unwrap();
    let jobs = format!("/projects/other/webhook/jobs?policy_id={policy}");
    assert_eq!(mallory.status("GET", &jobs, &Value::Null).await, 404);
    let other = stage.policy(&["PULL_ARTIFACT"]).await;
    let elsewhere = format!("{other}/executions/{id}/tasks");
    assert_eq!(stage.alice.status("GET", &elsewhere, &Value::Null).await, 404);
}
