//! What is decided otherwise than in Harbor, unless somebody asks for Harbor's way.

use roadstead_tests::content::{INDEX, descriptor, image, index};
use serde_json::json;

use super::stage::{age, execute, latest, make, rule, setup, tags, tags_of, task, verdict};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_fresh_and_was_never_pulled_is_kept_by_a_rule_about_pulls_unless_it_says_otherwise()
{
    let server = setup().start();
    let admin = server.admin();
    for tag in ["fresh", "forgotten"] {
        admin.push_image("library/app", tag, tag.as_bytes()).await;
    }
    age(&server, "forgotten", 20).await;
    let all = || tags("matches", "**", true);
    let mild = rule("nDaysSinceLastPull", json!({"nDaysSinceLastPull": 7}), all());
    let path = make(&admin, "library", &[mild]).await;
    let execution = execute(&admin, &path, json!({})).await;
    assert_eq!(tags_of(&admin, "library/app").await, "fresh");
    let (_, log) = task(&admin, &execution, "app").await;
    assert_eq!((verdict(&log, "fresh"), verdict(&log, "forgotten")), ("RETAIN", "DEL"));
    assert_eq!(admin.status("DELETE", &path, &json!(null)).await, 200);
    let params = json!({"nDaysSinceLastPull": 7, "deleteNeverPulled": true});
    let path = make(&admin, "library", &[rule("nDaysSinceLastPull", params, all())]).await;
    execute(&admin, &path, json!({})).await;
    assert_eq!(tags_of(&admin, "library/app").await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_match_nothing_delete_nothing_unless_that_is_confirmed() {
    let server = setup().start();
    let admin = server.admin();
    for tag in ["release-1", "release-2"] {
        admin.push_image("library/app", tag, tag.as_bytes()).await;
    }
    admin.push_image("library/other", "relaese-1", b"other").await;
    let misspelt = rule("latestPushedK", json!({}), tags("matches", "relaese-*", false));
    let path = make(&admin, "library", &[misspelt]).await;
    let execution = execute(&admin, &path, json!({})).await;
    let (found, log) = task(&admin, &execution, "app").await;
    assert_eq!((&found["total"], &found["retained"]), (&json!(2), &json!(2)));
    assert!(log.contains("The rules select no artifact here, so nothing is deleted."), "{log}");
    let (_, log) = task(&admin, &execution, "other").await;
    assert!(!log.contains("select no artifact"), "{log}");
    assert_eq!(tags_of(&admin, "library/app").await, "release-1 release-2");
    let sure = json!({"delete_when_nothing_matches": true});
    execute(&admin, &path, sure).await;
    assert_eq!(tags_of(&admin, "library/app").await, "");
    assert_eq!(tags_of(&admin, "library/other").await, "relaese-1");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_whose_index_is_on_its_way_is_left_alone() {
    let server = setup().start();
    let admin = server.admin();
    admin.push_image("library/app", "v1", b"tagged").await;
    let config = b"{}";
    admin.push_blob("library/app", config).await;
    let child = image(config, &[]).to_string();
    let manifest = roadstead_tests::content::MANIFEST;
    let digest = roadstead_tests::content::sha256(child.as_bytes());
    let put = admin.put_manifest("library/app", &digest, manifest, child.clone()).await;
    assert_eq!(put.status(), 201);
    let tagged = rule("latestPushedK", json!({"latestPushedK": 1}), tags("matches", "**", false));
    let path = make(&admin, "library", &[tagged]).await;
    let execution = execute(&admin, &path, json!({})).await;
    let (found, _) = task(&admin, &execution, "app").await;
    assert_eq!(found["total"], 1);
    let whole = index(&[descriptor(manifest, child.as_bytes())]).to_string();
    let put = admin.put_manifest("library/app", "multi", INDEX, whole).await;
    assert_eq!(put.status(), 201, "the index finds what it names");
    assert_eq!(admin.status("DELETE", &path, &json!(null)).await, 200);
    make(&admin, "library", &[latest(1)]).await;
}
