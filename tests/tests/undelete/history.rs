//! Who moved a tag from which digest to which, when.

use roadstead_tests::content::MANIFEST;
use serde_json::{Value, json};

use super::stage::{delete, deleted, restore, setup, team};

const APP: &str = "team/app";
const HISTORY: &str = "/projects/team/repositories/app/tag_history";

/// (tag, old digest, new digest, who), what happened first first.
type Moves = Vec<(String, Option<String>, Option<String>, String)>;

fn moves(found: &Value) -> Moves {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let rows = found.as_array().unwrap().iter().rev();
    rows.map(|row| {
        let who = row["username"].as_str().unwrap().to_owned();
        let tag = row["tag"].as_str().unwrap().to_owned();
        assert!(row["op_time"].as_str().unwrap().ends_with('Z'), "{row}");
        (tag, text(&row["old_digest"]), text(&row["new_digest"]), who)
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_move_a_tag_leaves_a_row_and_what_moves_none_leaves_none() {
    let (server, alice) = team(setup()).await;
    let admin = server.admin();
    let (one, first) = alice.push_image(APP, "v1", b"one").await;
    let (_, second) = admin.push_image(APP, "v1", b"two").await;
    // The same again is no move.
    let (two, _) = alice.push_image(APP, "v1", b"two").await;
    let tags = format!("/projects/team/repositories/app/artifacts/{second}/tags");
    assert_eq!(alice.status("POST", &tags, &json!({"name": "api"})).await, 201);
    alice.change("DELETE", &format!("{tags}/api"), &Value::Null).await;
    delete(&alice, APP, "v1").await;
    let put = alice.put_manifest(APP, "v1", MANIFEST, one).await;
    assert_eq!(put.status(), 201);
    delete(&alice, APP, &first).await;
    let id = deleted(&alice, "artifacts").await[0]["id"].clone();
    restore(&alice, "artifacts", &id).await;
    let put = alice.put_manifest(APP, "v2", MANIFEST, two).await;
    assert_eq!(put.status(), 201);
    let copy = format!("/projects/team/repositories/copy/artifacts?from={APP}:v2");
    assert_eq!(alice.status("POST", &copy, &Value::Null).await, 201);
    alice.change("DELETE", "/projects/team/repositories/app", &Value::Null).await;
    let row = |tag: &str, from: Option<&str>, to: Option<&str>, who: &str| {
        (tag.to_owned(), from.map(str::to_owned), to.map(str::to_owned), who.to_owned())
    };
    let (first, second) = (Some(first.as_str()), Some(second.as_str()));
    let mut expected = vec![
        row("v1", None, first, "alice"),
        row("v1", first, second, "admin"),
        row("api", None, second, "alice"),
        row("api", second, None, "alice"),
        row("v1", second, None, "alice"),
        row("v1", None, first, "alice"),
        row("v1", first, None, "alice"),
        row("v1", None, first, "alice"),
        row("v2", None, second, "alice"),
        row("v1", first, None, "alice"),
        row("v2", second, None, "alice"),
    ];
    let found = alice.read(&format!("{HISTORY}?page_size=100")).await;
    assert_eq!(moves(&found), expected, "the repository is gone, its history is not");
    expected.retain(|(tag, ..)| tag == "api");
    assert_eq!(moves(&alice.read(&format!("{HISTORY}?q=tag=api")).await), expected);
    let found = alice.read("/projects/team/repositories/copy/tag_history").await;
    assert_eq!(moves(&found), [row("v2", None, second, "alice")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_leaves_its_name_in_the_history_and_what_it_deletes_can_be_brought_back() {
    let (server, alice) = team(setup()).await;
    let (_, old) = alice.push_image(APP, "old", b"old").await;
    alice.push_image(APP, "new", b"new").await;
    let selector =
        |decoration: &str| json!({"kind": "doublestar", "decoration": decoration, "pattern": "**"});
    let policy = json!({
        "algorithm": "or", "scope": {"level": "project", "ref": 2},
        "trigger": {"kind": "Schedule", "settings": {"cron": ""}},
        "rules": [{
            "action": "retain", "template": "latestPushedK", "params": {"latestPushedK": 1},
            "tag_selectors": [selector("matches")],
            "scope_selectors": {"repository": [selector("repoMatches")]},
        }],
    });
    let (path, _) = alice.make("/retentions", &policy).await;
    alice.make(&format!("{path}/executions"), &json!({"dry_run": false})).await;
    super::stage::until("retention deleted it", async || {
        !deleted(&alice, "artifacts").await.is_empty()
    })
    .await;
    let found = deleted(&alice, "artifacts").await;
    assert_eq!(found[0]["digest"], old.as_str());
    assert!(found[0]["reason"].as_str().unwrap().contains("retention"), "{found:?}");
    let history = moves(&alice.read(&format!("{HISTORY}?q=tag=old")).await);
    assert_eq!(history.len(), 2);
    assert!(history[1].3.contains("retention policy"), "{history:?}");
    let restored = restore(&alice, "artifacts", &found[0]["id"]).await;
    assert_eq!(restored["tags"], json!(["old"]));
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_history_is_forgotten() {
    let (server, alice) = team(setup().env("ROADSTEAD_TAG_HISTORY", "1h")).await;
    alice.push_image(APP, "v1", b"one").await;
    server.sql("UPDATE tag_history SET moved_at = moved_at - 7200000000").await;
    alice.push_image(APP, "v1", b"two").await;
    super::stage::collect(&server, json!({})).await;
    assert_eq!(alice.read(HISTORY).await.as_array().unwrap().len(), 1);
}
