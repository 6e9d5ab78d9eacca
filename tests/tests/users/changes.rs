//! Who changes accounts.

use roadstead_tests::http::error_code;
use serde_json::json;

use crate::{PASSWORD, with_people};

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_changed_by_whom_they_belong_to_and_by_administrators() {
    let (server, [(alice, id), (mallory, _)]) = with_people(["alice", "mallory"]).await;
    let (admin, nobody) = (server.admin(), server.nobody());
    let profile = json!({"email": "a@example.com", "realname": "A", "comment": ""});
    let (one, none) = (format!("/users/{id}"), json!({}));
    let rows = [
        ("GET", one.clone(), none.clone(), [401, 403, 200, 200]),
        ("PUT", one.clone(), profile, [401, 403, 200, 200]),
        ("PUT", one.clone(), json!({"email": "admin", "realname": "A"}), [401, 403, 400, 400]),
        ("PUT", format!("{one}/sysadmin"), json!({"sysadmin_flag": true}), [401, 403, 403, 200]),
        // Now she is an administrator, and may cease to be one.
        ("PUT", format!("{one}/sysadmin"), json!({"sysadmin_flag": false}), [401, 403, 200, 200]),
        ("PUT", format!("{one}/disabled"), json!({"disabled": false}), [401, 403, 403, 200]),
        ("PUT", format!("{one}/disabled"), none.clone(), [401, 403, 403, 422]),
        ("GET", format!("{one}/sessions"), none.clone(), [401, 403, 200, 200]),
        ("GET", format!("{one}/tokens"), none.clone(), [401, 403, 200, 200]),
        ("DELETE", format!("{one}/tokens/1"), none.clone(), [401, 403, 404, 404]),
        ("DELETE", format!("{one}/sessions"), none.clone(), [401, 403, 200, 200]),
        ("DELETE", one.clone(), none.clone(), [401, 403, 403, 200]),
        ("GET", one.clone(), none.clone(), [401, 403, 401, 404]),
        ("DELETE", one, none, [401, 403, 401, 404]),
    ];
    for (method, path, body, expected) in rows {
        for (person, expected) in [&nobody, &mallory, &alice, &admin].into_iter().zip(expected) {
            let status = person.status(method, &path, &body).await;
            assert_eq!(status, expected, "{method} {path} {person:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_changed_with_the_old_one_or_by_an_administrator() {
    let (server, [(alice, id)]) = with_people(["alice"]).await;
    let path = format!("/users/{id}/password");
    let change = |old: &str, new: &str| json!({"old_password": old, "new_password": new});
    assert_eq!(alice.status("PUT", &path, &change("Wrong-123", "Password-2")).await, 403);
    assert_eq!(alice.status("PUT", &path, &json!({"new_password": "Password-2"})).await, 403);
    assert_eq!(alice.status("PUT", &path, &change(PASSWORD, "password")).await, 400);
    assert_eq!(alice.status("PUT", &path, &change(PASSWORD, PASSWORD)).await, 400);
    alice.change("PUT", &path, &change(PASSWORD, "Password-2")).await;
    assert_eq!(alice.status("GET", "/users/current", &json!({})).await, 401);
    let admin = server.admin();
    admin.change("PUT", &path, &json!({"new_password": "Password-3"})).await;
    server.person("alice", "Password-3").read("/users/current").await;
    // Where a directory keeps the password, nobody changes it here.
    server.sql("UPDATE user_account SET source = 'oidc' WHERE email = 'alice@example.com'").await;
    let refused = admin.call("PUT", &path, &json!({"new_password": "Password-4"})).await;
    assert_eq!(refused.status(), 403);
    let profile = json!({"email": "a@example.com", "realname": "A"});
    assert_eq!(admin.status("PUT", &format!("/users/{id}"), &profile).await, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_administrator_stays_and_nobody_removes_themselves() {
    let (server, [(alice, id)]) = with_people(["alice"]).await;
    let admin = server.admin();
    let built_in = admin.user_id().await;
    let (no, yes) = (json!({"sysadmin_flag": false}), json!({"sysadmin_flag": true}));
    let of = |id: i64, what: &str| format!("/users/{id}{what}");
    let last = admin.call("PUT", &of(built_in, "/sysadmin"), &no).await;
    assert_eq!(last.status(), 412);
    assert_eq!(error_code(last).await, "PRECONDITION");
    admin.change("PUT", &of(id, "/sysadmin"), &yes).await;
    let disable = json!({"disabled": true});
    for (person, id) in [(&alice, built_in), (&alice, id), (&admin, built_in)] {
        assert_eq!(person.status("DELETE", &of(id, ""), &json!({})).await, 403);
        assert_eq!(person.status("PUT", &of(id, "/disabled"), &disable).await, 403);
    }
    alice.change("PUT", &of(built_in, "/sysadmin"), &no).await;
    assert_eq!(admin.status("GET", "/users", &json!({})).await, 403);
    assert_eq!(alice.status("PUT", &of(id, "/sysadmin"), &no).await, 412);
    alice.change("PUT", &of(built_in, "/sysadmin"), &yes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_update_users_is_not_an_administrator_yet() {
    let (server, [(alice, id), (_, boss)]) = with_people(["alice", "boss"]).await;
    let admin = server.admin();
    admin.change("PUT", &format!("/users/{boss}/sysadmin"), &json!({"sysadmin_flag": true})).await;
    let permissions = json!([{"kind": "system", "namespace": "/", "access": [
        {"resource": "user", "action": "update"}, {"resource": "user", "action": "delete"},
    ]}]);
    let robot = json!({
        "name": "keeper", "level": "system", "duration": -1, "permissions": permissions.clone(),
    });
    let (_, robot) = admin.make("/robots", &robot).await;
    let robot = server.person("robot$keeper", robot["secret"].as_str().unwrap());
    let token = json!({"name": "keeper", "permissions": permissions});
    let (_, token) = admin.make("/users/current/tokens", &token).await;
    let token = server.person("admin", token["secret"].as_str().unwrap());
    let own = admin.user_id().await;
    for keeper in [&robot, &token] {
        let (flag, password) =
            (json!({"sysadmin_flag": true}), json!({"new_password": "Password-7"}));
        assert_eq!(keeper.status("PUT", &format!("/users/{id}/sysadmin"), &flag).await, 403);
        for id in [boss, own] {
            let of = |what: &str| format!("/users/{id}{what}");
            assert_eq!(keeper.status("PUT", &of("/password"), &password).await, 403);
            assert_eq!(keeper.status("PUT", &of("/sysadmin"), &json!({})).await, 403);
            assert_eq!(
                keeper.status("PUT", &of("/disabled"), &json!({"disabled": true})).await,
                403
            );
            assert_eq!(keeper.status("DELETE", &of("/sessions"), &json!({})).await, 403);
            assert_eq!(keeper.status("DELETE", &of(""), &json!({})).await, 403);
        }
        // What Terraform does with a robot, to an ordinary account.
        keeper.change("PUT", &format!("/users/{id}/sysadmin"), &json!({})).await;
        keeper.change("PUT", &format!("/users/{id}/password"), &password).await;
    }
    assert_eq!(alice.status("GET", "/users/current", &json!({})).await, 401);
    let robots = robot.call("GET", "/users/current", &json!({})).await;
    assert_eq!(robots.status(), 412);
    assert_eq!(error_code(robots).await, "PRECONDITION");
}
