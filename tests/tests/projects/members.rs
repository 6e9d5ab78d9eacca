//! Who may do what in a project.

use roadstead_tests::http::{error_code, header, with_query};
use serde_json::{Value, json};

use super::stage::{PROJECTS, add_member, json_of, names, people, send, status};

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
    for part in ["aro", "ARO"] {
        let found = json_of(&alice, &with_query(&path, &format!("entityname={part}"))).await;
        assert_eq!(names(&found, "entity_name"), ["carol"]);
    }
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
