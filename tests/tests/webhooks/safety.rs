//! Whoever administers a project learns nothing of the network that the server stands in.

use roadstead_tests::Setup;
use roadstead_tests::receiver::{Receiver, answer};
use serde_json::json;

use crate::stage::{Stage, policy, setup};

/// Tells an address; returns what is written of that.
async fn told(stage: &Stage, address: &str) -> (String, String) {
    let body = policy("p", &["PUSH_ARTIFACT"], &[json!({"type": "http", "address": address})]);
    let (path, _) = stage.alice.make("/projects/team/webhook/policies", &body).await;
    let id = stage.test(&path).await[0];
    let status = stage.ended(&path, id).await["status"].as_str().unwrap().to_owned();
    let log = stage.log_of(&path, id).await;
    assert_eq!(stage.alice.status("DELETE", &path, &json!({})).await, 200);
    (status, log)
}

fn assert_not_allowed((status, log): &(String, String), address: &str) {
    assert_eq!(status, "Error", "{address}: {log}");
    assert!(log.contains("in no network that webhooks may reach"), "{address}: {log}");
    assert_eq!(log.lines().count(), 1, "{address} was tried again: {log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_inside_is_reached_unless_the_operator_allows_it() {
    let stage = Stage::with(Setup::new()).await;
    let port = stage.receiver.port();
    for address in [
        format!("http://127.0.0.1:{port}/"),
        format!("127.0.0.1:{port}"),
        format!("http://localhost:{port}/"),
        format!("http://127.1:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://0x7f.1:{port}/"),
        format!("http://0:{port}/"),
        format!("http://[::1]:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://[64:ff9b::7f00:1]:{port}/"),
        format!("https://127.0.0.1:{port}/"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://10.0.0.1/".to_owned(),
        "http://[fd00::1]/".to_owned(),
        "http://[fe80::1]/".to_owned(),
        stage.server.url("/api/v2.0/projects"),
    ] {
        assert_not_allowed(&told(&stage, &address).await, &address);
    }
    assert_eq!(stage.receiver.heard().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_leads_nowhere_else() {
    let stage = Stage::with(setup().env("ROADSTEAD_WEBHOOK_NETWORKS", "127.0.0.2/32")).await;
    let outside = Receiver::on("127.0.0.2:0").await;
    let inside = &stage.receiver;
    for location in [
        inside.url("/"),
        format!("http://localhost:{}/", inside.port()),
        format!("http://[::ffff:127.0.0.1]:{}/", inside.port()),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
    ] {
        let redirect = answer("307 Temporary Redirect", &format!("location: {location}\r\n"), "");
        outside.answer_next(redirect);
        assert_not_allowed(&told(&stage, &outside.url("/")).await, &location);
    }
    assert_eq!(inside.heard().len(), 0);
    let away = Receiver::on("127.0.0.2:0").await;
    let redirect = format!("location: {}\r\n", away.url("/there"));
    outside.answer_next(answer("308 Permanent Redirect", &redirect, ""));
    let target = json!({
        "type": "http", "address": outside.url("/here"), "auth_header": "Bearer canary",
    });
    let path = stage.policy_for(&["PUSH_ARTIFACT"], &[target]).await;
    let id = stage.test(&path).await[0];
    assert_eq!(stage.ended(&path, id).await["status"], "Success");
    let here = outside.heard().pop().unwrap();
    let there = away.heard().pop().unwrap();
    assert_eq!(here.header("authorization"), Some("Bearer canary"));
    assert_eq!(
        (there.line.as_str(), there.header("authorization")),
        ("POST /there HTTP/1.1", None)
    );
    assert_eq!(there.body, here.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_of_a_target_is_in_a_log_or_an_audit_event() {
    let stage = Stage::with(setup().env("ROADSTEAD_LOG", "trace")).await;
    let body = "canary-body";
    stage.receiver.answer_always(answer("500 canary-reason", "x-a: canary-answer\r\n", body));
    let target = json!({
        "type": "http", "address": stage.receiver.url("/canary-path?k=canary-query"),
        "auth_header": "Bearer canary-header", "secret": "canary-secret",
    });
    let path = stage.policy_for(&["PUSH_ARTIFACT"], std::slice::from_ref(&target)).await;
    let change = policy("other", &["PUSH_ARTIFACT"], &[target]);
    stage.alice.change("PUT", &path, &change).await;
    stage.alice.push_image("team/app", "v1", b"a layer").await;
    let id = stage.test(&path).await[0];
    stage.ended(&path, id).await;
    let heard = stage.receiver.heard();
    assert_eq!(heard[0].header("authorization"), Some("Bearer canary-header"));
    assert!(heard[0].line.contains("canary-query"));
    let mut told = stage.log_of(&path, id).await;
    let admin = stage.server.admin();
    for path in [format!("{path}/executions"), "/projects/team/webhook/lasttrigger".to_owned()] {
        told.push_str(&stage.alice.read(&path).await.to_string());
    }
    told.push_str(&admin.read("/auditlog-exts?page_size=0").await.to_string());
    assert!(told.contains("webhook_policy"), "{told}");
    assert!(!told.contains("canary"), "{told}");
    let log = stage.server.log();
    for secret in ["canary-header", "canary-secret", "canary-body", "canary-answer"] {
        assert!(!log.contains(secret), "{secret} is in the server's log");
    }
}
