//! Personal access tokens: what they leave of what their owner may do, and when they end.

use roadstead_tests::api::timeless;
use roadstead_tests::http::{Person, error_code};
use roadstead_tests::{Server, Setup};
use serde_json::{Value, json};

const TOKENS: &str = "/users/current/tokens";
const PULL: &str = "/v2/mine/app/manifests/v1";
const UPLOADS: &str = "/v2/mine/app/blobs/uploads/";

/// A private project `mine` of alice's with an image in `app`, and `other` with one.
async fn with_project() -> (Server, Person) {
    let server = Setup::new().start();
    server.admin().create_user("alice").await;
    let alice = server.person("alice", "Password-1");
    for project in ["mine", "other"] {
        alice.create_project(project, false).await;
        alice.push_image(&format!("{project}/app"), "v1", b"a layer").await;
    }
    (server, alice)
}

fn permission(kind: &str, namespace: &str, access: &[(&str, &str)]) -> Value {
    let access: Vec<Value> = access
        .iter()
        .map(|(resource, action)| json!({"resource": resource, "action": action}))
        .collect();
    json!({"kind": kind, "namespace": namespace, "access": access})
}

fn named(name: &str, permissions: &[Value]) -> Value {
    json!({"name": name, "permissions": permissions})
}

/// Makes a token; returns its path, and its owner with it.
async fn make(server: &Server, by: &Person, name: &str, new: &Value) -> (String, Person) {
    let (path, made) = by.make(TOKENS, new).await;
    (path, server.person(name, made["secret"].as_str().unwrap()))
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_told_once_and_listed_without_their_secret() {
    let (server, alice) = with_project().await;
    let pull = permission("project", "mine", &[("repository", "pull")]);
    let new = json!({
        "name": "laptop", "description": "d", "expires_at": 4_000_000_000_i64,
        "permissions": [pull],
    });
    let (path, made) = alice.make(TOKENS, &new).await;
    let (id, secret) = (made["id"].as_i64().unwrap(), made["secret"].as_str().unwrap());
    assert_eq!(path, format!("{TOKENS}/{id}"));
    assert!(secret.starts_with("rspat_") && secret.len() == 38, "{secret}");
    assert_eq!(
        timeless(made.clone()),
        json!({
            "id": id, "name": "laptop", "secret": secret, "expires_at": 4_000_000_000_i64,
            "creation_time": "T",
        })
    );
    let mut told = json!({
        "id": id, "name": "laptop", "description": "d", "expires_at": 4_000_000_000_i64,
        "permissions": [pull], "creation_time": "T",
    });
    assert_eq!(timeless(alice.read(TOKENS).await), json!([told]));
    assert_eq!(server.person("alice", secret).get(PULL).await.status(), 200);
    told["last_used_time"] = json!("T");
    let theirs = format!("/users/{}/tokens", alice.user_id().await);
    assert_eq!(timeless(server.admin().read(&theirs).await), json!([told]));
    assert_eq!(alice.status("POST", TOKENS, &new).await, 409);
    for (key, value) in [
        ("name", json!("")),
        ("name", json!("a/b")),
        ("name", json!("x".repeat(65))),
        ("expires_at", json!(1_000_000_000)),
        ("expires_at", json!(i64::MAX)),
        ("permissions", json!([])),
        ("permissions", json!([permission("project", "mine", &[])])),
        ("permissions", json!([permission("project", "mine", &[("user", "create")])])),
        ("permissions", json!([permission("system", "/", &[("repository", "pull")])])),
    ] {
        let mut bad = new.clone();
        bad["name"] = json!("bad");
        bad[key] = value;
        assert_eq!(alice.status("POST", TOKENS, &bad).await, 400, "{bad}");
    }
    // Whether somebody else's project exists is not told.
    server.admin().create_project("secret", false).await;
    for project in ["secret", "nowhere"] {
        let new = named("x", &[permission("project", project, &[("repository", "pull")])]);
        let refused = alice.call("POST", TOKENS, &new).await;
        assert_eq!(refused.status(), 403, "{project}");
        assert_eq!(error_code(refused).await, "FORBIDDEN");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_leaves_the_same_by_basic_by_bearer_and_refreshed() {
    let (server, alice) = with_project().await;
    let pull = permission("project", "mine", &[("repository", "pull"), ("repository", "list")]);
    let (_, narrow) = make(&server, &alice, "alice", &named("ci", &[pull])).await;
    assert_eq!(narrow.get(PULL).await.status(), 200);
    assert_eq!(narrow.send("POST", UPLOADS).send().await.unwrap().status(), 401);
    assert_eq!(narrow.get("/v2/other/app/manifests/v1").await.status(), 401);
    let catalog: Value = narrow.get("/v2/_catalog").await.json().await.unwrap();
    assert_eq!(catalog["repositories"], json!(["mine/app"]));
    let scopes = "repository:mine/app:pull,push,delete repository:other/app:pull";
    let left = "repository:mine/app:pull repository:other/app:";
    let (bearer, body) = narrow.token(&scopes.replace(' ', "%20")).await;
    assert_eq!(body["scope"], left);
    let refreshed = server.refresh(body["refresh_token"].as_str().unwrap(), scopes).await;
    let refreshed: Value = refreshed.json().await.unwrap();
    assert_eq!(refreshed["scope"], left);
    for token in [bearer.as_str(), refreshed["token"].as_str().unwrap()] {
        assert_eq!(server.with_token(token, "GET", PULL).await, 200);
        assert_eq!(server.with_token(token, "POST", UPLOADS).await, 401);
        assert_eq!(server.with_token(token, "GET", "/v2/other/app/manifests/v1").await, 401);
    }
    // A pattern narrows further.
    alice.push_image("mine/team/web", "v1", b"a layer").await;
    let mut some = permission("project", "*", &[("repository", "pull")]);
    some["repository_pattern"] = json!("team/*");
    let (_, some) = make(&server, &alice, "alice", &named("team", &[some])).await;
    assert_eq!(some.get("/v2/mine/team/web/manifests/v1").await.status(), 200);
    assert_eq!(some.get(PULL).await.status(), 401);
    // By the owner's address as well, and for nobody else.
    let secret = alice
        .make(TOKENS, &named("mail", &[permission("project", "*", &[("repository", "pull")])]))
        .await
        .1["secret"]
        .clone();
    let secret = secret.as_str().unwrap();
    assert_eq!(server.person("alice@example.com", secret).get(PULL).await.status(), 200);
    assert_eq!(server.person("admin", secret).get(PULL).await.status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_changes_no_account_and_makes_nothing_that_it_was_not_given() {
    let (server, alice) = with_project().await;
    let id = alice.user_id().await;
    let all = permission(
        "project",
        "*",
        &[("repository", "pull"), ("robot", "create"), ("member", "create")],
    );
    let (path, token) = make(&server, &alice, "alice", &named("wide", &[all])).await;
    let password = json!({"old_password": "Password-1", "new_password": "Password-2"});
    let profile = json!({"email": "new@example.com", "realname": "New"});
    for (method, path, body) in [
        ("GET", TOKENS.to_owned(), json!({})),
        (
            "POST",
            TOKENS.to_owned(),
            named("more", &[permission("project", "*", &[("repository", "push")])]),
        ),
        ("DELETE", path, json!({})),
        ("PUT", format!("/users/{id}/password"), password),
        ("PUT", format!("/users/{id}"), profile),
        ("DELETE", format!("/users/{id}/sessions"), json!({})),
        ("GET", format!("/users/{id}/tokens"), json!({})),
        ("POST", "/projects".to_owned(), json!({"project_name": "new"})),
        ("DELETE", "/projects/mine".to_owned(), json!({})),
    ] {
        assert_eq!(token.status(method, &path, &body).await, 403, "{method} {path}");
    }
    assert_eq!(token.read("/users/current").await["username"], "alice");
    // A robot that it makes has no more than the token leaves.
    let robot = |action: &str| {
        json!({
            "name": "ci", "level": "project", "duration": -1,
            "permissions": [permission("project", "mine", &[("repository", action)])],
        })
    };
    assert_eq!(token.status("POST", "/robots", &robot("push")).await, 403);
    assert_eq!(token.status("POST", "/robots", &robot("pull")).await, 201);
    // It is no way to log in a browser.
    let secret = alice
        .make(TOKENS, &named("x", &[permission("project", "*", &[("repository", "pull")])]))
        .await
        .1["secret"]
        .clone();
    let form = [("principal", "alice"), ("password", secret.as_str().unwrap())];
    let login = server.nobody().send("POST", "/c/login").form(&form).send().await.unwrap();
    assert_eq!(login.status(), 401);
    // What was given, works: here the making of projects.
    let make_projects = permission("system", "/", &[("project", "create")]);
    let (_, maker) = make(&server, &alice, "alice", &named("maker", &[make_projects])).await;
    maker.create_project("new", false).await;
    assert_eq!(alice.read("/projects/new").await["owner_name"], "alice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_gives_its_owner_nothing() {
    let (server, alice) = with_project().await;
    let admin = server.admin();
    let users = permission("system", "/", &[("user", "list"), ("user", "read")]);
    let pull = permission("project", "*", &[("repository", "pull")]);
    // Everybody may write down what they do not have; it stays that way.
    let (_, mine) = make(&server, &alice, "alice", &named("x", &[users.clone(), pull])).await;
    assert_eq!(mine.status("GET", "/users", &json!({})).await, 403);
    admin.create_project("secret", false).await;
    admin.push_image("secret/app", "v1", b"a layer").await;
    assert_eq!(mine.get("/v2/secret/app/manifests/v1").await.status(), 401);
    // An administrator's is as narrow as it says.
    let (_, theirs) = make(&server, &admin, "admin", &named("x", &[users])).await;
    assert_eq!(theirs.read("/users").await[0]["username"], "alice");
    for (method, path) in [
        ("GET", "/configurations"),
        ("GET", "/projects/mine"),
        ("POST", "/users"),
        ("GET", "/robots"),
    ] {
        assert_eq!(theirs.status(method, path, &json!({})).await, 403, "{method} {path}");
    }
    assert_eq!(theirs.get("/v2/secret/app/manifests/v1").await.status(), 401);
    let visible = theirs.read("/projects").await;
    assert_eq!(visible.as_array().unwrap().len(), 1, "{visible}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_ends_at_once_on_every_way() {
    let (server, alice) = with_project().await;
    let admin = server.admin();
    admin.create_user("mallory").await;
    let mallory = server.person("mallory", "Password-1");
    let pull = [permission("project", "mine", &[("repository", "pull")])];
    let id = alice.user_id().await;
    let open = async |token: &Person, bearer: &str, refresh: &str| {
        let refreshed = server.refresh(refresh, "repository:mine/app:pull").await.status();
        let bearer = server.with_token(bearer, "GET", PULL).await;
        [token.get(PULL).await.status() == 200, bearer == 200, refreshed == 200]
    };
    for end in ["owner", "administrator", "time"] {
        let (path, token) = make(&server, &alice, "alice", &named(end, &pull)).await;
        let (bearer, body) = token.token("repository:mine/app:pull").await;
        let refresh = body["refresh_token"].as_str().unwrap();
        assert_eq!(open(&token, &bearer, refresh).await, [true; 3], "{end}");
        // Nobody else revokes it.
        let theirs = path.replace("current", &id.to_string());
        assert_eq!(mallory.status("DELETE", &path, &json!({})).await, 404);
        assert_eq!(mallory.status("DELETE", &theirs, &json!({})).await, 403);
        match end {
            "owner" => alice.change("DELETE", &path, &json!({})).await,
            "administrator" => admin.change("DELETE", &theirs, &json!({})).await,
            _ => server.sql("UPDATE personal_token SET expires_at = 1").await,
        }
        assert_eq!(open(&token, &bearer, refresh).await, [false; 3], "{end}");
        if end != "time" {
            assert_eq!(alice.status("DELETE", &path, &json!({})).await, 404);
            // The name is free again, and the new token another one.
            make(&server, &alice, "alice", &named(end, &pull)).await;
            assert_eq!(open(&token, &bearer, refresh).await, [false; 3], "{end}");
        }
    }
}
