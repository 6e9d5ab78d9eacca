//! Forged tokens, tokens of what is gone, and browsers' sessions.

use std::net::TcpListener;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Response;
use roadstead_tests::Setup;
use roadstead_tests::content::{MANIFEST, sha256};
use roadstead_tests::http::{Person, header, with_query};
use serde_json::{Value, json};

use crate::{PASSWORD, Tenants, id_of};

const PULL: &str = "repository:hers/app:pull";
const PUSH: &str = "repository:hers/app:pull,push,delete";

fn encoded(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_token_opens_nothing_and_makes_the_server_ask_nobody() {
    let tenants = Tenants::new().await;
    let (good, _) = tenants.alice.registry_token(PULL).await;
    let parts: Vec<&str> = good.split('.').collect();
    let (body, signature) = (parts[1], parts[2]);
    let head: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[0]).expect("base64")).expect("JSON");
    let kid = head["kid"].clone();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/keys", listener.local_addr().expect("an address"));
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": encoded([7; 32]), "kid": kid});
    let heads = [
        json!({"alg": "none", "kid": kid}),
        json!({"alg": "HS256", "kid": kid}),
        json!({"alg": "EdDSA", "kid": "../../../../etc/passwd"}),
        json!({"alg": "EdDSA", "kid": "' OR 1=1 --"}),
        json!({"alg": "EdDSA", "kid": url}),
        json!({"alg": "EdDSA", "kid": kid, "jwk": jwk}),
        json!({"alg": "EdDSA", "kid": kid, "jku": url, "x5u": url, "x5c": ["AAAA"]}),
        json!({"alg": 1, "kid": [kid]}),
        json!([]),
    ];
    let mut forgeries = vec![".".into(), "..".into(), "a.b.c".into(), "x".repeat(9000)];
    for head in heads {
        let head = encoded(head.to_string());
        for signature in [signature, "", &encoded([7; 64])] {
            forgeries.push(format!("{head}.{body}.{signature}"));
        }
    }
    for forged in forgeries {
        let caller = tenants.server.bearer(&forged);
        for (method, path) in [
            ("GET", "/v2/"),
            ("GET", "/v2/_catalog"),
            ("GET", "/v2/hers/app/manifests/v1"),
            ("POST", "/v2/hers/app/blobs/uploads/"),
            ("DELETE", "/v2/hers/app/manifests/v1"),
            ("GET", "/service/token"),
            ("GET", "/api/v2.0/users/current"),
            ("POST", "/api/v2.0/projects"),
        ] {
            assert_eq!(caller.status_of(method, path).await, 401, "{method} {path} with {forged}");
        }
    }
    listener.set_nonblocking(true).expect("a listener");
    assert!(listener.accept().is_err(), "the server asked for a key");
    // A good one opens no more than the registry.
    let caller = tenants.server.bearer(&good);
    assert_eq!(caller.status_of("GET", "/v2/hers/app/manifests/v1").await, 200);
    for path in ["/service/token", "/api/v2.0/users/current", "/api/v2.0/projects"] {
        assert_eq!(caller.status_of("GET", path).await, 401, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_sent_as_one_is_none() {
    let tenants = Tenants::new().await;
    let (good, _) = tenants.alice.registry_token(PULL).await;
    let path = "/v2/hers/app/manifests/v1";
    let nobody = tenants.server.nobody();
    assert_eq!(nobody.status_of("GET", &format!("{path}?access_token={good}")).await, 401);
    assert_eq!(nobody.status_of("GET", &format!("{path}?token={good}")).await, 401);
    assert_eq!(tenants.server.browser(&format!("sid={good}")).status_of("GET", path).await, 401);
    for name in ["alice", "", "oauth2accesstoken", "<token>"] {
        assert_eq!(tenants.server.person(name, &good).status_of("GET", path).await, 401, "{name}");
    }
    for value in [good.clone(), format!("Basic {good}"), format!("Token {good}"), "Bearer".into()] {
        let answer = nobody.send("GET", path).header("authorization", &value).send().await;
        assert_eq!(answer.unwrap().status(), 401, "{value}");
    }
    // Two credentials are none: nobody can tell which one was meant.
    let twice = tenants.alice.send("GET", path).header("authorization", format!("Bearer {good}"));
    assert_eq!(twice.send().await.unwrap().status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_ends_with_the_credentials_that_began_it() {
    let tenants = Tenants::new().await;
    let (token, _) = tenants.alice.registry_token(PUSH).await;
    let holder = tenants.server.bearer(&token);
    let location = holder.start_upload("hers/app").await;
    let patch = |bytes: &'static str| holder.send("PATCH", &location).body(bytes).send();
    assert_eq!(patch("first").await.unwrap().status(), 202);
    let change = json!({"old_password": PASSWORD, "new_password": "Password-2"});
    let path = format!("/api/v2.0/users/{}/password", id_of(&tenants.alice).await);
    assert_eq!(tenants.alice.json("PUT", &path, &change).await, 200);
    assert_eq!(patch("second").await.unwrap().status(), 401);
    let finish = with_query(&location, &format!("digest={}", sha256(b"first")));
    for (method, url) in
        [("PUT", &finish), ("GET", &location), ("HEAD", &location), ("DELETE", &location)]
    {
        assert_eq!(holder.status_of(method, url).await, 401, "{method}");
    }
    // The session is still hers, who has new credentials.
    let again = tenants.server.person("alice", "Password-2");
    assert_eq!(again.status_of("PUT", &finish).await, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_push_makes_and_moves_no_tag_in_any_way() {
    let tenants = Tenants::new().await;
    tenants.alice.push_image("hers/app", "latest", b"another layer").await;
    let answer = tenants.alice.get("/v2/hers/app/manifests/v1").await;
    let (digest, manifest) =
        (header(&answer, "docker-content-digest"), answer.bytes().await.unwrap());
    let (pull, _) = tenants.alice.registry_token(PULL).await;
    let before = tenants.alice.read_json("/v2/hers/app/tags/list").await;
    let current =
        header(&tenants.alice.get("/v2/hers/app/manifests/latest").await, "docker-content-digest");
    let references =
        ["latest", "v1", "new", &digest, &format!("{digest}?tag=latest"), "new?tag=latest"];
    for caller in [tenants.server.bearer(&pull), tenants.mallory, tenants.server.nobody()] {
        let mut attempts = Vec::new();
        for _ in 0..20 {
            for reference in references {
                let path = format!("/v2/hers/app/manifests/{reference}");
                let put = caller.send("PUT", &path).header("content-type", MANIFEST);
                attempts.push(tokio::spawn(put.body(manifest.clone()).send()));
                attempts.push(tokio::spawn(caller.send("DELETE", &path).send()));
            }
        }
        for attempt in attempts {
            let answer = attempt.await.unwrap().unwrap();
            assert_eq!(answer.status(), 401, "{}", answer.url());
        }
    }
    assert_eq!(tenants.alice.read_json("/v2/hers/app/tags/list").await, before);
    let latest = tenants.alice.get("/v2/hers/app/manifests/latest").await;
    assert_eq!(header(&latest, "docker-content-digest"), current);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_right_comes_from_a_name() {
    let tenants = Tenants::new().await;
    let admin = tenants.server.admin();
    // A name that would be read as a robot's, or end in the middle of a Basic header.
    for name in ["robot$hers+ci", "alice:x", "ad\u{0}min", "admin\n", "a,b", ""] {
        let body = json!({
            "username": name, "password": PASSWORD, "realname": "x", "email": "x@example.com",
        });
        assert_eq!(admin.json("POST", "/api/v2.0/users", &body).await, 400, "{name:?}");
    }
    let names = [
        "Admin",
        "ADMIN",
        "admin ",
        " admin",
        "admin.",
        "\u{430}dmin",
        "administrator",
        "root",
        "system",
        "anonymous",
        "nobody",
        "robot",
        "robot+hers",
        "hers",
        "hers+ci",
        "scanner-8a7f2c",
        "harbor-jobservice",
        "proxy-cache",
        "Alice",
        "alice via token x",
        "1",
        "%",
        "../admin",
    ];
    for (at, name) in names.into_iter().enumerate() {
        let body = json!({
            "username": name, "password": PASSWORD, "realname": "x",
            "email": format!("{at}@example.com"),
        });
        let made = admin.json("POST", "/api/v2.0/users", &body).await;
        // What the rules for names refuse cannot be tried.
        if made != 201 {
            assert_eq!(made, 400, "{name:?}");
            continue;
        }
        let caller = tenants.server.person(name, PASSWORD);
        assert_eq!(caller.status_of("GET", "/v2/").await, 200, "{name:?}");
        assert_eq!(caller.status_of("GET", "/v2/hers/app/manifests/v1").await, 401, "{name:?}");
        assert_eq!(caller.status_of("POST", "/v2/library/x/blobs/uploads/").await, 401, "{name:?}");
        assert_eq!(caller.status_of("GET", "/api/v2.0/users").await, 403, "{name:?}");
        assert_eq!(caller.status_of("GET", "/api/v2.0/projects/hers").await, 403, "{name:?}");
        let own = caller.read_json("/api/v2.0/users/current").await;
        assert_eq!(own["sysadmin_flag"], false, "{name:?}");
    }
    // Nor does one from what a client calls itself.
    for agent in ["harbor-registry-client", "harbor-scanner-adapter/1.0", "docker/proxy"] {
        let request = tenants.mallory.send("GET", "/v2/hers/app/manifests/v1");
        let answer = request.header("user-agent", agent).header("x-forwarded-user", "admin");
        assert_eq!(answer.send().await.unwrap().status(), 401, "{agent}");
    }
    // A project that is called like a person, a role or the system gives its owner only itself.
    for name in ["admin", "alice", "system", "robot", "library-2", "v2", "projectadmin"] {
        tenants.mallory.create_project(name, false).await;
    }
    assert_eq!(tenants.mallory.status_of("GET", "/v2/hers/app/manifests/v1").await, 401);
    assert_eq!(tenants.mallory.status_of("GET", "/api/v2.0/users").await, 403);
}

/// Logs in as a browser does.
async fn log_in(as_whom: &Person, name: &str, password: &str) -> Response {
    let form = [("principal", name), ("password", password)];
    as_whom.send("POST", "/c/login").form(&form).send().await.expect("an answer")
}

/// `name=value` of the cookie that an answer sets, and the whole header.
fn cookie(answer: &Response) -> (String, String) {
    let set = header(answer, "set-cookie");
    (set.split(';').next().expect("a cookie").to_owned(), set)
}

const CURRENT: &str = "/api/v2.0/users/current";

#[tokio::test(flavor = "multi_thread")]
async fn a_session_begins_with_its_own_cookie_and_ends_on_the_server() {
    let tenants = Tenants::new().await;
    let nobody = tenants.server.nobody();
    let wrong = log_in(&nobody, "alice", "Password-2").await;
    assert_eq!(wrong.status(), 401);
    assert!(wrong.headers().get("set-cookie").is_none());

    let answer = log_in(&nobody, "alice", PASSWORD).await;
    assert_eq!(answer.status(), 200);
    let (first, set) = cookie(&answer);
    assert!(first.len() > 40, "a cookie that can be guessed: {first}");
    for attribute in ["; HttpOnly", "; SameSite=Lax", "; Path=/"] {
        assert!(set.contains(attribute), "{set}");
    }
    let browser = tenants.server.browser(&first);
    assert_eq!(browser.read_json(CURRENT).await["username"], "alice");

    // A cookie that somebody else planted is never the session that begins.
    for planted in ["sid=planted", first.as_str()] {
        let answer = log_in(&tenants.server.browser(planted), "mallory", PASSWORD).await;
        let (second, _) = cookie(&answer);
        assert_ne!(second, planted);
        let browser = tenants.server.browser(&second);
        assert_eq!(browser.read_json(CURRENT).await["username"], "mallory");
    }
    assert_eq!(browser.status_of("GET", CURRENT).await, 401, "the one before it has ended");

    let (third, _) = cookie(&log_in(&nobody, "alice", PASSWORD).await);
    let (other, _) = cookie(&log_in(&nobody, "alice", PASSWORD).await);
    let browser = tenants.server.browser(&third);
    let out = browser.get("/c/log_out").await;
    assert_eq!(out.status(), 200);
    assert!(header(&out, "set-cookie").contains("Max-Age=0"));
    assert_eq!(browser.status_of("GET", CURRENT).await, 401, "a cookie after its logout");
    let other = tenants.server.browser(&other);
    assert_eq!(other.status_of("GET", CURRENT).await, 200, "another session of hers");
    let change = json!({"old_password": PASSWORD, "new_password": "Password-2"});
    let path = format!("/api/v2.0/users/{}/password", id_of(&tenants.alice).await);
    assert_eq!(tenants.alice.json("PUT", &path, &change).await, 200);
    assert_eq!(other.status_of("GET", CURRENT).await, 401, "a session after the password changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_changes_nothing_without_its_token_and_opens_no_registry() {
    let tenants = Tenants::new().await;
    let answer = log_in(&tenants.server.nobody(), "alice", PASSWORD).await;
    let (cookie, token) = (cookie(&answer).0, header(&answer, "x-harbor-csrf-token"));
    let (other, _) = self::cookie(&log_in(&tenants.server.nobody(), "mallory", PASSWORD).await);
    let browser = tenants.server.browser(&cookie);
    let body = json!({"project_name": "forged"});
    let post = |token: Option<&str>, site: Option<&str>| {
        let mut request = browser.send("POST", "/api/v2.0/projects").json(&body);
        if let Some(token) = token {
            request = request.header("x-harbor-csrf-token", token);
        }
        if let Some(site) = site {
            request = request.header("sec-fetch-site", site);
        }
        request.send()
    };
    for token in [None, Some(""), Some("x"), Some(&cookie[4..])] {
        assert_eq!(post(token, None).await.unwrap().status(), 403, "{token:?}");
    }
    assert_eq!(post(Some(&token), Some("cross-site")).await.unwrap().status(), 403);
    let theirs = tenants.server.browser(&other).send("POST", "/api/v2.0/projects").json(&body);
    let theirs = theirs.header("x-harbor-csrf-token", &token).send().await.unwrap();
    assert_eq!(theirs.status(), 403, "the token of somebody else's session");
    assert_eq!(post(Some(&token), Some("same-origin")).await.unwrap().status(), 201);

    for (method, path) in [
        ("GET", "/v2/"),
        ("GET", "/v2/hers/app/manifests/v1"),
        ("POST", "/v2/hers/app/blobs/uploads/"),
        ("DELETE", "/v2/hers/app/manifests/v1"),
    ] {
        assert_eq!(browser.status_of(method, path).await, 401, "{method} {path} with a cookie");
    }
    // Nor does another site log anybody in or out.
    for (method, path) in [("POST", "/c/login"), ("GET", "/c/log_out")] {
        let request = browser.send(method, path).header("sec-fetch-site", "cross-site");
        let form = [("principal", "mallory"), ("password", PASSWORD)];
        assert_eq!(request.form(&form).send().await.unwrap().status(), 403, "{path}");
    }
    assert_eq!(browser.status_of("GET", CURRENT).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_browsers_come_by_https_the_cookie_is_bound_to_the_host() {
    let setup = Setup::new().env("ROADSTEAD_EXTERNAL_URL", "https://registry.example.com");
    let tenants = Tenants::on(setup).await;
    let answer = log_in(&tenants.server.nobody(), "alice", PASSWORD).await;
    let (pair, set) = cookie(&answer);
    assert!(set.starts_with("__Host-sid="), "{set}");
    assert!(set.contains("; Secure") && set.contains("; Path=/") && !set.contains("Domain"));
    assert_eq!(tenants.server.browser(&pair).status_of("GET", CURRENT).await, 200);
    // A cookie that a neighbouring host may set is not looked at.
    let plain = pair.replace("__Host-", "");
    assert_eq!(tenants.server.browser(&plain).status_of("GET", CURRENT).await, 401);
}
