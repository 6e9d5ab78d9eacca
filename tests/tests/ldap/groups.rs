//! What groups of the directory give, and take again.

use roadstead_tests::slapd::{PASSWORD, group_dn};
use serde_json::{Value, json};

use super::stage::{
    IMAGE, browser_login, current, docker_login, refresh, status, team_of, with_directory,
};

#[tokio::test(flavor = "multi_thread")]
async fn groups_give_roles_and_take_them_when_they_are_left() {
    let Some((slapd, server)) = with_directory().await else { return };
    let (alice, bob) = (server.person("alice", PASSWORD), server.person("bob", PASSWORD));
    assert_eq!(status(&alice, "/v2/").await, 200);
    team_of(&server, "devs").await;
    assert_eq!((status(&alice, IMAGE).await, status(&bob, IMAGE).await), (200, 200));
    assert_eq!(status(&server.person("carol", PASSWORD), "/v2/").await, 200);
    let tokens: Value = docker_login(&server, "alice", PASSWORD).await.json().await.unwrap();
    let token = tokens["refresh_token"].as_str().unwrap();
    let scope = async |token: &str| {
        let answer: Value = refresh(&server, token).await.json().await.unwrap();
        answer["scope"].as_str().unwrap().to_owned()
    };
    assert_eq!(scope(token).await, "repository:team/app:pull");
    // At the next refresh.
    slapd.remove_member("devs", "alice");
    assert_eq!(scope(token).await, "repository:team/app:");
    assert_eq!((status(&alice, IMAGE).await, status(&bob, IMAGE).await), (401, 200));
    slapd.add_member("devs", "alice");
    assert_eq!(scope(token).await, "repository:team/app:pull");
    // At the next login.
    slapd.remove_member("devs", "bob");
    browser_login(&server, "bob", PASSWORD).await.unwrap();
    assert_eq!((status(&alice, IMAGE).await, status(&bob, IMAGE).await), (200, 401));
    slapd.remove_member("devs", "alice");
    slapd.set_password("alice", "Changed-1");
    assert_eq!(status(&server.person("alice", "Changed-1"), IMAGE).await, 401);
    // A group that is written otherwise is the same group.
    let query = "SELECT group_name, ldap_group_dn, group_type FROM user_group ORDER BY 1";
    let groups: Vec<(String, String, i64)> = server.database().await.rows(query, &[]).await;
    let group = |name: &str| (name.to_owned(), group_dn(name), 1);
    assert_eq!(groups, [group("admins"), group("devs")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_make_groups_adds_one_that_nobody_was_in_yet() {
    let Some((_slapd, server)) = with_directory().await else { return };
    let (admin, alice) = (server.admin(), server.person("alice", PASSWORD));
    assert_eq!(status(&alice, "/v2/").await, 200);
    admin.create_project("team", false).await;
    let members = "/projects/team/members";
    admin.make(members, &json!({"role_id": 1, "member_user": {"username": "alice"}})).await;
    let group = |dn: &str| json!({"role_id": 2, "member_group": {"ldap_group_dn": dn}});
    let admins = group(&group_dn("admins"));
    assert_eq!(alice.status("POST", members, &admins).await, 404, "not for everybody");
    assert_eq!(admin.status("POST", members, &group(&group_dn("nobody"))).await, 404);
    let (path, _) = admin.make(members, &admins).await;
    let found = admin.read(&path).await;
    assert_eq!((&found["entity_name"], &found["entity_type"]), (&json!("admins"), &json!("g")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_makes_administrators_while_they_are_in_it() {
    let Some((slapd, server)) = with_directory().await else { return };
    let carol = server.person("carol", PASSWORD);
    let me = current(&carol).await;
    assert_eq!((&me["sysadmin_flag"], &me["admin_role_in_auth"]), (&json!(false), &json!(true)));
    assert_eq!(status(&carol, "/api/v2.0/configurations").await, 200);
    let cookie = browser_login(&server, "carol", PASSWORD).await.unwrap();
    let with_cookie = async |path: &str| {
        let request = server.nobody().send("GET", path).header("cookie", &cookie);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(with_cookie("/api/v2.0/configurations").await, 200);
    slapd.remove_member("admins", "carol");
    browser_login(&server, "carol", PASSWORD).await.unwrap();
    assert_eq!(status(&carol, "/api/v2.0/configurations").await, 403);
    assert_eq!(with_cookie("/api/v2.0/configurations").await, 403);
    assert_eq!(current(&carol).await["admin_role_in_auth"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_left_the_directory_or_is_disabled_is_out() {
    let Some((slapd, mut server)) = with_directory().await else { return };
    let cookie = browser_login(&server, "alice", PASSWORD).await.unwrap();
    let mut tokens = Vec::new();
    for name in ["alice", "bob"] {
        let answer: Value = docker_login(&server, name, PASSWORD).await.json().await.unwrap();
        let token = answer["refresh_token"].as_str().unwrap().to_owned();
        assert_eq!(refresh(&server, &token).await.status(), 200);
        tokens.push(token);
    }
    slapd.delete_user("alice");
    assert_eq!(refresh(&server, &tokens[0]).await.status(), 401);
    assert_eq!(browser_login(&server, "alice", PASSWORD).await, Err(401));
    // Disabled here: the directory's consent changes nothing (nor does it enable anybody).
    server.sql("UPDATE principal SET disabled = TRUE WHERE name = 'bob'").await;
    assert_eq!(status(&server.person("bob", PASSWORD), "/v2/").await, 401);
    assert_eq!(browser_login(&server, "bob", PASSWORD).await, Err(401));
    assert_eq!(docker_login(&server, "bob", PASSWORD).await.status(), 401);
    assert_eq!(refresh(&server, &tokens[1]).await.status(), 401);
    // A session is believed for some minutes, by the process that has looked its owner up.
    let path = "/api/v2.0/users/current";
    let request = server.nobody().send("GET", path).header("cookie", &cookie);
    assert_eq!(request.send().await.unwrap().status(), 200);
    server.kill();
    server.start();
    let request = server.nobody().send("GET", path).header("cookie", &cookie);
    assert_eq!(request.send().await.unwrap().status(), 401);
}
