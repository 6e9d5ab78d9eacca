//! How it is told: again when it fails, but not for ever.

use std::time::Duration;

use roadstead_tests::certificate::self_signed;
use roadstead_tests::free_port;
use roadstead_tests::receiver::{Receiver, answer};
use serde_json::{Value, json};

use crate::stage::{Stage, policy, setup};

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_is_tried_again_and_given_up_in_the_end() {
    let stage = Stage::new().await;
    let path = stage.policy(&["PUSH_ARTIFACT"]).await;
    stage.receiver.answer_always(answer("500 Canary", "x-canary: 1\r\n", "canary"));
    let id = stage.test(&path).await[0];
    let found = stage.ended(&path, id).await;
    assert_eq!(found["status"], "Error");
    assert_eq!(found["metrics"], json!({"task_count": 1, "error_task_count": 1}));
    let tasks = stage.alice.read(&format!("{path}/executions/{id}/tasks")).await;
    assert_eq!((&tasks[0]["status"], &tasks[0]["run_count"]), (&json!("Error"), &json!(3)));
    let heard = stage.receiver.heard();
    assert_eq!(heard.len(), 3);
    let ids: Vec<_> = heard.iter().map(|it| it.header("x-roadstead-delivery")).collect();
    assert!(ids[0].is_some() && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    // 100 ms, then four times as long.
    let waits = [heard[1].at - heard[0].at, heard[2].at - heard[1].at];
    assert!(waits[0] >= Duration::from_millis(100), "{waits:?}");
    assert!(waits[1] >= Duration::from_millis(400), "{waits:?}");
    let log = stage.log_of(&path, id).await;
    assert_eq!(log.matches("it answered 500").count(), 3, "{log}");
    assert!(log.ends_with("given up\n"), "{log}");
    assert!(!log.contains("anary") && !log.contains("/hook"), "{log}");
    assert!(!stage.server.log().contains("anary"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_works_again_is_told() {
    let stage = Stage::new().await;
    let path = stage.policy(&["PUSH_ARTIFACT"]).await;
    stage.receiver.answer_next(answer("503 Unavailable", "", ""));
    let id = stage.test(&path).await[0];
    assert_eq!(stage.ended(&path, id).await["status"], "Success");
    assert_eq!(stage.receiver.heard().len(), 2);
    // Nobody is there.
    let target = json!({"type": "http", "address": format!("http://127.0.0.1:{}/", free_port())});
    let path = stage.policy_for(&["PULL_ARTIFACT"], &[target]).await;
    let id = stage.test(&path).await[0];
    assert_eq!(stage.ended(&path, id).await["status"], "Error");
    let log = stage.log_of(&path, id).await;
    assert_eq!(log.matches("the connection failed").count(), 3, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_wants_to_be_left_alone_is() {
    let stage = Stage::new().await;
    let path = stage.policy(&["PUSH_ARTIFACT"]).await;
    stage.receiver.answer_next(answer("429 Too Many Requests", "retry-after: 2\r\n", ""));
    let id = stage.test(&path).await[0];
    assert_eq!(stage.ended(&path, id).await["status"], "Success");
    let heard = stage.receiver.heard();
    assert_eq!(heard.len(), 2);
    assert!(heard[1].at - heard[0].at >= Duration::from_secs(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_never_answers_keeps_nobody_else_waiting() {
    let stage = Stage::with(setup().env("ROADSTEAD_WEBHOOK_TIMEOUT", "30s")).await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", silent.local_addr().unwrap());
    let target = json!({"type": "http", "address": address});
    let slow = stage.policy_for(&["PULL_ARTIFACT"], &[target]).await;
    let mut last = 0;
    for _ in 0..5 {
        last = stage.test(&slow).await[0];
    }
    let path = stage.policy(&["PUSH_ARTIFACT"]).await;
    let id = stage.test(&path).await[0];
    assert_eq!(stage.ended(&path, id).await["status"], "Success");
    let found = stage.alice.read(&format!("{slow}/executions?q=id%3D{last}")).await;
    assert_eq!(found[0]["status"], "Pending", "it waits behind the one that is not answered");
    assert_eq!(found[0]["end_time"], Value::Null);
    // What was begun is given up when the policy goes.
    assert_eq!(stage.alice.status("DELETE", &slow, &Value::Null).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_executions_are_kept() {
    let stage = Stage::new().await;
    let path = stage.policy(&["PUSH_ARTIFACT"]).await;
    let mut last = 0;
    for _ in 0..70 {
        last = stage.test(&path).await[0];
    }
    stage.ended(&path, last).await;
    let heard = stage.receiver.wait_for(70).await;
    assert_eq!(heard.len(), 70);
    let mut kept = Value::Null;
    for _ in 0..200 {
        kept = stage.alice.read(&format!("{path}/executions?page_size=100&sort=id")).await;
        if kept.as_array().unwrap().len() == 50 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let kept = kept.as_array().unwrap();
    assert_eq!(kept.len(), 50);
    assert_eq!(kept[49]["id"], last);
    assert!(kept.iter().all(|execution| execution["status"] == "Success"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_nobody_trusts_is_taken_where_that_was_said() {
    let stage = Stage::new().await;
    let (cert, key) = self_signed(stage.server.scratch());
    let receiver = Receiver::tls(&cert, &key).await;
    let target = |skip: bool| json!({"type": "http", "address": receiver.url("/"), "skip_cert_verify": skip});
    let path = stage.policy_for(&["PUSH_ARTIFACT"], &[target(false)]).await;
    let id = stage.test(&path).await[0];
    assert_eq!(stage.ended(&path, id).await["status"], "Error");
    assert_eq!(receiver.heard().len(), 0);
    let body = policy("p", &["PUSH_ARTIFACT"], &[target(true)]);
    stage.alice.change("PUT", &path, &body).await;
    let id = stage.test(&path).await[0];
    assert_eq!(stage.ended(&path, id).await["status"], "Success");
    assert_eq!(receiver.heard().len(), 1);
    assert_eq!(stage.alice.read(&path).await["targets"][0]["skip_cert_verify"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_target_follows_it_and_ends_with_it() {
    let stage = Stage::new().await;
    stage.receiver.answer_always(answer("429 Slow Down", "retry-after: 3600\r\n", ""));
    let path = stage.policy(&["PUSH_ARTIFACT"]).await;
    let id = stage.test(&path).await[0];
    stage.receiver.wait_for(1).await;
    let body = policy(
        "p",
        &["PUSH_ARTIFACT"],
        &[json!({
            "type": "slack", "address": "https://hooks.slack.com/",
        })],
    );
    stage.alice.change("PUT", &path, &body).await;
    let found = stage.ended(&path, id).await;
    assert_eq!(found["status"], "Stopped");
    assert!(stage.log_of(&path, id).await.contains("the target was removed"));
}
