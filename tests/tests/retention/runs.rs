//! Executions over what was pushed for real.

use roadstead_tests::content::{INDEX, MANIFEST, descriptor, image, index};
use roadstead_tests::http::header;
use serde_json::{Value, json};

use super::stage::{age, execute, latest, make, rule, setup, tags, tags_of, task, verdict};

async fn used(admin: &roadstead_tests::http::Person) -> i64 {
    admin.read("/quotas/1").await["used"]["storage"].as_i64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_tells_what_the_real_one_then_deletes() {
    let server = setup().start();
    let admin = server.admin();
    for (tag, days) in [("v1", 3), ("v2", 2), ("v3", 1)] {
        admin.push_image("library/app", tag, tag.as_bytes()).await;
        age(&server, tag, days).await;
    }
    let path = make(&admin, "library", &[latest(2)]).await;
    let before = used(&admin).await;
    let dry = execute(&admin, &path, json!({"dry_run": true})).await;
    assert_eq!(
        (tags_of(&admin, "library/app").await.as_str(), used(&admin).await),
        ("v1 v2 v3", before)
    );
    let wet = execute(&admin, &path, json!({"dry_run": false})).await;
    for execution in [&dry, &wet] {
        let (found, log) = task(&admin, execution, "app").await;
        assert_eq!((&found["total"], &found["retained"]), (&json!(3), &json!(2)), "{log}");
        let verdicts = ["v1", "v2", "v3"].map(|tag| verdict(&log, tag));
        assert_eq!(verdicts, ["DEL", "RETAIN", "RETAIN"]);
        assert_eq!(log.contains("dry run"), *execution == dry);
    }
    assert_eq!(tags_of(&admin, "library/app").await, "v2 v3");
    assert!(used(&admin).await < before, "the quota has room again");
    let query = "q=operation%3Ddelete%2Cresource_type%3Dartifact";
    let events = admin.read(&format!("/auditlog-exts?{query}")).await;
    assert_eq!(events.as_array().unwrap().len(), 1);
    let policy = path.rsplit('/').next().unwrap();
    assert_eq!(events[0]["username"], format!("retention policy {policy}"));
    let why = events[0]["operation_description"].as_str().unwrap();
    assert!(why.contains("no rule of retention keeps it"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_immutable_is_never_touched() {
    let server = setup().start();
    let admin = server.admin();
    for (tag, days) in [("stable", 9), ("old", 5), ("new", 0)] {
        admin.push_image("library/app", tag, tag.as_bytes()).await;
        age(&server, tag, days).await;
    }
    let body = json!({
        "tag_selectors": [{"kind": "doublestar", "decoration": "matches", "pattern": "stable"}],
        "scope_selectors": {
            "repository": [{"kind": "doublestar", "decoration": "repoMatches", "pattern": "**"}],
        },
    });
    admin.make("/projects/library/immutabletagrules", &body).await;
    let path = make(&admin, "library", &[latest(1)]).await;
    for dry in [true, false] {
        let execution = execute(&admin, &path, json!({"dry_run": dry})).await;
        let (found, log) = task(&admin, &execution, "app").await;
        assert_eq!((&found["total"], &found["retained"]), (&json!(3), &json!(2)));
        let verdicts = ["stable", "old", "new"].map(|tag| verdict(&log, tag));
        assert_eq!(verdicts, ["IMMUTABLE", "DEL", "RETAIN"]);
    }
    assert_eq!(tags_of(&admin, "library/app").await, "new stable");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_goes_with_its_tags_and_what_it_holds_is_not_looked_at() {
    let server = setup().start();
    let admin = server.admin();
    admin.push_blob("library/app", b"{}").await;
    let child = image(b"{}", &[]).to_string();
    for (reference, bytes) in [("child", child.clone()), ("other", child.replace('}', " }"))] {
        let put = admin.put_manifest("library/app", reference, MANIFEST, bytes).await;
        assert_eq!(put.status(), 201);
    }
    let whole = index(&[descriptor(MANIFEST, child.as_bytes())]).to_string();
    let put = admin.put_manifest("library/app", "multi", INDEX, whole).await;
    let digest = header(&put, "docker-content-digest");
    assert_eq!(put.status(), 201);
    let keep = |pattern: &str| rule("always", json!({}), tags("matches", pattern, false));
    let path = make(&admin, "library", &[keep("{other,multi}")]).await;
    let execution = execute(&admin, &path, json!({})).await;
    let (found, log) = task(&admin, &execution, "app").await;
    assert_eq!((&found["total"], &found["retained"]), (&json!(3), &json!(3)));
    assert_eq!(verdict(&log, "child"), "ERR", "an index that stays holds it");
    assert_eq!(tags_of(&admin, "library/app").await, "child multi other");

    let untagged = admin.status(
        "DELETE",
        "/projects/library/repositories/app/artifacts/child/tags/child",
        &Value::Null,
    );
    assert_eq!(untagged.await, 200);
    let body = admin.read(&path).await;
    let mut changed = body.clone();
    changed["rules"] = json!([keep("other")]);
    admin.change("PUT", &path, &changed).await;
    let execution = execute(&admin, &path, json!({})).await;
    let (found, log) = task(&admin, &execution, "app").await;
    assert_eq!((&found["total"], &found["retained"]), (&json!(2), &json!(1)), "{log}");
    assert_eq!(verdict(&log, "multi"), "DEL");
    assert_eq!(admin.get(&format!("/v2/library/app/manifests/{digest}")).await.status(), 404);
    assert_eq!(tags_of(&admin, "library/app").await, "other");
}
