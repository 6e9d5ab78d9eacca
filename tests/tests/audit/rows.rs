//! Each route that changes something is driven once.

mod content;
mod people;
mod projects;
mod system;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::stage::Stage;

/// What other tests drive, because it needs a directory or a provider.
const ELSEWHERE: [&str; 4] = [
    "POST /api/v2.0/ldap/ping",
    "POST /api/v2.0/ldap/users/import",
    "POST /api/v2.0/system/oidc/ping",
    "PUT /api/v2.0/users/{user_id}/cli_secret",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_change_leaves_one_event() {
    let stage = Stage::new();
    people::drive(&stage).await;
    system::drive(&stage).await;
    projects::drive(&stage).await;
    let mut left_out = stage.left_out();
    left_out.retain(|route| !ELSEWHERE.contains(&route.as_str()));
    assert_eq!(left_out, Vec::<String>::new(), "these routes need a line in this test");
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
