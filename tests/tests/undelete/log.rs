//! What the log of a collection says of what was deleted, in the words that Harbor's clients look for.

use roadstead_tests::http::Person;
use serde_json::{Value, json};

use super::stage::{collect, delete, deleted, setup, team};

/// The one line of a log that has these words, without its time.
fn line<'a>(log: &'a str, words: &str) -> &'a str {
    let mut found = log.lines().filter(|line| line.contains(words));
    let line = found.next().unwrap_or_else(|| panic!("no {words:?}: {log}"));
    assert!(found.next().is_none(), "{words:?} twice: {log}");
    line.split_once(' ').unwrap().1
}

/// The digests that a log calls gone.
fn gone(log: &str) -> Vec<&str> {
    let lines = log.lines().filter_map(|line| line.split_once(" delete blob from storage: "));
    let mut gone: Vec<&str> =
        lines.map(|(_, what)| what.split_whitespace().next().unwrap()).collect();
    gone.sort_unstable();
    gone
}

async fn delete_repository(person: &Person, name: &str) {
    person.change("DELETE", &format!("/projects/team/repositories/{name}"), &Value::Null).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_tells_what_nothing_needs_and_what_of_it_is_kept() {
    let (server, alice) = team(setup()).await;
    let (_, whole) = alice.push_image("team/whole", "v1", b"a layer").await;
    let (_, live) = alice.push_image("team/live", "v1", b"another layer").await;
    delete_repository(&alice, "whole").await;
    let kept = [
        "2 blobs and 1 manifests eligible for deletion",
        "2 of these blobs and 1 of these manifests are kept until what was deleted cannot \
                 be brought back any more",
    ];
    for parameters in [json!({"dry_run": true}), json!({"workers": 3})] {
        let log = collect(&server, parameters).await;
        assert_eq!(line(&log, "eligible for deletion"), kept[0]);
        assert_eq!(line(&log, "are kept"), kept[1]);
        assert_eq!(gone(&log), Vec::<&str>::new());
    }
    let forget = json!({"forget_deleted": true, "workers": 2});
    let dry = collect(&server, json!({"forget_deleted": true, "dry_run": true})).await;
    let log = collect(&server, forget).await;
    assert!(line(&log, "workers").starts_with("workers: 2, delete_untagged: false"), "{log}");
    for log in [&dry, &log] {
        assert_eq!(line(log, "eligible for deletion"), kept[0]);
        assert!(!log.contains("are kept"), "{log}");
    }
    let names = gone(&log);
    assert!(names.len() == 3 && names.contains(&whole.as_str()), "{log}");
    assert!(log.contains(&format!("{whole} (a manifest of team/whole)")), "{log}");
    assert_eq!(
        line(&collect(&server, json!({})).await, "eligible for deletion"),
        "0 blobs and 0 manifests eligible for deletion"
    );
    // What collection takes and keeps, because a tag that was deleted named it.
    alice
        .change("DELETE", "/projects/team/repositories/live/artifacts/v1/tags/v1", &Value::Null)
        .await;
    for parameters in
        [json!({"delete_untagged": true, "dry_run": true}), json!({"delete_untagged": true})]
    {
        let log = collect(&server, parameters).await;
        assert_eq!(line(&log, "eligible for deletion"), kept[0], "{log}");
        assert_eq!(line(&log, "are kept"), kept[1], "{log}");
    }
    assert_eq!(deleted(&alice, "artifacts").await[0]["digest"], live.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_purged_counts_once() {
    let (server, alice) = team(setup().env("ROADSTEAD_UNDELETE_WINDOW", "1ms")).await;
    let (_, digest) = alice.push_image("team/app", "v1", b"a layer").await;
    alice.push_image("team/app", "v2", b"another layer").await;
    delete(&alice, "team/app", &digest).await;
    alice
        .change("DELETE", "/projects/team/repositories/app/artifacts/v2/tags/v2", &Value::Null)
        .await;
    for (parameters, left) in [(json!({}), 1), (json!({"delete_untagged": true}), 0)] {
        let log = collect(&server, parameters).await;
        assert_eq!(line(&log, "eligible"), "2 blobs and 1 manifests eligible for deletion");
        let done = &server.admin().read("/system/gc?page_size=1").await[0];
        let results: Value = done["job_parameters"].as_str().unwrap().parse().unwrap();
        assert_eq!(
            (&results["purged_blobs"], &results["purged_manifests"]),
            (&json!(2), &json!(1))
        );
        // The repository stays, as it does in Harbor.
        let app = alice.read("/projects/team/repositories/app/artifacts").await;
        assert_eq!(app.as_array().unwrap().len(), left);
        let all = alice.read("/projects/team/repositories").await;
        assert_eq!(all[0]["name"], "team/app");
    }
    delete_repository(&alice, "app").await;
    assert_eq!(alice.read("/projects/team/repositories").await, json!([]));
    let nothing = alice.read("/projects/team/repositories/app/artifacts").await;
    assert_eq!(nothing, json!([]), "what is not there has no artifacts");
}
