//! Groups of people, and roles that administrators make.

use roadstead_tests::Setup;
use roadstead_tests::api::timeless;
use roadstead_tests::http::error_code;
use serde_json::{Value, json};

fn pair(resource: &str, action: &str) -> Value {
    json!({"resource": resource, "action": action})
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_made_found_renamed_and_deleted_as_in_harbor() {
    let server = Setup::new().start();
    let admin = server.admin();
    admin.create_user("alice").await;
    let alice = server.person("alice", "Password-1");
    let ldap = json!({
        "group_name": "devs", "group_type": 1, "ldap_group_dn": "CN=Devs, OU=Groups, DC=x",
    });
    let (path, body) = admin.make("/usergroups", &ldap).await;
    assert_eq!(body, Value::Null);
    let id: i64 = path.strip_prefix("/usergroups/").unwrap().parse().unwrap();
    let (other, _) =
        admin.make("/usergroups", &json!({"group_name": "ops", "group_type": 3})).await;
    let told = json!({
        "id": id, "group_name": "devs", "group_type": 1, "ldap_group_dn": "cn=devs,ou=groups,dc=x",
    });
    assert_eq!(admin.read(&path).await, told);
    assert_eq!(admin.read("/usergroups?group_name=DEV").await, json!([told]));
    assert_eq!(admin.read("/usergroups?ldap_group_dn=cn=devs,ou=Groups,dc=x").await, json!([told]));
    assert_eq!(admin.read("/usergroups").await.as_array().unwrap().len(), 2);
    let item = json!([{"id": id, "group_name": "devs", "group_type": 1}]);
    assert_eq!(alice.read("/usergroups/search?groupname=dev").await, item);
    assert_eq!(alice.read("/usergroups/search?groupname=%25").await, json!([]));
    // The same group however its name is written.
    let mut same = ldap.clone();
    same["ldap_group_dn"] = json!("cn=devs,ou=groups,dc=X");
    assert_eq!(admin.status("POST", "/usergroups", &same).await, 409);
    for bad in [
        json!({}),
        json!({"group_name": "", "group_type": 3}),
        json!({"group_name": "x"}),
        json!({"group_name": "x", "group_type": 4}),
        json!({"group_name": "x", "group_type": 1, "ldap_group_dn": "nonsense"}),
    ] {
        assert_eq!(admin.status("POST", "/usergroups", &bad).await, 400, "{bad}");
    }
    admin.change("PUT", &path, &json!({"group_name": "developers"})).await;
    assert_eq!(admin.read(&path).await["group_name"], "developers");
    assert_eq!(admin.status("PUT", &path, &json!({})).await, 400);
    for (method, path, body) in [
        ("GET", "/usergroups", json!({})),
        ("POST", "/usergroups", ldap.clone()),
        ("GET", path.as_str(), json!({})),
        ("PUT", path.as_str(), json!({"group_name": "mine"})),
        ("DELETE", path.as_str(), json!({})),
    ] {
        assert_eq!(alice.status(method, path, &body).await, 403, "{method} {path}");
    }
    admin.change("DELETE", &path, &json!({})).await;
    for method in ["GET", "PUT", "DELETE"] {
        assert_eq!(admin.status(method, &path, &json!({"group_name": "x"})).await, 404);
    }
    // In a directory's mode only its groups are listed.
    admin.make("/usergroups", &ldap).await;
    server.sql("INSERT INTO setting (name, value) VALUES ('config.auth_mode', 'ldap_auth')").await;
    tokio::time::sleep(std::time::Duration::from_millis(2100)).await;
    let listed = admin.read("/usergroups").await;
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(admin.read(&other).await["group_type"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_are_made_of_permissions_and_go_when_nobody_has_them() {
    let server = Setup::new().start();
    let admin = server.admin();
    for name in ["alice", "bob"] {
        admin.create_user(name).await;
    }
    let (alice, bob) = (server.person("alice", "Password-1"), server.person("bob", "Password-1"));
    let new = json!({
        "name": "releaser", "description": "pushes and moves tags",
        "permissions": [pair("repository", "pull"), pair("repository", "push")],
    });
    let (path, _) = admin.make("/roles", &new).await;
    let id: i64 = path.strip_prefix("/roles/").unwrap().parse().unwrap();
    let told = json!({
        "id": id, "name": "releaser", "description": "pushes and moves tags", "builtin": false,
        "permissions": [pair("repository", "pull"), pair("repository", "push")],
        "creation_time": "T", "update_time": "T",
    });
    assert_eq!(timeless(admin.read(&path).await), told);
    // Everybody is offered them, with Harbor's own.
    let listed = alice.read("/roles").await;
    let names: Vec<&str> =
        listed.as_array().unwrap().iter().map(|role| role["name"].as_str().unwrap()).collect();
    let expected = ["projectAdmin", "developer", "guest", "maintainer", "limitedGuest", "releaser"];
    assert_eq!(names, expected);
    assert_eq!(listed[0]["permissions"].as_array().unwrap().len(), 75);
    for (method, path) in [("POST", "/roles"), ("PUT", &path), ("DELETE", &path)] {
        assert_eq!(alice.status(method, path, &new).await, 403, "{method} {path}");
    }
    assert_eq!(admin.status("POST", "/roles", &new).await, 409);
    let with = |permissions: Value| json!({"name": "x", "permissions": permissions});
    for bad in [
        json!({"permissions": [pair("repository", "pull")]}),
        with(json!([])),
        with(json!([pair("user", "create")])),
        with(json!([pair("repository", "explode")])),
        with(json!([pair("project", "create")])),
    ] {
        assert_eq!(admin.status("POST", "/roles", &bad).await, 400, "{bad}");
    }
    for method in ["PUT", "DELETE"] {
        let refused = admin.call(method, "/roles/1", &new).await;
        assert_eq!(refused.status(), 403, "{method}");
        assert_eq!(error_code(refused).await, "DENIED");
        assert_eq!(admin.status(method, "/roles/0", &new).await, 404, "{method}");
        assert_eq!(admin.status(method, "/roles/999999", &new).await, 404, "{method}");
    }
    // A change is a change for whoever has it; private roles of robots are nobody's business.
    alice.create_project("mine", false).await;
    alice.push_image("mine/app", "v1", b"a layer").await;
    let member = json!({"role_id": id, "member_user": {"username": "bob"}});
    let (member, _) = alice.make("/projects/mine/members", &member).await;
    let pull = "/v2/mine/app/manifests/v1";
    assert_eq!(bob.get(pull).await.status(), 200);
    let in_use = admin.call("DELETE", &path, &json!({})).await;
    assert_eq!(in_use.status(), 412);
    let narrowed = json!({"name": "releaser", "permissions": [pair("tag", "list")]});
    admin.change("PUT", &path, &narrowed).await;
    assert_eq!(bob.get(pull).await.status(), 401);
    alice.change("DELETE", &member, &json!({})).await;
    admin.change("DELETE", &path, &json!({})).await;
    assert_eq!(admin.status("GET", &path, &json!({})).await, 404);
}
