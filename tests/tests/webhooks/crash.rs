//! What happened is told, whatever happens to the server.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::Rng as _;
use roadstead_tests::content::rng;
use roadstead_tests::free_port;
use roadstead_tests::receiver::Receiver;
use serde_json::json;

use crate::stage::{Stage, setup};

#[tokio::test(flavor = "multi_thread")]
async fn a_push_is_told_though_the_server_is_killed_right_after_it() {
    let mut rng = rng();
    // What was taken by the killed server is told when its claim ends.
    let mut stage = Stage::with(setup().env("ROADSTEAD_WEBHOOK_ATTEMPTS", "10")).await;
    stage.policy(&["PUSH_ARTIFACT"]).await;
    let mut pushed = BTreeSet::new();
    for round in 0..8_u8 {
        let (_, digest) = stage.alice.push_image("team/app", &format!("v{round}"), &[round]).await;
        pushed.insert(digest);
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..150))).await;
        stage.server.kill();
        stage.server.start();
    }
    let digests = || -> BTreeSet<String> {
        let digest = |body: serde_json::Value| {
            body["event_data"]["resources"][0]["digest"].as_str().unwrap().to_owned()
        };
        stage.receiver.heard().iter().map(|heard| digest(heard.json())).collect()
    };
    for _ in 0..1200 {
        if digests() == pushed {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{:?} were told, {pushed:?} were pushed", digests());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_when_a_server_is_killed_is_told_by_the_next() {
    let mut stage = Stage::with(setup().env("ROADSTEAD_WEBHOOK_ATTEMPTS", "10")).await;
    // Nobody listens there yet.
    let port = free_port();
    let target = json!({"type": "http", "address": format!("http://127.0.0.1:{port}/")});
    stage.policy_for(&["PUSH_ARTIFACT", "PULL_ARTIFACT"], &[target]).await;
    let (_, digest) = stage.alice.push_image("team/app", "v1", b"a layer").await;
    stage.server.kill();
    let receiver = Receiver::on(&format!("127.0.0.1:{port}")).await;
    assert_eq!(receiver.heard().len(), 0);
    stage.server.start();
    let heard = receiver.wait_for(1).await;
    assert_eq!(heard[0].json()["event_data"]["resources"][0]["digest"], *digest);
    // Pulls are in memory only; a server that ends in order writes them down.
    stage.alice.get("/v2/team/app/manifests/v1").await;
    stage.server.terminate();
    assert_eq!(stage.server.wait(), Some(0));
    stage.server.start();
    let heard = receiver.wait_for(2).await;
    assert_eq!(heard[1].json()["type"], "PULL_ARTIFACT");
    assert_eq!(heard.len(), 2);
}
