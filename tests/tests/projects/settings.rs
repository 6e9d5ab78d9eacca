//! Projects and their settings.

use roadstead_tests::http::{error_code, header};
use serde_json::{Value, json};

use super::stage::{PROJECTS, add_member, json_of, names, people, send, status, without_times};

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
