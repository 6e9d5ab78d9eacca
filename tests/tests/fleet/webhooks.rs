//! Webhooks are told once, whichever server does it.

use std::collections::BTreeMap;
use std::time::Duration;

use roadstead_tests::receiver::Receiver;
use serde_json::json;

use crate::fleet::Fleet;

const EVENTS: usize = 120;

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_told_once_though_every_server_looks_for_it() {
    let variables = [("ROADSTEAD_WEBHOOK_NETWORKS", "127.0.0.0/8")];
    let fleet = Fleet::start(2, &variables);
    let receiver = Receiver::start().await;
    let mut policies = Vec::new();
    for name in ["a", "b", "c"] {
        let target = json!({"type": "http", "address": receiver.url(&format!("/{name}"))});
        let body = json!({
            "name": name, "enabled": true, "event_types": ["PUSH_ARTIFACT"], "targets": [target],
        });
        policies.push(fleet.admin().make("/projects/library/webhook/policies", &body).await.0);
    }
    for nth in 0..EVENTS {
        let path = format!("{}/test", policies[nth % policies.len()]);
        assert_eq!(fleet.admin().status("POST", &path, &json!({})).await, 202);
    }
    receiver.wait_for(EVENTS).await;
    // Every server has looked once more by then.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut told = BTreeMap::new();
    for heard in receiver.heard() {
        let id = heard.header("x-roadstead-delivery").expect("an id").to_owned();
        *told.entry(id).or_insert(0) += 1;
    }
    assert_eq!(told.len(), EVENTS);
    assert!(told.values().all(|times| *times == 1), "{told:?}");
}
