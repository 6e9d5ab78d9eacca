//! Browsers that log in: their cookie, forged requests, and the end of a session.

use roadstead_tests::api::API;
use roadstead_tests::http::{error_code, header};
use roadstead_tests::{ADMIN_PASSWORD, Server, Setup};
use serde_json::{Value, json};

const CURRENT: &str = "/api/v2.0/users/current";

async fn with_alice() -> Server {
    let server = Setup::new().start();
    server.admin().create_user("alice").await;
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_sets_a_cookie_that_only_the_browser_and_this_host_see() {
    let server = with_alice().await;
    let form = [("principal", "alice"), ("password", "Password-1")];
    let answer = server.nobody().send("POST", "/c/login").form(&form).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(header(&answer, "cache-control"), "no-store");
    let cookie = header(&answer, "set-cookie");
    let (pair, flags) = cookie.split_once(';').unwrap();
    assert!(pair.starts_with("sid=") && pair.len() >= 4 + 43, "{cookie}");
    assert_eq!(flags, " Path=/; HttpOnly; SameSite=Lax");
    assert!(answer.text().await.unwrap().is_empty());
    // By the mail address as well; nothing else logs in.
    server.log_in("alice@example.com", "Password-1").await;
    for (name, password) in [("alice", "Password-2"), ("nobody", "Password-1"), ("alice", "")] {
        let form = [("principal", name), ("password", password)];
        let answer = server.nobody().send("POST", "/c/login").form(&form).send().await.unwrap();
        assert_eq!(answer.status(), 401, "{name}");
        assert!(answer.headers().get("set-cookie").is_none());
    }
    let foreign = server.nobody().send("POST", "/c/login").form(&form);
    let foreign = foreign.header("sec-fetch-site", "cross-site").send().await.unwrap();
    assert_eq!(foreign.status(), 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_https_the_cookie_is_bound_to_the_host() {
    let server = Setup::new().env("ROADSTEAD_EXTERNAL_URL", "https://registry.example.com").start();
    let form = [("principal", "admin"), ("password", ADMIN_PASSWORD)];
    let answer = server.nobody().send("POST", "/c/login").form(&form).send().await.unwrap();
    let cookie = header(&answer, "set-cookie");
    let (pair, flags) = cookie.split_once(';').unwrap();
    assert!(pair.starts_with("__Host-sid="), "{cookie}");
    assert_eq!(flags, " Path=/; HttpOnly; SameSite=Lax; Secure");
    let current = |cookie: &str| {
        server.nobody().send("GET", CURRENT).header("cookie", cookie.to_owned()).send()
    };
    assert_eq!(current(pair).await.unwrap().status(), 200);
    // What an http page of the host could set is not looked at.
    let plain = pair.replace("__Host-sid", "sid");
    assert_eq!(current(&plain).await.unwrap().status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_needs_the_token_that_other_sites_cannot_read() {
    let server = with_alice().await;
    let browser = server.log_in("alice", "Password-1").await;
    let read = browser.plain("GET", CURRENT).await;
    assert_eq!(header(&read, "x-harbor-csrf-token"), browser.csrf);
    let new = json!({"project_name": "mine", "metadata": {"public": "false"}});
    let other = server.log_in("alice", "Password-1").await;
    let send = |csrf: Option<&str>, site: Option<&str>| {
        let mut request = server.nobody().send("POST", "/api/v2.0/projects").json(&new);
        request = request.header("cookie", &browser.cookie);
        for (name, value) in [("x-harbor-csrf-token", csrf), ("sec-fetch-site", site)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        request.send()
    };
    let own = Some(browser.csrf.as_str());
    for (csrf, site) in
        [(None, None), (Some(""), None), (Some(&*other.csrf), None), (own, Some("cross-site"))]
    {
        let refused = send(csrf, site).await.unwrap();
        assert_eq!(refused.status(), 403, "{csrf:?} {site:?}");
        assert_eq!(error_code(refused).await, "FORBIDDEN");
    }
    assert_eq!(send(own, Some("same-origin")).await.unwrap().status(), 201);
    // A cookie is no way into the registry.
    let registry = browser.plain("GET", "/v2/mine/app/tags/list").await;
    assert_eq!(registry.status(), 401);
    // Other clients, which have no cookie, need no token.
    let alice = server.person("alice", "Password-1");
    alice.create_project("other", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_plants_a_session_and_none_comes_back() {
    let server = with_alice().await;
    let planted = "sid=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let form = [("principal", "alice"), ("password", "Password-1")];
    let login = |cookie: &str| {
        let request = server.nobody().send("POST", "/c/login").form(&form);
        request.header("cookie", cookie.to_owned()).send()
    };
    let answer = login(planted).await.unwrap();
    assert_eq!(answer.status(), 200);
    let first = header(&answer, "set-cookie").split(';').next().unwrap().to_owned();
    assert_ne!(first, planted);
    let current = async |cookie: &str| {
        let request = server.nobody().send("GET", CURRENT).header("cookie", cookie.to_owned());
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!((current(planted).await, current(&first).await), (401, 200));
    // Logging in again is a new session, and the end of the one before.
    let answer = login(&first).await.unwrap();
    let second = header(&answer, "set-cookie").split(';').next().unwrap().to_owned();
    assert_eq!((current(&first).await, current(&second).await), (401, 200));
    let out = server.nobody().send("GET", "/c/log_out").header("cookie", &second);
    let out = out.send().await.unwrap();
    assert_eq!(out.status(), 200);
    assert_eq!(header(&out, "set-cookie"), "sid=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0");
    assert_eq!(current(&second).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_see_their_sessions_and_end_them_all() {
    let server = with_alice().await;
    let browsers =
        [server.log_in("alice", "Password-1").await, server.log_in("alice", "Password-1").await];
    let id = server.person("alice", "Password-1").user_id().await;
    let path = format!("/users/{id}/sessions");
    let list: Value = browsers[0].plain("GET", &format!("{API}{path}")).await.json().await.unwrap();
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), 2);
    assert_eq!(list.iter().filter(|session| session["current"] == true).count(), 1);
    for session in list {
        let mut keys: Vec<&str> = session.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["address", "creation_time", "current", "expiration_time"]);
        assert_eq!(session["address"], "127.0.0.1");
    }
    assert_eq!(browsers[1].call("DELETE", &path, &json!({})).await.status(), 200);
    for browser in &browsers {
        assert!(!browser.is_logged_in().await);
    }
    // A changed password ends them as well, and so does time.
    let browser = server.log_in("alice", "Password-1").await;
    let change = json!({"old_password": "Password-1", "new_password": "Password-2"});
    let path = format!("/users/{id}/password");
    assert_eq!(browser.call("PUT", &path, &change).await.status(), 200);
    assert!(!browser.is_logged_in().await);
    let browser = server.log_in("alice", "Password-2").await;
    server.sql("UPDATE session SET expires_at = 1").await;
    assert!(!browser.is_logged_in().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_an_account_is_told_to_administrators_and_where_people_register() {
    let server = with_alice().await;
    let admin = server.admin();
    let (nobody, alice) = (server.nobody(), server.person("alice", "Password-1"));
    let ask = async |person: &roadstead_tests::http::Person, target: &str, value: &str| {
        let form = [("target", target), ("value", value)];
        let answer = person.send("POST", "/c/userExists").form(&form).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.text().await.unwrap())
    };
    for (target, value, found) in [
        ("username", "alice", "true"),
        ("username", "bob", "false"),
        ("email", "alice@example.com", "true"),
        ("email", "alice", "false"),
    ] {
        assert_eq!(ask(&admin, target, value).await, (200, found.to_owned()), "{target}={value}");
    }
    assert_eq!(ask(&admin, "password_hash", "x").await.0, 400);
    assert_eq!(ask(&nobody, "username", "alice").await.0, 403);
    assert_eq!(ask(&alice, "username", "alice").await.0, 403);
    admin.configure(json!({"self_registration": true})).await;
    assert_eq!(ask(&nobody, "username", "alice").await, (200, "true".to_owned()));
    // As often as they may register, so that nobody tries a list of names.
    let mut statuses = Vec::new();
    for n in 0..12 {
        statuses.push(ask(&nobody, "username", &format!("user{n}")).await.0);
    }
    assert_eq!(statuses[11], 429, "{statuses:?}");
    assert_eq!(ask(&admin, "username", "alice").await.0, 200);
}
