//! What the API tells of robots, and what it refuses.

use roadstead_tests::api::timeless;
use roadstead_tests::http::Person;
use serde_json::{Value, json};

use crate::{PULL, of_mine, of_system, permission, with_project};

#[tokio::test(flavor = "multi_thread")]
async fn robots_are_told_in_harbors_shape() {
    let (server, alice) = with_project().await;
    let mut new = of_mine("ci", &["pull", "push"]);
    new["description"] = json!("builds");
    new["duration"] = json!(7);
    // Neither is read, as in Harbor; null is nothing.
    new["secret"] = json!("Chosen-Secret-1");
    new["disable"] = json!(true);
    let (path, made) = alice.make("/robots", &new).await;
    let id: i64 = path.strip_prefix("/robots/").unwrap().parse().unwrap();
    let secret = made["secret"].as_str().unwrap();
    assert!(secret.len() == 32 && secret.chars().all(|c| c.is_ascii_alphanumeric()), "{secret}");
    let expires_at = made["expires_at"].as_i64().unwrap();
    assert_eq!(
        timeless(made.clone()),
        json!({
            "id": id, "name": "robot$mine+ci", "secret": secret, "creation_time": "T",
            "expires_at": expires_at,
        })
    );
    let told = json!({
        "id": id, "name": "robot$mine+ci", "description": "builds", "level": "project",
        "duration": 7, "editable": true, "disable": false, "expires_at": expires_at,
        "permissions": [permission("project", "mine", &[("repository", "pull"), ("repository", "push")])],
        "creator_type": "local", "creator_ref": alice.user_id().await,
        "creation_time": "T", "update_time": "T",
    });
    assert_eq!(timeless(alice.read(&path).await), told);
    let project = alice.read("/projects/mine").await["project_id"].clone();
    let list = format!("/robots?q=Level=project,ProjectID={project}");
    assert_eq!(timeless(alice.read(&list).await), json!([told]));
    assert_eq!(server.person("robot$mine+ci", secret).get(PULL).await.status(), 200);
    assert_eq!(alice.status("POST", "/robots", &new).await, 409);
    // A chosen secret is not told back, a generated one is, once.
    let patched = alice.call("PATCH", &path, &json!({"secret": "Chosen-Secret-1"})).await;
    assert_eq!(patched.json::<Value>().await.unwrap(), json!({}));
    assert_eq!(server.person("robot$mine+ci", secret).get(PULL).await.status(), 401);
    assert_eq!(server.person("robot$mine+ci", "Chosen-Secret-1").get(PULL).await.status(), 200);
    assert_eq!(alice.status("PATCH", &path, &json!({"secret": "weak"})).await, 400);
    let patched: Value =
        alice.call("PATCH", &path, &json!({"secret": ""})).await.json().await.unwrap();
    let generated = patched["secret"].as_str().unwrap();
    assert_eq!(server.person("robot$mine+ci", generated).get(PULL).await.status(), 200);
    assert!(alice.read(&path).await.get("secret").is_none());
    alice.change("DELETE", &path, &json!({})).await;
    assert_eq!(alice.status("GET", &path, &json!({})).await, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn terraform_finds_what_it_wrote() {
    let (server, _) = with_project().await;
    let admin = server.admin();
    // What the provider sends: the effect is said, and `disable` left out while it is false.
    let access =
        |action: &str| json!({"resource": "repository", "action": action, "effect": "allow"});
    let permissions = json!([
        {"kind": "project", "namespace": "mine", "access": [access("pull")]},
        {"kind": "project", "namespace": "*", "access": [access("list")]},
    ]);
    let mut body = json!({
        "name": "tf", "level": "system", "description": "d", "duration": -1,
        "permissions": permissions,
    });
    let (path, made) = admin.make("/robots", &body).await;
    let found = admin.read(&path).await;
    assert_eq!(found["permissions"], permissions);
    assert_eq!((&found["duration"], &found["expires_at"]), (&json!(-1), &json!(-1)));
    admin.change("PATCH", &path, &json!({"secret": "Terraform-1"})).await;
    body["name"] = found["name"].clone();
    body["description"] = json!("changed");
    body["disable"] = json!(true);
    admin.change("PUT", &path, &body).await;
    let found = admin.read(&path).await;
    assert_eq!((&found["description"], &found["disable"]), (&json!("changed"), &json!(true)));
    assert_eq!(found["permissions"], permissions);
    let prefix = admin.read("/configurations").await["robot_name_prefix"]["value"].clone();
    assert_eq!(made["name"], format!("{}tf", prefix.as_str().unwrap()));
    // The generated Python client sends what it knows and null for the rest.
    let body = json!({
        "name": "py", "description": null, "level": "system", "duration": 1, "disable": null,
        "secret": null, "permissions": [
            {"kind": "system", "namespace": "/", "access": [
                {"resource": "catalog", "action": "read", "effect": null}]},
        ],
    });
    let (path, _) = admin.make("/robots", &body).await;
    let mut found = admin.read(&path).await;
    assert_eq!(found["permissions"], json!([permission("system", "/", &[("catalog", "read")])]));
    // It changes a robot by sending back what it read.
    found["disable"] = json!(true);
    admin.change("PUT", &path, &found).await;
    assert_eq!(admin.read(&path).await["disable"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn robots_that_break_harbors_rules_are_refused() {
    let (server, alice) = with_project().await;
    let admin = server.admin();
    let good = of_mine("ci", &["pull"]);
    let pull = &[("repository", "pull")];
    let mine = permission("project", "mine", pull);
    let cases = [
        ("name", json!("")),
        ("name", json!("Ci")),
        ("name", json!("a+b")),
        ("name", json!("a..b")),
        ("name", json!("robot$a")),
        ("duration", json!(0)),
        ("duration", json!(-2)),
        ("duration", json!(3_000_000_000_i64)),
        ("level", json!("")),
        ("level", json!("other")),
        ("permissions", json!([])),
        ("permissions", json!([mine, mine])),
        ("permissions", json!([permission("project", "mine", &[])])),
        ("permissions", json!([permission("project", "*", pull)])),
        ("permissions", json!([permission("system", "/", &[("catalog", "read")])])),
        ("permissions", json!([permission("project", "mine", &[("repository", "fly")])])),
        ("permissions", json!([permission("project", "mine", &[("configuration", "update")])])),
        ("permissions", json!([permission("project", "mine", &[("robot", "update")])])),
    ];
    for (key, value) in cases {
        let mut bad = good.clone();
        bad[key] = value;
        assert_eq!(alice.status("POST", "/robots", &bad).await, 400, "{bad}");
    }
    let mut deny = good.clone();
    deny["permissions"][0]["access"][0]["effect"] = json!("deny");
    assert_eq!(alice.status("POST", "/robots", &deny).await, 400);
    for bad in [
        permission("system", "mine", &[("catalog", "read")]),
        permission("system", "/", &[("configuration", "update")]),
        permission("system", "/", pull),
        permission("other", "mine", pull),
    ] {
        let bad = of_system("x", &[bad]);
        assert_eq!(admin.status("POST", "/robots", &bad).await, 400, "{bad}");
    }
    let mut pattern = good.clone();
    pattern["permissions"][0]["repository_pattern"] = json!("[");
    assert_eq!(alice.status("POST", "/robots", &pattern).await, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_a_robot_says_its_level_and_its_whole_name() {
    let (server, alice) = with_project().await;
    let (admin, pull) = (server.admin(), &[("repository", "pull")]);
    let (path, _) = alice.make("/robots", &of_mine("ci", &["pull"])).await;
    let found = alice.read(&path).await;
    for (key, value) in [
        ("name", json!("ci")),
        ("name", json!("robot$mine+other")),
        ("level", json!("system")),
        ("duration", json!(0)),
        ("permissions", json!([])),
        ("permissions", json!([permission("project", "library", pull)])),
    ] {
        let mut bad = found.clone();
        bad[key] = value;
        assert!([400, 403].contains(&alice.status("PUT", &path, &bad).await), "{bad}");
        assert!([400, 403].contains(&admin.status("PUT", &path, &bad).await), "{bad}");
    }
    alice.change("PUT", &path, &found).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn robots_are_listed_where_they_belong() {
    let (server, alice) = with_project().await;
    let admin = server.admin();
    for name in ["b", "a", "c"] {
        alice.make("/robots", &of_mine(name, &["pull"])).await;
    }
    let everywhere = permission("project", "*", &[("repository", "pull")]);
    admin.make("/robots", &of_system("all", &[everywhere])).await;
    let id = alice.read("/projects/mine").await["project_id"].clone();
    let names = async |person: &Person, query: &str| {
        let found = person.read(&format!("/robots?{query}")).await;
        let name = |robot: &Value| robot["name"].as_str().unwrap().to_owned();
        found.as_array().unwrap().iter().map(name).collect::<Vec<_>>().join(" ")
    };
    let all = "robot$mine+a robot$mine+b robot$mine+c";
    for (query, expected) in [
        (format!("q=Level=project,ProjectID={id}"), all),
        (format!("q=level=project,project_id={id}"), all),
        (
            format!("q=Level%3Dproject%2CProjectID%3D{id}&sort=-name"),
            "robot$mine+c robot$mine+b robot$mine+a",
        ),
        (format!("q=Level=project,ProjectID={id},Name=~B"), "robot$mine+b"),
        (format!("q=Level=project,ProjectID={id},disable=true"), ""),
        (format!("q=Level=project,ProjectID={id}&page=2&page_size=2"), "robot$mine+c"),
    ] {
        assert_eq!(names(&alice, &query).await, expected, "{query}");
    }
    for query in ["", "q=Level=system", "q=Level=system,ProjectID=0", "q=expires_at=-1"] {
        assert_eq!(names(&admin, query).await, "robot$all", "{query}");
    }
    let status = async |person: &Person, path: &str| person.status("GET", path, &json!({})).await;
    for bad in [
        "q=Level=project".to_owned(),
        "q=Level=other".to_owned(),
        "q=Level=~project".to_owned(),
        format!("q=Level=system,ProjectID={id}"),
        "q=secret=x".to_owned(),
        "sort=verifier".to_owned(),
    ] {
        assert_eq!(status(&admin, &format!("/robots?{bad}")).await, 400, "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_project_it_is_not_learns_of_no_robot() {
    let (server, alice) = with_project().await;
    let admin = server.admin();
    admin.create_user("mallory").await;
    let mallory = server.person("mallory", "Password-1");
    mallory.create_project("theirs", false).await;
    alice.make("/robots", &of_mine("ci", &["pull"])).await;
    let everywhere = permission("project", "*", &[("repository", "pull")]);
    let (system, _) = admin.make("/robots", &of_system("all", &[everywhere])).await;
    let id = alice.read("/projects/mine").await["project_id"].clone();
    let status = async |person: &Person, path: &str| person.status("GET", path, &json!({})).await;
    let own = alice.read(&format!("/robots?q=Level=project,ProjectID={id}")).await;
    let own = format!("/robots/{}", own[0]["id"]);
    for missing in [json!(999_999), id] {
        let path = format!("/robots?q=Level=project,ProjectID={missing}");
        assert_eq!(status(&mallory, &path).await, 403, "{path}");
    }
    assert_eq!(status(&admin, "/robots?q=Level=project,ProjectID=999999").await, 404);
    for path in [&own, &system, "/robots/999999"] {
        for method in ["GET", "PUT", "PATCH", "DELETE"] {
            assert_eq!(mallory.status(method, path, &json!({})).await, 404, "{method} {path}");
            assert_eq!(server.nobody().status(method, path, &json!({})).await, 401);
        }
        assert_eq!(mallory.status("POST", &format!("{path}/secrets"), &json!({})).await, 404);
    }
    assert_eq!(status(&mallory, "/robots").await, 403);
    assert_eq!(status(&mallory, "/robots/x").await, 422);
    // Guests see robots and change none.
    let member = json!({"role_id": 3, "member_user": {"username": "mallory"}});
    alice.make("/projects/mine/members", &member).await;
    assert_eq!(status(&mallory, &own).await, 200);
    for method in ["PUT", "PATCH", "DELETE"] {
        assert_eq!(mallory.status(method, &own, &json!({})).await, 403, "{method}");
    }
    // Making one asks for the level: a project's admin makes none of the system.
    let pull = permission("project", "mine", &[("repository", "pull")]);
    assert_eq!(alice.status("POST", "/robots", &of_system("x", &[pull])).await, 403);
    assert_eq!(mallory.status("POST", "/robots", &of_mine("x", &["pull"])).await, 403);
    let nowhere = json!({
        "name": "x", "level": "project", "duration": -1,
        "permissions": [permission("project", "nowhere", &[("repository", "pull")])],
    });
    assert_eq!(mallory.status("POST", "/robots", &nowhere).await, 403);
    assert_eq!(admin.status("POST", "/robots", &nowhere).await, 404);
}
