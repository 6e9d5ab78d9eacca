//! Who may do what on /v2 and the API: every operation with every kind of caller.

use roadstead_tests::cast::{PASSWORD, ROLES, in_project};
use roadstead_tests::content::{MANIFEST, sha256};
use roadstead_tests::http::{Person, error_code, header};
use roadstead_tests::{Server, Setup};
use serde_json::{Value, json};

/// A private project `secret` of alice's and a public one, each with an image.
async fn two_projects() -> (Server, Vec<(&'static str, Person)>) {
    let server = Setup::new().start();
    let admin = server.admin();
    for user in ["alice", "mallory"] {
        admin.create_user(user).await;
    }
    let alice = server.person("alice", "Password-1");
    alice.create_project("secret", false).await;
    alice.create_project("open", true).await;
    for project in ["secret", "open"] {
        alice.push_image(&format!("{project}/app"), "v1", b"a layer").await;
    }
    let callers = vec![
        ("nobody", server.nobody()),
        ("mallory", server.person("mallory", "Password-1")),
        ("alice", alice),
        ("admin", admin),
    ];
    (server, callers)
}

/// What each caller is answered, as `status status ...` in the order of callers.
async fn answers(
    callers: &[(&'static str, Person)],
    method: &str,
    path: &str,
    body: &'static str,
) -> String {
    let mut statuses = Vec::new();
    for (_, person) in callers {
        let request = person.send(method, path).header("content-type", "application/json");
        let answer = request.body(body).send().await.unwrap();
        statuses.push(answer.status().as_u16().to_string());
    }
    statuses.join(" ")
}

/// Everybody who has a role in `secret` and `open`, the strongest last, and three robots of
/// `secret`: one that pulls, one that pushes, and one that deletes too; and a token of alice's
/// that pulls.
async fn with_members(server: &Server, callers: &mut Vec<(&'static str, Person)>) {
    let admin = server.admin();
    let alice = &server.person("alice", PASSWORD);
    for (name, role) in ROLES.into_iter().skip(1).rev() {
        admin.create_user(name).await;
        for project in ["secret", "open"] {
            alice.add_member(project, name, role, "").await;
        }
        callers.push((name, server.person(name, PASSWORD)));
    }
    let pull = "repository:pull";
    let push = "repository:push";
    let delete = "repository:pull repository:push repository:delete";
    for (name, words) in [("puller", pull), ("pusher", push), ("deleter", delete)] {
        let robot = alice.project_robot("secret", name, words).await;
        callers.push((name, server.robot(&robot)));
    }
    let (_, token) = alice.personal_token("t", &[in_project("secret", pull)]).await;
    callers.push(("token", server.person("alice", &token)));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_of_v2_asks_for_its_permission() {
    let (server, mut callers) = two_projects().await;
    with_members(&server, &mut callers).await;
    let blob = |project: &str| format!("/v2/{project}/app/blobs/{}", sha256(b"a layer"));
    let referrers = |project: &str| format!("/v2/{project}/app/referrers/{}", sha256(b"a layer"));
    let unknown = format!("/v2/open/app/blobs/{}", sha256(b"x"));
    // Who may: nobody, a stranger, the project's admin, the system's admin; limited guest, guest,
    // developer, maintainer; robots that pull, push and delete; a token that pulls.
    let (all, none, login) = ("1111 1111 1111", "0000 0000 0000", "0111 1111 1111");
    let (pull, push, delete) = ("0011 1111 1111", "0011 0011 0110", "0011 0001 0010");
    // The robots are not of this project, and the token is not for it.
    let (push_open, delete_open) = ("0011 0011 0000", "0011 0001 0000");
    let expected = [
        ("GET", "/v2/", login, 200),
        ("GET", "/v2/_catalog", login, 200),
        ("GET", "/v2/secret/app/tags/list", pull, 200),
        ("GET", "/v2/open/app/tags/list", all, 200),
        ("GET", "/v2/secret/app/manifests/v1", pull, 200),
        ("HEAD", "/v2/secret/app/manifests/v1", pull, 200),
        ("GET", "/v2/open/app/manifests/v1", all, 200),
        ("GET", &blob("secret"), pull, 200),
        ("HEAD", &blob("secret"), pull, 200),
        ("GET", &blob("open"), all, 200),
        ("GET", &referrers("secret"), pull, 200),
        ("GET", &referrers("open"), all, 200),
        ("POST", "/v2/secret/app/blobs/uploads/", push, 202),
        ("POST", "/v2/open/app/blobs/uploads/", push_open, 202),
        ("GET", "/v2/open/app/blobs/uploads/x", push_open, 404),
        ("PATCH", "/v2/open/app/blobs/uploads/x", push_open, 404),
        ("PUT", "/v2/open/app/blobs/uploads/x", push_open, 404),
        ("DELETE", "/v2/open/app/blobs/uploads/x", push_open, 404),
        ("PUT", "/v2/secret/app/manifests/x", push, 400),
        ("PUT", "/v2/open/app/manifests/x", push_open, 400),
        ("DELETE", "/v2/secret/app/manifests/x", delete, 404),
        ("DELETE", "/v2/open/app/manifests/x", delete_open, 404),
        ("DELETE", &unknown, delete_open, 404),
        // What does not exist looks like what is not allowed.
        ("GET", "/v2/nothing/app/manifests/v1", none, 404),
        ("GET", "/v2/secret/nothing/manifests/v1", pull, 404),
    ];
    for (method, path, who, status) in expected {
        let may = who.chars().filter(|c| *c != ' ').map(|c| if c == '1' { status } else { 401 });
        let statuses: Vec<String> = may.map(|status| status.to_string()).collect();
        let found = answers(&callers, method, path, "").await;
        assert_eq!(found, statuses.join(" "), "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_project_looks_like_one_that_is_forbidden() {
    let (_server, callers) = two_projects().await;
    let expected = [
        ("GET", "/api/v2.0/projects/secret", "401 403 200 200"),
        ("GET", "/api/v2.0/projects/nothing", "401 403 403 404"),
        ("GET", "/api/v2.0/projects/open", "200 200 200 200"),
        ("GET", "/api/v2.0/nothing", "404 404 404 404"),
        ("DELETE", "/api/v2.0/ping", "405 405 405 405"),
    ];
    for (method, path, statuses) in expected {
        assert_eq!(answers(&callers, method, path, "{}").await, statuses, "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_have_harbors_words_and_one_challenge() {
    let (server, callers) = two_projects().await;
    for (name, person) in &callers[..2] {
        let answer = person.send("POST", "/v2/secret/app/blobs/uploads/").send().await.unwrap();
        let challenge = header(&answer, "www-authenticate");
        let realm = format!(
            "Bearer realm=\"http://{}/service/token\",service=\"harbor-registry\",\
             scope=\"repository:secret/app:pull,push\"",
            server.host()
        );
        assert!(challenge.starts_with(&realm), "{name}: {challenge}");
        assert!(!challenge.contains("error="), "a wider token would not help {name}");
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["errors"][0]["code"], "UNAUTHORIZED");
        let text = "unauthorized to access repository: secret/app, action: push";
        assert_eq!(body["errors"][0]["message"], format!("{text}: {text}"));
    }
    let wrong = server.person("alice", "Password-2").get("/v2/").await;
    assert_eq!(wrong.status(), 401);
    let body: Value = wrong.json().await.unwrap();
    assert_eq!(body["errors"][0]["message"], "incorrect username or password");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_no_host_is_not_repeated() {
    let server = Setup::new().start();
    let request = server.nobody().send("GET", "/v2/").header("host", "evil\",error=\"x");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 401);
    assert!(answer.headers().get("www-authenticate").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn knowing_a_digest_gives_nobody_content() {
    let (_server, callers) = two_projects().await;
    let (mallory, alice) = (&callers[1].1, &callers[2].1);
    let secret = alice.push_blob("secret/app", b"only in secret").await;
    mallory.create_project("mine", false).await;
    mallory.push_blob("mine/app", b"something").await;
    // Not through another repository, not by mounting, with or without naming the source.
    let here = mallory.get(&format!("/v2/mine/app/blobs/{secret}")).await;
    assert_eq!(error_code(here).await, "BLOB_UNKNOWN");
    let unknown = sha256(b"nowhere at all");
    for digest in [&secret, &unknown] {
        for from in ["&from=secret/app", "&from=nothing/app", "&from=..", ""] {
            let path = format!("/v2/mine/app/blobs/uploads/?mount={digest}{from}");
            let answer = mallory.send("POST", &path).send().await.unwrap();
            assert_eq!(answer.status(), 202, "{path}");
        }
        // Nor by naming it in a manifest.
        let config = json!({"mediaType": "a/b", "digest": digest, "size": 14});
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config});
        let answer = mallory.put_manifest("mine/app", "x", MANIFEST, manifest.to_string()).await;
        assert_eq!(answer.status(), 404);
        assert_eq!(error_code(answer).await, "MANIFEST_BLOB_UNKNOWN");
    }
    // Whoever has the bytes may push them, and has to send them all.
    assert_eq!(mallory.push_blob("mine/app", b"only in secret").await, secret);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_session_belongs_to_who_opened_it_in_its_repository() {
    let (server, callers) = two_projects().await;
    let (alice, admin) = (&callers[2].1, &callers[3].1);
    let location = alice.start_upload("secret/app").await;
    let elsewhere = location.replace("/secret/", "/open/");
    let finish = format!("?digest={}", sha256(b"x"));
    for (person, location) in [(admin, &location), (alice, &elsewhere)] {
        for method in ["GET", "HEAD", "PATCH", "PUT", "DELETE"] {
            let url = format!("{location}{}", if method == "PUT" { &finish } else { "" });
            let answer = person.send(method, &url).body("x").send().await.unwrap();
            assert_eq!(answer.status(), 404, "{method} {url}");
        }
    }
    assert_eq!(alice.get(&location).await.status(), 204);
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_show_what_the_caller_may_pull() {
    let (_server, callers) = two_projects().await;
    let expected = [
        ("mallory", json!(["open/app"])),
        ("alice", json!(["open/app", "secret/app"])),
        ("admin", json!(["open/app", "secret/app"])),
    ];
    for ((name, person), (caller, repositories)) in callers[1..].iter().zip(expected) {
        assert_eq!(*name, caller);
        let body: Value = person.get("/v2/_catalog").await.json().await.unwrap();
        assert_eq!(body["repositories"], repositories, "{name}");
    }
    let public: Value = callers[0].1.get("/api/v2.0/projects").await.json().await.unwrap();
    let names: Vec<&str> =
        public.as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["library", "open"]);
}

/// A token for a scope, and the whole answer.
async fn token(person: &Person, query: &str) -> (String, Value) {
    let path = format!("/service/token?service=harbor-registry{query}");
    let answer = person.get(&path).await;
    assert_eq!(answer.status(), 200, "{path}");
    let body: Value = answer.json().await.unwrap();
    (body["token"].as_str().unwrap().to_owned(), body)
}

async fn with_token(server: &Server, token: &str, method: &str, path: &str) -> u16 {
    let request = server.nobody().send(method, path).bearer_auth(token);
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_allows_what_was_asked_and_allowed_and_nothing_else() {
    let (server, callers) = two_projects().await;
    let (nobody, mallory, alice) = (&callers[0].1, &callers[1].1, &callers[2].1);
    let (pull, _) = token(alice, "&scope=repository:secret/app:pull").await;
    assert_eq!(with_token(&server, &pull, "GET", "/v2/secret/app/manifests/v1").await, 200);
    assert_eq!(with_token(&server, &pull, "GET", "/v2/").await, 200);
    assert_eq!(with_token(&server, &pull, "DELETE", "/v2/secret/app/manifests/v1").await, 401);
    assert_eq!(with_token(&server, &pull, "POST", "/v2/secret/app/blobs/uploads/").await, 401);
    assert_eq!(with_token(&server, &pull, "GET", "/v2/open/app/manifests/v1").await, 401);
    let narrow = server.nobody().send("POST", "/v2/secret/app/blobs/uploads/").bearer_auth(&pull);
    let challenge = header(&narrow.send().await.unwrap(), "www-authenticate");
    assert!(challenge.ends_with(",error=\"insufficient_scope\""), "{challenge}");
    assert_eq!(with_token(&server, &pull, "GET", "/api/v2.0/users/current").await, 401);
    // Asking for too much is no error, and gives nothing.
    let (greedy, body) = token(mallory, "&scope=repository:secret/app:pull,push,delete").await;
    assert_eq!(body["scope"], "repository:secret/app:");
    assert_eq!(with_token(&server, &greedy, "GET", "/v2/secret/app/manifests/v1").await, 401);
    // Anonymous tokens open public projects, and no login.
    let scopes = "&scope=repository:open/app:pull,push&scope=repository:secret/app:pull";
    let (anonymous, _) = token(nobody, scopes).await;
    assert_eq!(with_token(&server, &anonymous, "GET", "/v2/open/app/manifests/v1").await, 200);
    assert_eq!(with_token(&server, &anonymous, "POST", "/v2/open/app/blobs/uploads/").await, 401);
    assert_eq!(with_token(&server, &anonymous, "GET", "/v2/").await, 401);
    let forged = format!("{}x", &pull[..pull.len() - 1]);
    assert_eq!(with_token(&server, &forged, "GET", "/v2/").await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_many_repositories_is_one_that_the_registry_takes() {
    let (server, callers) = two_projects().await;
    let many = (0..64).map(|n| format!("&scope=repository:open/{n}{}:pull", "x".repeat(180)));
    let scopes: Vec<String> = many.collect();
    let query = format!("&scope=repository:open/app:pull{}", scopes.concat());
    let (wide, _) = token(&callers[2].1, &query).await;
    assert!(wide.len() < 16 << 10, "{} bytes", wide.len());
    assert_eq!(with_token(&server, &wide, "GET", "/v2/open/app/manifests/v1").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_mounts_from_nowhere_that_it_does_not_name() {
    let (server, callers) = two_projects().await;
    let alice = &callers[2].1;
    let layer = sha256(b"a layer");
    alice.push_blob("open/target", b"something").await;
    let mount = format!("/v2/open/target/blobs/uploads/?mount={layer}");
    let target = "&scope=repository:open/target:pull,push";
    let (narrow, _) = token(alice, target).await;
    assert_eq!(with_token(&server, &narrow, "POST", &mount).await, 202);
    let from = format!("{mount}&from=secret/app");
    assert_eq!(with_token(&server, &narrow, "POST", &from).await, 401);
    let (wide, _) = token(alice, &format!("{target}&scope=repository:secret/app:pull")).await;
    assert_eq!(with_token(&server, &wide, "POST", &mount).await, 201);
    assert_eq!(with_token(&server, &wide, "POST", &from).await, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_ends_tokens_and_refresh_tokens_at_once() {
    let (server, callers) = two_projects().await;
    let alice = &callers[2].1;
    let (before, body) =
        token(alice, "&scope=repository:secret/app:pull&offline_token=true&client_id=docker").await;
    let refresh = body["refresh_token"].as_str().expect("a refresh token").to_owned();
    let form = |refresh: &str| {
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh),
            ("service", "harbor-registry"),
            ("client_id", "docker"),
            ("scope", "repository:secret/app:pull"),
            ("scope", "repository:open/app:pull"),
        ];
        server.nobody().send("POST", "/service/token").form(&fields).send()
    };
    let refreshed: Value = form(&refresh).await.unwrap().json().await.unwrap();
    assert_eq!(refreshed["scope"], "repository:secret/app:pull repository:open/app:pull");
    let id = alice.get("/api/v2.0/users/current").await.json::<Value>().await.unwrap()["user_id"]
        .as_i64()
        .unwrap();
    let change = json!({"old_password": "Password-1", "new_password": "Password-9"});
    let path = format!("/api/v2.0/users/{id}/password");
    let answer = alice.send("PUT", &path).json(&change).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(with_token(&server, &before, "GET", "/v2/secret/app/manifests/v1").await, 401);
    assert_eq!(form(&refresh).await.unwrap().status(), 401);
    assert_eq!(form("nonsense").await.unwrap().status(), 401);
    assert_eq!(alice.get("/v2/").await.status(), 401);
    assert_eq!(server.person("alice", "Password-9").get("/v2/").await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_service_refuses_what_it_should_in_json() {
    let (server, callers) = two_projects().await;
    let wrong = server.person("alice", "wrong");
    let query = "/service/token?service=harbor-registry&scope=repository:open/app:pull";
    assert_eq!(error_code(wrong.get(query).await).await, "UNAUTHORIZED");
    let other = callers[2].1.get("/service/token?service=other").await;
    assert_eq!(other.status(), 400);
    let form = [("grant_type", "client_credentials"), ("service", "harbor-registry")];
    let answer = server.nobody().send("POST", "/service/token").form(&form).send().await.unwrap();
    assert_eq!(answer.status(), 400);
    let huge = vec![b'a'; 200_000];
    let answer = server.nobody().send("POST", "/service/token").body(huge).send().await.unwrap();
    assert_eq!(answer.status(), 400);
    let password = [
        ("grant_type", "password"),
        ("username", "alice"),
        ("password", "Password-1"),
        ("service", "harbor-registry"),
        ("client_id", "containerd-client"),
        ("scope", "repository:secret/app:pull repository:secret/app:pull,push"),
    ];
    let answer = server.nobody().send("POST", "/service/token").form(&password).send().await;
    let body: Value = answer.unwrap().json().await.unwrap();
    assert_eq!(body["scope"], "repository:secret/app:pull,push");
    assert_eq!(body["token"], body["access_token"]);
    assert!(body["refresh_token"].is_null());
}
