//! For how long, and what it costs.

use std::fs::File;
use std::time::Duration;

use roadstead_tests::Server;
use roadstead_tests::disk::{Disk, Format, left_out};
use roadstead_tests::http::{Person, error_code};
use serde_json::{Value, json};

use super::stage::{collect, delete, deleted, objects, pull, restore, setup, team, used};

const APP: &str = "team/app";
const UNDELETE: &str = "/projects/team/undelete";

/// Pushes an image and deletes it; its digest.
async fn push_and_delete(person: &Person, layer: &[u8]) -> String {
    let (_, digest) = person.push_image(APP, "v1", layer).await;
    delete(person, APP, &digest).await;
    digest
}

async fn nothing_is_kept(server: &Server, person: &Person) {
    for kind in ["artifacts", "tags", "repositories"] {
        assert_eq!(deleted(person, kind).await, Vec::<Value>::new(), "{kind}");
    }
    assert_eq!(objects(server), 0, "its bytes are free");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_goes_when_its_time_is_over() {
    let (server, alice) = team(setup().env("ROADSTEAD_UNDELETE_WINDOW", "3s")).await;
    push_and_delete(&alice, b"a layer").await;
    alice.push_image("team/whole", "v1", b"another layer").await;
    alice.change("DELETE", "/projects/team/repositories/whole", &Value::Null).await;
    collect(&server, json!({})).await;
    assert_eq!(deleted(&alice, "artifacts").await.len(), 2);
    tokio::time::sleep(Duration::from_secs(4)).await;
    let dry = collect(&server, json!({"dry_run": true})).await;
    assert!(dry.contains("4 blobs") && dry.contains("2 deleted artifacts"), "{dry}");
    let log = collect(&server, json!({})).await;
    assert!(log.contains("4 blobs") && log.contains("2 deleted artifacts"), "{log}");
    nothing_is_kept(&server, &alice).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_says_for_how_long_and_who_is_in_a_hurry_need_not_wait() {
    let (server, alice) = team(setup()).await;
    let default = json!({"days": null, "counted": false, "default_seconds": 604_800});
    assert_eq!(alice.read(UNDELETE).await, default);
    push_and_delete(&alice, b"one").await;
    // Shorter now, also for what was deleted before.
    alice.change("PUT", UNDELETE, &json!({"days": 0})).await;
    collect(&server, json!({})).await;
    nothing_is_kept(&server, &alice).await;
    push_and_delete(&alice, b"two").await;
    collect(&server, json!({})).await;
    nothing_is_kept(&server, &alice).await;
    alice.change("PUT", UNDELETE, &json!({"days": 30})).await;
    push_and_delete(&alice, b"a secret").await;
    let found = deleted(&alice, "artifacts").await;
    let path = format!("/projects/team/deleted/artifacts/{}", found[0]["id"]);
    alice.change("DELETE", &path, &Value::Null).await;
    collect(&server, json!({})).await;
    nothing_is_kept(&server, &alice).await;
    push_and_delete(&alice, b"three").await;
    let dry = collect(&server, json!({"forget_deleted": true, "dry_run": true})).await;
    assert!(dry.contains("2 blobs"), "{dry}");
    collect(&server, json!({"forget_deleted": true})).await;
    nothing_is_kept(&server, &alice).await;
    for (bad, status) in [(json!(-1), 400), (json!(3651), 400), (json!("7"), 422)] {
        assert_eq!(alice.status("PUT", UNDELETE, &json!({"days": bad})).await, status, "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_counts_in_the_quota_if_the_project_says_so_and_only_then() {
    let (server, alice) = team(setup()).await;
    let (_, digest) = alice.push_image(APP, "v1", b"a layer").await;
    let full = used(&server).await;
    delete(&alice, APP, &digest).await;
    collect(&server, json!({})).await;
    assert_eq!(used(&server).await, 0);
    let id = deleted(&alice, "artifacts").await[0]["id"].clone();
    // There is no room for it, and nothing is lost by trying.
    let quota = json!({"hard": {"storage": full - 1}});
    server.admin().change("PUT", "/quotas/2", &quota).await;
    let path = format!("/projects/team/deleted/artifacts/{id}/restore");
    let refused = alice.call("POST", &path, &Value::Null).await;
    assert_eq!(refused.status(), 403);
    assert_eq!(error_code(refused).await, "DENIED");
    assert_eq!((used(&server).await, pull(&alice, APP, &digest).await), (0, None));
    server.admin().change("PUT", "/quotas/2", &json!({"hard": {"storage": full}})).await;
    restore(&alice, "artifacts", &id).await;
    assert_eq!(used(&server).await, full);
    alice.change("PUT", UNDELETE, &json!({"days": null, "counted": true})).await;
    delete(&alice, APP, &digest).await;
    collect(&server, json!({})).await;
    assert_eq!(used(&server).await, full, "what is kept counts");
    // Room that is taken already is no reason to refuse.
    let id = deleted(&alice, "artifacts").await[0]["id"].clone();
    restore(&alice, "artifacts", &id).await;
    assert_eq!(used(&server).await, full);
    alice.change("DELETE", "/projects/team/repositories/app", &Value::Null).await;
    collect(&server, json!({})).await;
    assert_eq!(used(&server).await, full);
    collect(&server, json!({"forget_deleted": true})).await;
    assert_eq!(used(&server).await, 0);
    nothing_is_kept(&server, &alice).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_kept_of_a_project_that_is_deleted() {
    let (server, alice) = team(setup()).await;
    push_and_delete(&alice, b"a layer").await;
    alice.change("PUT", UNDELETE, &json!({"days": 30, "counted": true})).await;
    push_and_delete(&alice, b"another layer").await;
    alice.change("DELETE", "/projects/team", &Value::Null).await;
    collect(&server, json!({})).await;
    assert_eq!(objects(&server), 0);
}

/// Room for what is pushed is worth more than what was deleted.
#[tokio::test(flavor = "multi_thread")]
async fn on_a_disk_that_is_nearly_full_nothing_is_kept() {
    if left_out() {
        return;
    }
    let disk = Disk::new(Format::Ext4, 96);
    let (server, alice) = team(setup().sqlite().data(&disk.path())).await;
    push_and_delete(&alice, &vec![7; 8 << 20]).await;
    collect(&server, json!({})).await;
    assert_eq!(deleted(&alice, "artifacts").await.len(), 1);
    // What is left is below the reserve, and enough for the database.
    disk.fill();
    let filler = File::options().write(true).open(disk.filler()).unwrap();
    filler.set_len(filler.metadata().unwrap().len() - (2 << 20)).unwrap();
    collect(&server, json!({})).await;
    nothing_is_kept(&server, &alice).await;
    std::fs::remove_file(disk.filler()).unwrap();
    drop(server);
}
