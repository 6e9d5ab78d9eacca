//! What is in a project.

use roadstead_tests::http::{Person, error_code, with_query};
use serde_json::{Value, json};

use super::stage::{PROJECTS, add_member, json_of, names, people, status, without_times};

#[tokio::test(flavor = "multi_thread")]
async fn repositories_are_listed_described_and_deleted() {
    let (_server, [admin, alice, bob, _]) = people().await;
    alice.create_project("open", true).await;
    let (_, first) = alice.push_image("open/one", "v1", b"first").await;
    alice.push_image("open/deep/two", "v1", b"second").await;
    alice.push_image("open/deep/two", "v2", b"third").await;
    let list = format!("{PROJECTS}/open/repositories");
    let found = json_of(&bob, &list).await;
    assert_eq!(names(&found, "name"), ["open/deep/two", "open/one"], "the newest first");
    let expected = json!({
        "id": found[0]["id"], "project_id": 2, "name": "open/deep/two", "artifact_count": 2,
        "pull_count": 0,
    });
    assert_eq!(without_times(found[0].clone()), expected);
    for (query, expected) in [
        ("q=name%3D~DEEP", vec!["open/deep/two"]),
        ("sort=name&page_size=1&page=2", vec!["open/one"]),
        ("sort=-update_time", vec!["open/deep/two", "open/one"]),
        (
            &format!("q=blob_digest%3D{}", roadstead_tests::content::sha256(b"first")),
            vec!["open/one"],
        ),
        (&format!("q=blob_digest%3D{first}"), vec![]),
    ] {
        let found = json_of(&bob, &with_query(&list, query)).await;
        assert_eq!(names(&found, "name"), expected, "{query}");
    }
    let one = format!("{list}/deep%252Ftwo");
    assert_eq!(bob.get(&one).await.status(), 403, "Harbor's public set lists, and reads none");
    let words = "what <b>it</b> is";
    assert_eq!(status(&alice, "PUT", &one, json!({"description": words})).await, 200);
    assert_eq!(json_of(&alice, &one).await["description"], words);
    for (path, expected) in [
        (format!("{list}/nothing"), 404),
        (format!("{list}/Upper"), 400),
        (format!("{list}/..%252F..%252Flibrary"), 400),
        (format!("{PROJECTS}/nothing/repositories/x"), 403),
    ] {
        assert_eq!(alice.get(&path).await.status(), expected, "{path}");
        assert_eq!(status(&alice, "DELETE", &path, Value::Null).await, expected, "{path}");
    }
    assert_eq!(bob.delete(&one).await.status(), 403);
    let session = alice.start_upload("open/deep/two").await;
    let used = json_of(&admin, "/api/v2.0/quotas/2").await["used"]["storage"].as_i64().unwrap();
    assert_eq!(alice.delete(&one).await.status(), 200);
    assert_eq!(alice.get(&one).await.status(), 404);
    assert_eq!(alice.get("/v2/open/deep/two/manifests/v1").await.status(), 404);
    assert_eq!(alice.get(&session).await.status(), 404);
    let left = json_of(&admin, "/api/v2.0/quotas/2").await["used"]["storage"].as_i64().unwrap();
    assert!(0 < left && left < used, "{left} of {used} bytes are left");
    alice.push_image("open/deep/two", "v1", b"second").await;
    assert!(json_of(&alice, &one).await.get("description").is_none(), "a new one begins anew");
}

/// A registry token for a scope.
async fn token(person: &Person, scope: &str) -> String {
    let path = format!("/service/token?service=harbor-registry&scope={scope}");
    json_of(person, &path).await["token"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_goes_with_all_that_hangs_on_it() {
    let (server, [admin, alice, bob, _]) = people().await;
    alice.create_project("web", false).await;
    let path = format!("{PROJECTS}/web");
    add_member(&alice, "web", "bob", 2, "").await;
    add_member(&alice, "web", "carol", 2, "a/**").await;
    alice.push_image("web/app", "v1", b"a layer").await;
    let rule = json!({
        "tag_selectors": [{"kind": "doublestar", "decoration": "matches", "pattern": "x"}],
        "scope_selectors": {"repository":
            [{"kind": "doublestar", "decoration": "repoMatches", "pattern": "**"}]},
    });
    assert_eq!(status(&alice, "POST", &format!("{path}/immutabletagrules"), rule).await, 201);
    let settings = json!({"metadata": {"auto_scan": "true"},
                          "cve_allowlist": {"items": [{"cve_id": "CVE-1"}]}});
    assert_eq!(status(&alice, "PUT", &path, settings).await, 200);
    let summary = json_of(&alice, &format!("{path}/summary")).await;
    let expected = json!({
        "repo_count": 1, "project_admin_count": 1, "developer_count": 2,
        "quota": {"hard": {"storage": -1}, "used": summary["quota"]["used"]},
    });
    assert_eq!(summary, expected);
    let message = "the project contains repositories, can not be deleted";
    let deletable = format!("{path}/_deletable");
    assert_eq!(json_of(&alice, &deletable).await, json!({"message": message}));
    assert_eq!(bob.get(&deletable).await.status(), 403);
    assert_eq!(bob.delete(&path).await.status(), 403);
    let refused = alice.delete(&path).await;
    assert_eq!(refused.status(), 412);
    assert_eq!(error_code(refused).await, "PRECONDITION");
    assert_eq!(alice.delete(&format!("{path}/repositories/app")).await.status(), 200);
    // What never became an artifact is no content.
    alice.push_blob("web/left", b"a blob without a manifest").await;
    let session = alice.start_upload("web/open").await;
    let before = token(&alice, "repository:web/app:pull,push").await;
    assert_eq!(json_of(&alice, &deletable).await, json!({"deletable": true}));
    assert_eq!(alice.delete(&path).await.status(), 200);
    assert_eq!(admin.get(&path).await.status(), 404);
    assert_eq!(alice.get(&path).await.status(), 403);
    assert_eq!(admin.get("/api/v2.0/quotas/2").await.status(), 404);
    assert_eq!(alice.get(&session).await.status(), 401);
    // The name is free, and nothing of the old one holds for the new one.
    alice.create_project("web", false).await;
    let found = json_of(&alice, &path).await;
    assert_eq!(found["project_id"], 3);
    assert_eq!(found["metadata"], json!({"public": "false"}));
    assert_eq!(found["cve_allowlist"]["items"], json!([]));
    assert_eq!(bob.get(&path).await.status(), 403);
    alice.push_image("web/app", "v1", b"a layer").await;
    let with_token =
        |token: &str, path: &str| server.nobody().send("GET", path).bearer_auth(token).send();
    let manifest = "/v2/web/app/manifests/v1";
    assert_eq!(with_token(&before, manifest).await.unwrap().status(), 401);
    let fresh = token(&alice, "repository:web/app:pull").await;
    assert_eq!(with_token(&fresh, manifest).await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_and_search_show_what_the_caller_sees() {
    let (_server, [admin, alice, bob, _]) = people().await;
    alice.create_project("secret", false).await;
    alice.create_project("open", true).await;
    alice.push_image("secret/app", "v1", b"a layer").await;
    alice.push_image("open/app", "v1", b"a layer").await;
    let of = |private: i64, public: i64, total: i64| {
        json!({"private_project_count": private, "private_repo_count": private,
               "public_project_count": 2, "public_repo_count": public,
               "total_project_count": total, "total_repo_count": total.min(2)})
    };
    for (person, expected) in [(&bob, of(0, 1, 0)), (&alice, of(1, 1, 0)), (&admin, of(1, 1, 3))] {
        let mut found = json_of(person, "/api/v2.0/statistics").await;
        let storage = found.as_object_mut().unwrap().remove("total_storage_consumption").unwrap();
        assert_eq!(storage.as_i64().unwrap() > 0, expected["total_project_count"] != 0);
        assert_eq!(found, expected);
    }
    let found = json_of(&bob, "/api/v2.0/search?q=app").await;
    let expected = json!({"project": [], "repository": [{
        "project_id": 3, "project_name": "open", "project_public": true,
        "repository_name": "open/app", "artifact_count": 1,
    }]});
    assert_eq!(found, expected);
    let found = json_of(&alice, "/api/v2.0/search?q=SECret").await;
    assert_eq!(names(&found["project"], "name"), ["secret"]);
    let expected = json!([{"project_id": 2, "project_name": "secret",
                           "repository_name": "secret/app", "artifact_count": 1}]);
    assert_eq!(found["repository"], expected);
    let everything = json_of(&bob, "/api/v2.0/search?q=").await;
    assert_eq!(names(&everything["project"], "name"), ["library", "open"]);
    assert_eq!(bob.get("/api/v2.0/search").await.status(), 422);
    for q in ["%25", "_", "'"] {
        let found = json_of(&bob, &format!("/api/v2.0/search?q={q}")).await;
        assert_eq!(found, json!({"project": [], "repository": []}), "{q}");
    }
}
