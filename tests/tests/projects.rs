//! Projects, their settings, members and repositories, as Harbor's clients see them.

use roadstead_tests::http::{Person, error_code, header, with_query};
use roadstead_tests::{Server, Setup};
use serde_json::{Value, json};

const PROJECTS: &str = "/api/v2.0/projects";

/// A server with alice, bob and carol.
async fn people() -> (Server, [Person; 4]) {
    let server = Setup::new().start();
    let admin = server.admin();
    for name in ["alice", "bob", "carol"] {
        admin.create_user(name).await;
    }
    let person = |name| server.person(name, "Password-1");
    let everybody = [admin, person("alice"), person("bob"), person("carol")];
    (server, everybody)
}

async fn json_of(person: &Person, path: &str) -> Value {
    let answer = person.get(path).await;
    assert_eq!(answer.status(), 200, "{path}");
    answer.json().await.unwrap()
}

async fn send(person: &Person, method: &str, path: &str, body: Value) -> reqwest::Response {
    person.send(method, path).json(&body).send().await.unwrap()
}

async fn status(person: &Person, method: &str, path: &str, body: Value) -> u16 {
    send(person, method, path, body).await.status().as_u16()
}

/// Adds a member and returns the path of the membership.
async fn add_member(
    person: &Person,
    project: &str,
    name: &str,
    role: i64,
    pattern: &str,
) -> String {
    let mut body = json!({"role_id": role, "member_user": {"username": name}, "member_group": {}});
    if !pattern.is_empty() {
        body["repository_pattern"] = pattern.into();
    }
    let answer = send(person, "POST", &format!("{PROJECTS}/{project}/members"), body).await;
    assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
    header(&answer, "location")
}

/// Takes the times out of an answer after a look at them.
fn without_times(mut value: Value) -> Value {
    if let Some(object) = value.as_object_mut() {
        for key in ["creation_time", "update_time"] {
            if let Some(time) = object.remove(key) {
                let time = time.as_str().unwrap_or_default();
                assert!(time.len() == 24 && time.ends_with('Z'), "{key}: {time}");
            }
        }
        for inner in object.values_mut() {
            *inner = without_times(inner.take());
        }
    }
    value
}

fn names(list: &Value, key: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|entry| entry[key].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_is_read_back_as_it_was_made() {
    let (_server, [admin, alice, ..]) = people().await;
    let body = json!({
        "project_name": "web",
        "metadata": {"public": "false", "auto_scan": "True", "severity": "High",
                     "prevent_vul": "true", "reuse_sys_cve_allowlist": "false",
                     "enable_content_trust": "", "proxy_speed_kb": "-1"},
        "cve_allowlist": {"items": [{"cve_id": "CVE-2024-1"}], "expires_at": 1_900_000_000},
        "storage_limit": -1,
    });
    let answer = send(&alice, "POST", PROJECTS, body.clone()).await;
    assert_eq!(answer.status(), 201);
    let location = header(&answer, "location");
    assert!(answer.text().await.unwrap().is_empty());
    assert_eq!(location, format!("{PROJECTS}/2"));
    let alice_id = json_of(&alice, "/api/v2.0/users/current").await["user_id"].clone();
    let expected = json!({
        "project_id": 2, "owner_id": alice_id, "name": "web", "owner_name": "alice",
        "togglable": true, "current_user_role_id": 1, "current_user_role_ids": [1],
        "repo_count": 0,
        "metadata": {"public": "false", "auto_scan": "true", "severity": "high",
                     "prevent_vul": "true", "reuse_sys_cve_allowlist": "false"},
        "cve_allowlist": {"id": 2, "project_id": 2, "expires_at": 1_900_000_000,
                          "items": [{"cve_id": "CVE-2024-1"}]},
    });
    for path in [location.as_str(), &format!("{PROJECTS}/web"), &format!("{PROJECTS}/2/")] {
        assert_eq!(without_times(json_of(&alice, path).await), expected, "{path}");
    }
    let of_admin = json_of(&admin, &location).await;
    assert_eq!(of_admin["current_user_role_ids"], Value::Null);
    assert!(of_admin.get("current_user_role_id").is_none());
    let brief = json_of(&alice, &format!("{PROJECTS}?with_detail=False&name=web")).await;
    let brief = without_times(brief[0].clone());
    let expected = json!({
        "project_id": 2, "owner_id": expected["owner_id"], "name": "web", "togglable": true,
        "current_user_role_id": 1, "current_user_role_ids": [1], "repo_count": 0,
    });
    assert_eq!(brief, expected);
    assert_eq!(error_code(send(&alice, "POST", PROJECTS, body).await).await, "CONFLICT");
    // A name of digits is a name where the client says so.
    let request = alice.send("POST", PROJECTS).header("X-Resource-Name-In-Location", "True");
    let answer = request.json(&json!({"project_name": "77", "public": true})).send().await.unwrap();
    assert_eq!(header(&answer, "location"), format!("{PROJECTS}/77"));
    let request = alice.send("GET", &format!("{PROJECTS}/77")).header("X-Is-Resource-Name", "true");
    let named: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!((&named["name"], &named["metadata"]["public"]), (&json!("77"), &json!("true")));
    assert_eq!(alice.get(&format!("{PROJECTS}/77")).await.status(), 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_project_is_refused_with_a_reason() {
    let (_server, [admin, alice, ..]) = people().await;
    let refused = [
        json!({"project_name": "Upper"}),
        json!({"project_name": "a__b"}),
        json!({"project_name": ""}),
        json!({}),
        json!({"project_name": "a", "metadata": {"public": "perhaps"}}),
        json!({"project_name": "a", "metadata": {"severity": "bad"}}),
        json!({"project_name": "a", "metadata": {"retention_id": "1"}}),
        json!({"project_name": "a", "metadata": {"max_upstream_conn": "0"}}),
        json!({"project_name": "a", "cve_allowlist": {"items": [{"cve_id": ""}]}}),
        json!({"project_name": "a", "cve_allowlist":
               {"items": [{"cve_id": "CVE-1"}, {"cve_id": "CVE-1"}]}}),
        json!({"project_name": "a", "cve_allowlist": {"expires_at": -1}}),
        json!({"project_name": "a", "registry_id": 1}),
    ];
    for body in refused {
        let answer = send(&alice, "POST", PROJECTS, body.clone()).await;
        assert_eq!(answer.status(), 400, "{body}");
        assert_eq!(error_code(answer).await, "BAD_REQUEST");
    }
    for limit in [-2, 1_i64 << 51] {
        let body = json!({"project_name": "a", "storage_limit": limit});
        assert_eq!(status(&admin, "POST", PROJECTS, body).await, 400, "{limit}");
    }
    let unreadable = json!({"project_name": 1});
    assert_eq!(status(&alice, "POST", PROJECTS, unreadable).await, 422);
    let total = alice.get(PROJECTS).await;
    assert_eq!(header(&total, "x-total-count"), "1", "only the first project is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_merged_and_the_name_and_the_limit_stay() {
    let (_server, [admin, alice, ..]) = people().await;
    alice.create_project("web", false).await;
    let path = format!("{PROJECTS}/web");
    // As the Terraform provider sends it.
    let change = json!({
        "project_name": "other", "storage_limit": 1024, "cve_allowlist": {},
        "metadata": {"auto_scan": "true", "severity": "low", "prevent_vul": "false",
                     "enable_content_trust": "false", "public": "true"},
    });
    assert_eq!(status(&alice, "PUT", &path, change).await, 200);
    let list = json!({"project_id": 2, "items": [{"cve_id": "CVE-2024-1"}]});
    let change = json!({"metadata": {"severity": "critical"}, "cve_allowlist": list});
    assert_eq!(status(&alice, "PUT", &path, change).await, 200);
    let found = json_of(&alice, &path).await;
    assert_eq!(found["name"], "web");
    let expected = json!({"public": "true", "auto_scan": "true", "severity": "critical",
                          "prevent_vul": "false", "enable_content_trust": "false"});
    assert_eq!(found["metadata"], expected);
    assert_eq!(found["cve_allowlist"]["items"], json!([{"cve_id": "CVE-2024-1"}]));
    assert_eq!(json_of(&admin, "/api/v2.0/quotas/2").await["hard"], json!({"storage": -1}));
    assert_eq!(status(&alice, "PUT", &path, json!({"public": false})).await, 200);
    let found = json_of(&alice, &path).await;
    assert_eq!(found["metadata"]["public"], "false");
    assert_eq!(found["metadata"]["severity"], "critical");
    for change in [
        json!({"metadata": {"public": "x"}}),
        json!({"metadata": {"retention_id": "7"}}),
        json!({"cve_allowlist": {"project_id": 1}}),
        json!({"registry_id": 3}),
    ] {
        assert_eq!(status(&alice, "PUT", &path, change.clone()).await, 400, "{change}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn projects_are_listed_by_what_is_asked_for() {
    let (_server, [_, alice, bob, _]) = people().await;
    for (name, public) in [("alpha", false), ("beta", true), ("gamma", false)] {
        alice.create_project(name, public).await;
    }
    let list = async |query: &str| {
        names(&json_of(&alice, &format!("{PROJECTS}?{query}")).await, "name").join(" ")
    };
    for (query, expected) in [
        ("", "alpha beta gamma library"),
        ("sort=-name", "library gamma beta alpha"),
        ("sort=-creation_time", "gamma beta alpha library"),
        ("name=a&public=false", "alpha gamma"),
        ("public=True", "beta library"),
        ("owner=alice", "alpha beta gamma"),
        ("q=name%3D~ET", "beta"),
        ("q=project_id%3D[3~4]&sort=-project_id", "gamma beta"),
        ("q=owner_name%3Dadmin", "library"),
        ("page=2&page_size=3", "library"),
        ("page_size=0", "alpha beta gamma library"),
    ] {
        assert_eq!(list(query).await, expected, "{query}");
    }
    let answer = alice.get(&format!("{PROJECTS}?page_size=2&page=1")).await;
    assert_eq!(header(&answer, "x-total-count"), "4");
    let next = format!("<{PROJECTS}?page=2&page_size=2>; rel=\"next\"");
    assert_eq!(header(&answer, "link"), next);
    for query in ["q=nothing%3D1", "sort=password_hash"] {
        assert_eq!(alice.get(&format!("{PROJECTS}?{query}")).await.status(), 400, "{query}");
    }
    assert_eq!(names(&json_of(&bob, PROJECTS).await, "name"), ["beta", "library"]);
    for (name, expected) in [("beta", 200), ("alpha", 403), ("nothing", 403)] {
        let path = format!("{PROJECTS}?project_name={name}");
        assert_eq!(bob.head(&path).await.status(), expected, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn single_settings_have_each_their_permission() {
    let (_server, [admin, alice, bob, _]) = people().await;
    alice.create_project("web", false).await;
    let maintainer = add_member(&alice, "web", "bob", 4, "").await;
    assert_eq!(maintainer, format!("{PROJECTS}/web/members/3"));
    let all = format!("{PROJECTS}/web/metadatas/");
    let one = |name: &str| format!("{PROJECTS}/web/metadatas/{name}");
    assert_eq!(status(&bob, "POST", &all, json!({"auto_scan": "true"})).await, 403);
    assert_eq!(status(&alice, "POST", &all, json!({"auto_scan": "1"})).await, 200);
    assert_eq!(status(&alice, "POST", &all, json!({"auto_scan": "0"})).await, 409);
    assert_eq!(status(&alice, "POST", &all, json!({"public": "true"})).await, 409);
    for body in [
        json!({}),
        json!({"auto_scan": "true", "prevent_vul": "true"}),
        json!({"owner": "bob"}),
        json!({"severity": "x"}),
        json!({"retention_id": "1"}),
    ] {
        assert_eq!(status(&alice, "POST", &all, body.clone()).await, 400, "{body}");
    }
    assert_eq!(json_of(&bob, &one("auto_scan")).await, json!({"auto_scan": "true"}));
    assert_eq!(json_of(&bob, &one("severity")).await, json!({}));
    let change = |value: &str| json!({"auto_scan": value});
    assert_eq!(status(&bob, "PUT", &one("auto_scan"), change("false")).await, 403);
    assert_eq!(status(&alice, "PUT", &one("auto_scan"), change("false")).await, 200);
    assert_eq!(status(&alice, "PUT", &one("severity"), change("false")).await, 400);
    assert_eq!(status(&alice, "PUT", &one("severity"), json!({"severity": "low"})).await, 404);
    assert_eq!(status(&alice, "PUT", &one("public"), json!({"public": "true"})).await, 200);
    assert_eq!(alice.get(&all).await.status(), 403, "Harbor's admins may not list them");
    let expected = json!({"auto_scan": "false", "public": "true"});
    for path in [all.as_str(), all.trim_end_matches('/')] {
        assert_eq!(json_of(&admin, path).await, expected);
    }
    assert_eq!(bob.delete(&one("auto_scan")).await.status(), 403);
    assert_eq!(alice.delete(&one("auto_scan")).await.status(), 200);
    assert_eq!(alice.delete(&one("auto_scan")).await.status(), 404);
    assert_eq!(alice.delete(&one("public")).await.status(), 200);
    assert_eq!(json_of(&admin, &all).await, json!({"public": "false"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_added_changed_and_removed() {
    let (_server, [_, alice, bob, carol]) = people().await;
    alice.create_project("web", false).await;
    carol.create_project("other", false).await;
    let path = format!("{PROJECTS}/2/members");
    let location = add_member(&alice, "2", "bob", 2, "").await;
    assert!(location.starts_with(&format!("{path}/")));
    let member = json_of(&bob, &location).await;
    let expected = json!({
        "id": member["id"], "project_id": 2, "entity_name": "bob", "role_name": "developer",
        "role_id": 2, "entity_id": member["entity_id"], "entity_type": "u",
    });
    assert_eq!(member, expected);
    let again = json!({"role_id": 3, "member_user": {"user_id": member["entity_id"]}});
    assert_eq!(error_code(send(&alice, "POST", &path, again).await).await, "CONFLICT");
    for (body, expected) in [
        (json!({"role_id": 6, "member_user": {"username": "carol"}}), 400),
        (json!({"role_id": 0, "member_user": {"username": "carol"}}), 400),
        (json!({"member_user": {"username": "carol"}}), 400),
        (json!({"role_id": 2, "member_user": {}, "member_group": {}}), 400),
        (json!({"role_id": 2}), 400),
        (json!({"role_id": 2, "member_user": {"username": "nobody"}}), 404),
        (json!({"role_id": 2, "member_user": {"user_id": 999}}), 404),
        (json!({"role_id": 2, "member_group": {"id": 999}}), 404),
        (json!({"role_id": 2, "member_group": {"group_name": "x", "group_type": 1}}), 404),
        (
            json!({"role_id": 2, "member_user": {"username": "carol"},
                "repository_pattern": "[a"}),
            400,
        ),
    ] {
        assert_eq!(status(&alice, "POST", &path, body.clone()).await, expected, "{body}");
    }
    assert_eq!(status(&bob, "POST", &path, json!({"role_id": 1})).await, 403);
    // As the Terraform provider sends it.
    let change = json!({"role_id": 4, "member_user": {"username": "bob"}, "member_group": {}});
    assert_eq!(status(&alice, "PUT", &location, change).await, 200);
    assert_eq!(json_of(&alice, &location).await["role_name"], "maintainer");
    assert_eq!(status(&alice, "PUT", &location, json!({"role_id": 9})).await, 400);
    add_member(&alice, "web", "carol", 5, "").await;
    let list = alice.get(&format!("{path}?page_size=2")).await;
    assert_eq!(header(&list, "x-total-count"), "3");
    assert_eq!(names(&list.json().await.unwrap(), "entity_name"), ["alice", "bob"]);
    let found = json_of(&alice, &with_query(&path, "entityname=aro")).await;
    assert_eq!(names(&found, "entity_name"), ["carol"]);
    // A member of another project is not there.
    let elsewhere = location.replace("/projects/2/", "/projects/other/");
    for method in ["GET", "PUT", "DELETE"] {
        let body = json!({"role_id": 1});
        assert_eq!(status(&carol, method, &elsewhere, body).await, 404, "{method}");
    }
    assert_eq!(alice.get(&format!("{path}/x")).await.status(), 422);
    assert_eq!(alice.delete(&location).await.status(), 200);
    assert_eq!(alice.get(&location).await.status(), 404);
    assert_eq!(bob.get(&format!("{PROJECTS}/2")).await.status(), 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_keeps_somebody_who_administers_it() {
    let (_server, [admin, alice, ..]) = people().await;
    alice.create_project("web", false).await;
    let path = format!("{PROJECTS}/web/members");
    let own = json_of(&alice, &path).await[0]["id"].clone();
    let own = format!("{path}/{own}");
    add_member(&alice, "web", "bob", 1, "only/**").await;
    for (method, body) in [("DELETE", Value::Null), ("PUT", json!({"role_id": 2}))] {
        let answer = send(&alice, method, &own, body).await;
        assert_eq!(answer.status(), 412, "{method}");
        assert_eq!(error_code(answer).await, "PRECONDITION");
    }
    assert_eq!(status(&alice, "PUT", &own, json!({"role_id": 1})).await, 200);
    let second = add_member(&alice, "web", "carol", 1, "").await;
    assert_eq!(status(&alice, "PUT", &own, json!({"role_id": 2})).await, 200);
    assert_eq!(status(&alice, "PUT", &own, json!({"role_id": 1})).await, 403);
    assert_eq!(admin.delete(&second).await.status(), 200, "an administrator may");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_for_some_repositories_shows_and_opens_exactly_those() {
    let (_server, [admin, alice, bob, _]) = people().await;
    alice.create_project("team", false).await;
    let location = add_member(&alice, "team", "bob", 2, "base/**").await;
    for name in ["base/os", "base/lang/go", "web"] {
        alice.push_image(&format!("team/{name}"), "v1", b"a layer").await;
    }
    assert_eq!(json_of(&alice, &location).await["repository_pattern"], "base/**");
    let widen = json!({"role_id": 2, "repository_pattern": ""});
    assert_eq!(status(&alice, "PUT", &location, widen).await, 400);
    let mine = ["team/base/lang/go", "team/base/os"];
    let list = format!("{PROJECTS}/team/repositories?sort=name");
    let listed = bob.get(&list).await;
    assert_eq!(header(&listed, "x-total-count"), "2");
    assert_eq!(names(&listed.json().await.unwrap(), "name"), mine);
    let everywhere = json_of(&bob, "/api/v2.0/repositories?sort=name").await;
    assert_eq!(names(&everywhere, "name"), mine);
    let found = json_of(&bob, "/api/v2.0/search?q=team").await;
    assert_eq!(names(&found["repository"], "repository_name"), mine);
    assert_eq!(names(&found["project"], "name"), ["team"]);
    let catalog = json_of(&bob, "/v2/_catalog").await;
    assert_eq!(catalog["repositories"], json!(mine));
    assert_eq!(json_of(&bob, "/api/v2.0/statistics").await["private_repo_count"], 2);
    let repository = |name: &str| format!("{PROJECTS}/team/repositories/{name}");
    for (name, expected) in [
        ("base%252Fos", 200),
        ("base%2Fos", 200),
        ("base%252Flang%252Fgo", 200),
        ("base%252Fnothing", 404),
        ("web", 403),
        ("nothing", 403),
    ] {
        assert_eq!(bob.get(&repository(name)).await.status(), expected, "{name}");
    }
    let words = json!({"description": "ours"});
    assert_eq!(status(&bob, "PUT", &repository("base%252Fos"), words.clone()).await, 200);
    assert_eq!(status(&bob, "PUT", &repository("web"), words).await, 403);
    // What is of the project as a whole is not theirs.
    for path in ["members", "immutabletagrules", "summary"] {
        let expected = if path == "summary" { 200 } else { 403 };
        let path = format!("{PROJECTS}/team/{path}");
        assert_eq!(bob.get(&path).await.status(), expected, "{path}");
    }
    let summary = json_of(&bob, &format!("{PROJECTS}/team/summary")).await;
    assert_eq!(summary, json!({"repo_count": 3}));
    assert_eq!(json_of(&admin, &list).await.as_array().unwrap().len(), 3);
}

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
    let found = json_of(&alice, "/api/v2.0/search?q=secret").await;
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
