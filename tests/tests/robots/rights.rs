//! What robots may do, and what may be made of that.

use roadstead_tests::content::MANIFEST;
use roadstead_tests::http::error_code;
use serde_json::{Value, json};

use crate::{PULL, UPLOADS, can, make, of_mine, of_system, permission, with_project};

#[tokio::test(flavor = "multi_thread")]
async fn a_robot_does_what_it_was_given_and_nothing_else() {
    let (server, alice) = with_project().await;
    let admin = server.admin();
    let (_, puller) = make(&server, &alice, &of_mine("puller", &["pull"])).await;
    assert_eq!(can(&puller).await, [200, 401, 401]);
    let (_, pusher) = make(&server, &alice, &of_mine("pusher", &["push"])).await;
    assert_eq!(can(&pusher).await, [200, 202, 401], "pushing includes pulling in a project");
    let push = permission("project", "*", &[("repository", "push")]);
    let (_, blind) = make(&server, &admin, &of_system("blind", &[push])).await;
    assert_eq!(can(&blind).await, [401, 202, 401], "at system level it does not");
    let (_, cleaner) = make(&server, &alice, &of_mine("cleaner", &["delete"])).await;
    assert_eq!(can(&cleaner).await, [401, 401, 404]);
    // Through the token service it is the same.
    let (token, body) = puller.token("repository:mine/app:pull,push,delete").await;
    assert_eq!(body["scope"], "repository:mine/app:pull");
    assert_eq!(server.with_token(&token, "POST", UPLOADS).await, 401);
    // No project but its own, and no right of the system's.
    alice.create_project("other", false).await;
    assert_eq!(puller.get("/v2/other/app/tags/list").await.status(), 401);
    for (method, path) in [
        ("GET", "/users"),
        ("GET", "/robots"),
        ("GET", "/projects/mine/members"),
        ("DELETE", "/projects/mine"),
        ("GET", "/configurations"),
        ("POST", "/projects"),
        ("POST", "/users/current/tokens"),
    ] {
        let body = json!({"project_name": "new"});
        assert_eq!(puller.status(method, path, &body).await, 403, "{method} {path}");
    }
    assert_eq!(puller.read("/projects").await[0]["name"], "library");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_gives_no_right() {
    let (server, alice) = with_project().await;
    for name in ["admin", "scanner-trivy", "harbor-jobservice", "proxycache", "sysadmin"] {
        let (_, robot) = make(&server, &alice, &of_mine(name, &["delete"])).await;
        assert_eq!(can(&robot).await, [401, 401, 404], "{name}");
        assert_eq!(robot.status("GET", "/users", &json!({})).await, 403, "{name}");
    }
    let catalog = permission("system", "/", &[("catalog", "read")]);
    let (_, robot) = make(&server, &server.admin(), &of_system("admin", &[catalog])).await;
    assert_eq!(can(&robot).await, [401, 401, 401]);
    assert_eq!(robot.status("GET", "/configurations", &json!({})).await, 403);
    // A person whose name looks like a robot's is none.
    let new = json!({
        "username": "robot", "email": "r@example.com", "realname": "R", "password": "Password-1",
    });
    server.admin().make("/users", &new).await;
    assert_eq!(can(&server.person("robot", "Password-1")).await, [401, 401, 401]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_robot_of_some_repositories_knows_of_no_others() {
    let (server, alice) = with_project().await;
    alice.push_image("mine/team/web", "v1", b"a layer").await;
    alice.push_image("mine/team/web/deep", "v1", b"a layer").await;
    let mut new = of_mine("team", &["pull", "push", "list"]);
    new["permissions"][0]["repository_pattern"] = json!("team/**");
    let (path, robot) = make(&server, &alice, &new).await;
    assert_eq!(alice.read(&path).await["permissions"][0]["repository_pattern"], "team/**");
    assert_eq!(can(&robot).await, [401, 401, 401]);
    assert_eq!(robot.get("/v2/mine/team/web/manifests/v1").await.status(), 200);
    let catalog: Value = robot.get("/v2/_catalog").await.json().await.unwrap();
    assert_eq!(catalog["repositories"], json!(["mine/team/web", "mine/team/web/deep"]));
    let scopes = "repository:mine/team/web:pull,push%20repository:mine/app:pull,push";
    let (token, body) = robot.token(scopes).await;
    assert_eq!(body["scope"], "repository:mine/team/web:pull,push repository:mine/app:");
    assert_eq!(server.with_token(&token, "GET", PULL).await, 401);
    assert_eq!(server.with_token(&token, "GET", "/v2/mine/team/web/manifests/v1").await, 200);
    // Also what is pushed later, and mounts from outside.
    let answer = robot.put_manifest("mine/team/new", "x", MANIFEST, "{}").await;
    assert_eq!(answer.status(), 400);
    let layer = roadstead_tests::content::sha256(b"a layer");
    let mount = format!("/v2/mine/team/new/blobs/uploads/?mount={layer}&from=mine/app");
    assert_eq!(robot.send("POST", &mount).send().await.unwrap().status(), 202);
    let mount = format!("/v2/mine/team/new/blobs/uploads/?mount={layer}&from=mine/team/web");
    assert_eq!(robot.send("POST", &mount).send().await.unwrap().status(), 201);
    let listed = robot.read("/projects/mine/repositories").await;
    let names: Vec<&str> =
        listed.as_array().unwrap().iter().map(|r| r["name"].as_str().unwrap()).collect();
    assert!(names.iter().all(|name| name.starts_with("mine/team/")), "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_change_robots_gets_no_stronger_by_it() {
    let (server, alice) = with_project().await;
    let admin = server.admin();
    admin.create_user("keeper").await;
    let keeper = server.person("keeper", "Password-1");
    let actions = ["create", "read", "list", "update", "delete"];
    let mut access: Vec<(&str, &str)> = actions.iter().map(|action| ("robot", *action)).collect();
    access.push(("repository", "pull"));
    let role = permission("", "", &access)["access"].clone();
    let (role, _) = admin.make("/roles", &json!({"name": "keeper", "permissions": role})).await;
    let role: i64 = role.strip_prefix("/roles/").unwrap().parse().unwrap();
    let member = json!({"role_id": role, "member_user": {"username": "keeper"}});
    admin.make("/projects/mine/members", &member).await;
    let (strong, _) = make(&server, &alice, &of_mine("strong", &["push"])).await;
    let mut change = keeper.read(&strong).await;
    for (method, path, body) in [
        ("POST", "/robots".to_owned(), of_mine("x", &["push"])),
        ("PUT", strong.clone(), change.clone()),
        ("PATCH", strong.clone(), json!({})),
        ("PATCH", strong.clone(), json!({"secret": "Chosen-Secret-1"})),
        ("POST", format!("{strong}/secrets"), json!({})),
    ] {
        let refused = keeper.call(method, &path, &body).await;
        assert_eq!(refused.status(), 403, "{method} {path}");
        assert_eq!(error_code(refused).await, "DENIED");
    }
    let (weak, _) = make(&server, &keeper, &of_mine("weak", &["pull"])).await;
    keeper.change("PATCH", &weak, &json!({})).await;
    // To take rights away is no gain.
    change["permissions"] = of_mine("x", &["pull"])["permissions"].clone();
    keeper.change("PUT", &strong, &change).await;
    keeper.change("DELETE", &strong, &json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_robot_makes_has_no_more_than_it_has_now_and_later() {
    let (server, alice) = with_project().await;
    let (repository, robots) = ("repository", "robot");
    let given = |access: &[(&str, &str)]| permission("project", "mine", access);
    let maker = |access: &[(&str, &str)]| json!({"name": "maker", "level": "project", "duration": 30, "permissions": [given(access)]});
    let all = [(repository, "pull"), (repository, "push"), (robots, "create")];
    let (path, robot) = make(&server, &alice, &maker(&all)).await;
    // Not more, not elsewhere, not of the system.
    let refused = robot.call("POST", "/robots", &of_mine("x", &["delete"])).await;
    assert_eq!(refused.status(), 403);
    assert_eq!(error_code(refused).await, "DENIED");
    let elsewhere = permission("project", "library", &[(repository, "pull")]);
    assert_eq!(robot.status("POST", "/robots", &of_system("x", &[elsewhere])).await, 403);
    // And no longer than the maker lives.
    let (pusher, made) = robot.make("/robots", &of_mine("pusher", &["push"])).await;
    assert_eq!(made["expires_at"], alice.read(&path).await["expires_at"]);
    let (puller, _) = robot.make("/robots", &of_mine("puller", &["pull"])).await;
    let found = alice.read(&puller).await;
    let maker_id = alice.read(&path).await["id"].clone();
    assert_eq!((&found["creator_type"], &found["creator_ref"]), (&json!("robot"), &maker_id));
    assert_eq!(robot.status("PATCH", &puller, &json!({})).await, 404, "robots change none");
    // A maker that is narrowed takes what is beyond it along.
    let disabled = async |path: &str| alice.read(path).await["disable"] == json!(true);
    let mut change = alice.read(&path).await;
    change["permissions"] = json!([given(&[(repository, "pull"), (robots, "create")])]);
    alice.change("PUT", &path, &change).await;
    assert_eq!((disabled(&pusher).await, disabled(&puller).await), (true, false));
    // Whoever enables it again answers for it.
    let mut adopted = alice.read(&pusher).await;
    adopted["disable"] = json!(false);
    alice.change("PUT", &pusher, &adopted).await;
    let adopted = alice.read(&pusher).await;
    let id = json!(alice.user_id().await);
    assert_eq!((&adopted["creator_type"], &adopted["creator_ref"]), (&json!("local"), &id));
    change["disable"] = json!(true);
    alice.change("PUT", &path, &change).await;
    assert_eq!((disabled(&pusher).await, disabled(&puller).await), (false, true));
    change["disable"] = json!(false);
    alice.change("PUT", &path, &change).await;
    let (late, _) = robot.make("/robots", &of_mine("late", &["pull"])).await;
    alice.change("DELETE", &path, &json!({})).await;
    assert_eq!((disabled(&pusher).await, disabled(&late).await), (false, true));
}
