//! A COMMIT whose answer is lost: nobody knows whether it was done, and trying again is right.

use roadstead_tests::content::{self, MANIFEST, sha256};
use roadstead_tests::http::with_query;
use roadstead_tests::proxy::Fault;
use serde_json::json;

use crate::{Behind, left_out};

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_tried_again_and_done_once() {
    if left_out() {
        return;
    }
    let behind = Behind::start();
    let server = behind.setup().start();
    let admin = server.admin();
    let (config, layer) = (b"{}".to_vec(), b"a layer".to_vec());
    for blob in [&config, &layer] {
        let location = admin.start_upload("library/app").await;
        let url = with_query(&location, &format!("digest={}", sha256(blob)));
        behind.proxy.set(Fault::LoseAnswer(b"COMMIT"));
        let first = admin.send("PUT", &url).body(blob.clone()).send().await.unwrap();
        assert_eq!(first.status(), 503);
        // The client cannot know, and sends the same again.
        let again = admin.send("PUT", &url).body(blob.clone()).send().await.unwrap();
        assert_eq!(again.status(), 201, "{}", again.text().await.unwrap());
    }
    let manifest = serde_json::to_vec(&content::image(&config, &[&layer])).unwrap();
    behind.proxy.set(Fault::LoseAnswer(b"COMMIT"));
    let put = || admin.put_manifest("library/app", "v1", MANIFEST, manifest.clone());
    assert_eq!(put().await.status(), 503);
    assert_eq!(put().await.status(), 201);
    behind.proxy.set(Fault::LoseAnswer(b"COMMIT"));
    let project = json!({"project_name": "team"});
    let make = || admin.json("POST", "/api/v2.0/projects", &project);
    assert_eq!(make().await, 503);
    assert_eq!(make().await, 409, "it is there");
    assert_eq!(behind.proxy.lost(), 4);
    let database = server.database().await;
    let count = async |what: &str| database.number(&format!("SELECT COUNT(*) FROM {what}")).await;
    assert_eq!(count("manifest").await, 1);
    assert_eq!(count("blob").await, 2);
    assert_eq!(count("upload").await, 0);
    let events = "audit_log WHERE success AND operation = 'create' AND resource_type =";
    assert_eq!(count(&format!("{events} 'artifact'")).await, 1);
    assert_eq!(count(&format!("{events} 'blob'")).await, 2);
    assert_eq!(count(&format!("{events} 'project' AND resource = 'team'")).await, 1);
    database.close().await;
}
