//! The secrets of targets: who sees them, and that they stay with their address.

use roadstead_tests::cast::PASSWORD;
use roadstead_tests::content::hex;
use serde_json::{Value, json};

use crate::stage::{POLICIES, Stage, policy};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_as_authorization_is_shown_to_those_who_may_change_it() {
    let stage = Stage::new().await;
    let mut target = stage.target();
    target["auth_header"] = "Bearer canary-header".into();
    target["secret"] = "canary-secret".into();
    let path = stage.policy_for(&["PUSH_ARTIFACT"], &[target]).await;
    stage.server.admin().create_user("reader").await;
    stage.alice.add_member("team", "reader", 4, "").await;
    let reader = stage.server.person("reader", PASSWORD);
    for path in [path.as_str(), POLICIES] {
        let seen = reader.read(path).await.to_string();
        assert!(!seen.contains("canary") && seen.contains("\"has_secret\":true"), "{seen}");
        let seen = stage.alice.read(path).await.to_string();
        assert!(seen.contains("canary-header") && !seen.contains("canary-secret"), "{seen}");
    }
    let robot = stage.alice.project_robot("team", "r", "notification-policy:read").await;
    let seen = stage.server.robot(&robot).read(&path).await.to_string();
    assert!(!seen.contains("canary"), "{seen}");
    // Neither of the two is in the database as it is.
    let database = stage.server.database().await;
    let select = "SELECT auth_header, secret FROM webhook_target";
    let (header, secret): (Vec<u8>, Vec<u8>) = database.row(select, &[]).await;
    database.close().await;
    for sealed in [header, secret] {
        assert!(sealed.len() > 12 && !hex(&sealed).contains(&hex(b"canary")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_stays_with_its_address_and_a_header_is_what_was_sent_last() {
    let stage = Stage::new().await;
    let mut target = stage.target();
    target["auth_header"] = "Bearer one".into();
    target["secret"] = "secret".into();
    let path = stage.policy_for(&["PUSH_ARTIFACT"], &[target]).await;
    let change = async |target: Value| {
        let body = policy("changed", &["PUSH_ARTIFACT"], &[target]);
        stage.alice.change("PUT", &path, &body).await;
        let id = stage.test(&path).await[0];
        stage.ended(&path, id).await;
        stage.receiver.heard().pop().unwrap()
    };
    let heard = change(stage.target()).await;
    assert!(heard.header("x-roadstead-signature-256").is_some(), "it kept its secret");
    assert_eq!(heard.header("authorization"), None, "it was taken away");
    let mut with_header = stage.target();
    with_header["auth_header"] = "two".into();
    assert_eq!(change(with_header).await.header("authorization"), Some("two"));
    // Where it is sent now is somebody else's, and back again it is nobody's.
    let other = json!({"type": "http", "address": stage.receiver.url("/other")});
    let heard = change(other).await;
    assert_eq!(heard.line, "POST /other HTTP/1.1");
    assert_eq!(heard.header("x-roadstead-signature-256"), None);
    assert_eq!(heard.header("authorization"), None);
    assert_eq!(change(stage.target()).await.header("x-roadstead-signature-256"), None);
    let mut signed = stage.target();
    signed["secret"] = "again".into();
    assert!(change(signed.clone()).await.header("x-roadstead-signature-256").is_some());
    signed["secret"] = "".into();
    assert_eq!(change(signed).await.header("x-roadstead-signature-256"), None);
    assert_eq!(stage.alice.read(&path).await["targets"][0]["has_secret"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_open_in_their_own_row_and_after_they_were_sealed_again() {
    let stage = Stage::new().await;
    let mut target = stage.target();
    target["auth_header"] = "Bearer canary".into();
    let mut other = json!({"type": "http", "address": stage.receiver.url("/other")});
    other["auth_header"] = "Bearer other".into();
    let path = stage.policy_for(&["PUSH_ARTIFACT"], &[target, other]).await;
    let resealed = stage.server.command(&["keys", "reseal"]).output().unwrap();
    assert!(resealed.status.success(), "{resealed:?}");
    stage.test(&path).await;
    let heard = stage.receiver.wait_for(2).await;
    let mut headers: Vec<_> = heard.iter().filter_map(|it| it.header("authorization")).collect();
    headers.sort_unstable();
    assert_eq!(headers, ["Bearer canary", "Bearer other"]);
    stage
        .server
        .sql(
            "UPDATE webhook_target SET auth_header =
                 (SELECT o.auth_header FROM webhook_target o WHERE o.id <> webhook_target.id)
             WHERE position = 0",
        )
        .await;
    let ids = stage.test(&path).await;
    let found = stage.ended(&path, ids[0]).await;
    assert_eq!(found["status"], "Error");
    assert!(stage.log_of(&path, ids[0]).await.contains("cannot be opened"));
    assert_eq!(stage.ended(&path, ids[1]).await["status"], "Success");
    assert_eq!(stage.receiver.heard().len(), 3, "nobody got what is another's");
}
