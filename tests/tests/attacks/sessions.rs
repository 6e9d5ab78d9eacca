//! Browsers' sessions: fixation, theft, forged requests.

use reqwest::Response;
use roadstead_tests::Setup;
use roadstead_tests::cast::PASSWORD;
use roadstead_tests::http::{Person, header};
use serde_json::json;

use crate::Tenants;

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
    let path = format!("/api/v2.0/users/{}/password", tenants.alice.user_id().await);
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
