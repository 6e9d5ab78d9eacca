//! What programs come with: CLI secrets and `id_token`s.

use std::time::Duration;

use roadstead_tests::Setup;
use roadstead_tests::http::header;
use roadstead_tests::oidc::left_out;
use serde_json::{Value, json};

use crate::browser::{Browser, message};
use crate::site::Site;

const SECRET: &str = "Chosen-secret-1";
const OLD_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const NEW_KEY: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

/// Alice, of the group of a project, with a CLI secret, and a browser of hers.
async fn alice(settings: &[(&str, &str)]) -> (Site, Browser) {
    let mut all = vec![("oidc_auto_onboard", "true")];
    all.extend_from_slice(settings);
    let site = Site::start(&all).await;
    site.person("alice", &["devs"]).await;
    let mut browser = Browser::new(&site);
    browser.log_in(&site, "alice").await;
    site.cli_secret("alice", SECRET).await;
    site.project_of_group("team", "devs").await;
    (site, browser)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cli_secret_is_for_command_lines_and_outlives_the_browser() {
    if left_out() {
        return;
    }
    let (site, mut browser) = alice(&[]).await;
    let id = site.id("alice").await;
    assert_eq!(browser.get("/c/oidc/logout").await.status(), 302);
    assert!(browser.current().await.is_none());
    let person = site.server.person("alice", SECRET);
    assert_eq!(person.get("/v2/team/app/manifests/v1").await.status(), 200);
    assert_eq!(site.pull("alice", SECRET, "team").await, 200);
    assert_eq!(person.get("/api/v2.0/projects").await.status(), 200);
    // It opens no account, and is no password of a browser.
    let own = format!("/api/v2.0/users/{id}/cli_secret");
    for (method, path) in [("GET", "/api/v2.0/users/current"), ("PUT", &own)] {
        let request = person.send(method, path).json(&json!({"secret": "Another-1"}));
        assert_eq!(request.send().await.unwrap().status(), 403, "{method} {path}");
    }
    let form = format!("principal=alice&password={SECRET}");
    let request = site.server.nobody().send("POST", "/c/login").body(form);
    assert_eq!(request.send().await.unwrap().status(), 403);
    // With a session people set their own, and nobody else's.
    browser.log_in(&site, "alice").await;
    let put = async |browser: &mut Browser, id: i64, secret: &str| {
        let path = format!("/api/v2.0/users/{id}/cli_secret");
        let answer = browser.send(reqwest::Method::PUT, &path, Some(json!({"secret": secret})));
        answer.await.status().as_u16()
    };
    assert_eq!(put(&mut browser, id, "Chosen-secret-2").await, 200);
    assert_eq!(put(&mut browser, 1, "Chosen-secret-2").await, 403);
    for bad in ["short1A", "no-digits-Here", "no-upper-1", "rspat_Abcdefg1"] {
        assert_eq!(put(&mut browser, id, bad).await, 400, "{bad}");
    }
    assert_eq!(site.pull("alice", SECRET, "team").await, 401);
    assert_eq!(site.pull("alice", "Chosen-secret-2", "team").await, 200);
    // A generated one takes its place; the person sees it, an administrator does not.
    assert_eq!(put(&mut browser, id, "").await, 200);
    assert_eq!(site.pull("alice", "Chosen-secret-2", "team").await, 401);
    let own = browser.current().await.unwrap()["oidc_user_meta"].clone();
    assert_eq!((&own["user_id"], &own["subiss"]), (&id.into(), &subiss(&site, "alice").into()));
    let secret = own["secret"].as_str().unwrap();
    assert_eq!(site.pull("alice", secret, "team").await, 200);
    let path = format!("/api/v2.0/users/{id}");
    let seen: Value = site.server.admin().get(&path).await.json().await.unwrap();
    assert_eq!(seen["oidc_user_meta"]["subiss"], own["subiss"]);
    assert_eq!(seen["oidc_user_meta"].get("secret"), None);
    let admin: Value =
        site.server.admin().get("/api/v2.0/users/current").await.json().await.unwrap();
    assert_eq!(admin.get("oidc_user_meta"), None);
    assert!(browser.current().await.is_some(), "the session goes on");
    let admin = site.server.admin();
    for (id, status) in [(1, 404), (99_999, 404)] {
        let path = format!("/api/v2.0/users/{id}/cli_secret");
        let answer = admin.send("PUT", &path).json(&json!({"secret": ""})).send().await.unwrap();
        assert_eq!(answer.status(), status, "{id}");
    }
    assert!(!site.server.log().contains("Chosen-secret"));
}

fn subiss(site: &Site, name: &str) -> String {
    format!("{name}{}", site.provider.issuer())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_personal_access_token_ends_with_its_person_at_the_provider() {
    if left_out() {
        return;
    }
    let (site, mut browser) = alice(&[]).await;
    let pull = json!({"resource": "repository", "action": "pull"});
    let everywhere = json!({"kind": "project", "namespace": "team", "access": [pull]});
    let new = json!({"name": "laptop", "permissions": [everywhere]});
    let made = browser.post("/api/v2.0/users/current/tokens", new).await;
    assert_eq!(made.status(), 201);
    let made: Value = made.json().await.unwrap();
    let token = made["secret"].as_str().unwrap();
    assert_eq!(site.pull("alice", token, "team").await, 200);
    let sees = async || {
        let answer = site.server.person("alice", token).get("/api/v2.0/users/current").await;
        let seen: Value = answer.json().await.unwrap();
        seen["oidc_user_meta"].clone()
    };
    assert_eq!(sees().await.get("secret"), None, "it is the person's own");
    site.person("alice", &[]).await;
    site.age("alice", 6).await;
    assert_eq!(site.pull("alice", token, "team").await, 401, "the group is gone");
    site.person("alice", &["devs"]).await;
    site.age("alice", 6).await;
    assert_eq!(site.pull("alice", token, "team").await, 200);
    site.provider.block("alice").await;
    site.age("alice", 6).await;
    assert_eq!(site.pull("alice", token, "team").await, 401);
    let answer = site.server.person("alice", token).get("/v2/").await;
    assert!(message(answer).await.contains("log in again with a browser"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sealed_survives_another_secret_key() {
    if left_out() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let setup = |keys: &str| Setup::new().env("ROADSTEAD_SECRET_KEY", keys).data(&data);
    let mut site = Site::of(setup(OLD_KEY)).await;
    site.connect(&[("oidc_auto_onboard", "true")]).await;
    site.person("alice", &["devs"]).await;
    Browser::new(&site).log_in(&site, "alice").await;
    site.cli_secret("alice", SECRET).await;
    site.project_of_group("team", "devs").await;
    site.server.kill();
    let both = setup(&format!("{NEW_KEY},{OLD_KEY}")).start();
    let resealed = both.command(&["keys", "reseal"]).output().unwrap();
    assert!(resealed.status.success(), "{resealed:?}");
    drop(both);
    site.server = setup(NEW_KEY).start();
    site.age("alice", 120).await;
    assert_eq!(site.pull("alice", SECRET, "team").await, 200, "the provider was asked");
    drop(site);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cli_secret_ends_with_the_person_at_the_provider() {
    if left_out() {
        return;
    }
    let (site, mut browser) = alice(&[]).await;
    site.provider.block("alice").await;
    assert_eq!(site.pull("alice", SECRET, "team").await, 200, "it was asked a moment ago");
    site.age("alice", 6).await;
    let answer = site.server.person("alice", SECRET).get("/v2/").await;
    assert_eq!(answer.status(), 401);
    assert!(message(answer).await.contains("log in again with a browser"));
    assert!(browser.current().await.is_none(), "sessions end as well");
    let wrong = site.server.person("alice", "Wrong-secret-1").get("/v2/").await;
    assert_eq!(message(wrong).await, "incorrect username or password");
    let noted = "SELECT count(*) FROM audit_log WHERE resource = $1 AND operation = 'logout'
                 AND description = 'ended by the OIDC provider'";
    assert_eq!(site.number(noted, "alice").await, 1);
    // It stays so until a login with a browser.
    site.person("alice", &["devs"]).await;
    assert_eq!(site.pull("alice", SECRET, "team").await, 401);
    browser.log_in(&site, "alice").await;
    assert_eq!(site.pull("alice", SECRET, "team").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_provider_stops_nobody_for_an_hour_and_then_everybody() {
    if left_out() {
        return;
    }
    let (mut site, mut browser) = alice(&[]).await;
    // Another one takes its place, at another address.
    site.provider = site.start_provider();
    site.age("alice", 6).await;
    assert_eq!(site.pull("alice", SECRET, "team").await, 200);
    assert!(browser.current().await.is_some());
    site.age("alice", 60).await;
    let answer = site.server.person("alice", SECRET).get("/v2/").await;
    assert_eq!(answer.status(), 503);
    header(&answer, "retry-after");
    assert_eq!(browser.get("/api/v2.0/users/current").await.status(), 503);
    assert_eq!(site.server.admin().get("/v2/").await.status(), 200);
    // Nobody is kept from logging out.
    assert_eq!(browser.get("/c/oidc/logout").await.status(), 302);
    assert!(browser.current().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_use_a_refresh_token_once() {
    if left_out() {
        return;
    }
    let (site, _browser) = alice(&[]).await;
    // The provider ends the login of whoever uses one twice.
    for _ in 0..3 {
        site.age("alice", 120).await;
        let pulls = (0..24).map(|_| site.pull("alice", SECRET, "team"));
        let statuses = futures_util::future::join_all(pulls).await;
        assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    }
    // Neither does a client lose it that goes away in the middle.
    for wait in (2..60).step_by(3) {
        site.age("alice", 120).await;
        let person = site.server.person("alice", SECRET);
        let _ = tokio::time::timeout(Duration::from_millis(wait), person.get("/v2/")).await;
        assert_eq!(person.get("/v2/").await.status(), 200, "{wait} ms");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_a_cli_secret_is_slow_and_does_not_lock_its_owner_out() {
    if left_out() {
        return;
    }
    let (site, _browser) = alice(&[]).await;
    let status = async |secret: &str| {
        site.server.person("alice", secret).get("/v2/").await.status().as_u16()
    };
    assert_eq!(status(SECRET).await, 200);
    let mut wrong = 0;
    while status(&format!("Wrong-secret-{wrong}")).await == 401 {
        wrong += 1;
        assert!(wrong < 100, "nobody slows this down");
    }
    assert_eq!(status("Wrong-secret").await, 429);
    assert_eq!(status(SECRET).await, 200, "it was right lately");
    let noted = "SELECT count(*) FROM audit_log WHERE resource = $1 AND operation = 'login'
                 AND NOT success";
    assert_eq!(site.number(noted, "alice").await, wrong);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_token_is_a_login_to_the_api() {
    if left_out() {
        return;
    }
    let (site, mut browser) = alice(&[("oidc_logout", "true")]).await;
    // The address of the logout has the token in it.
    let there = crate::browser::location(&browser.get("/c/oidc/logout").await);
    let id_token = there.split("id_token_hint=").nth(1).unwrap().split('&').next().unwrap();
    let get = async |path: &str, token: &str| {
        let request = site.server.nobody().send("GET", path).bearer_auth(token);
        request.send().await.unwrap()
    };
    let answer = get("/api/v2.0/users/current", id_token).await;
    assert_eq!(answer.status(), 200);
    let person: Value = answer.json().await.unwrap();
    assert_eq!(person["username"], "alice");
    let scope = "/service/token?service=harbor-registry&scope=repository:team/app:pull";
    let answer: Value = get(scope, id_token).await.json().await.unwrap();
    let token = answer["token"].as_str().unwrap().to_owned();
    assert_eq!(site.pull_with(&token, "team").await, 200);
    // Not at the registry itself, and not one that was touched, nor our own.
    assert_eq!(get("/v2/", id_token).await.status(), 401);
    let (head, signature) = id_token.rsplit_once('.').unwrap();
    let mut touched: Vec<char> = signature.chars().collect();
    touched[10] = if touched[10] == 'A' { 'B' } else { 'A' };
    let touched = format!("{head}.{}", touched.into_iter().collect::<String>());
    for bad in [&*touched, head, &token, "x", ""] {
        assert_eq!(get("/api/v2.0/users/current", bad).await.status(), 401, "{bad}");
    }
    // The provider's word of the last hour counts, as with everything else.
    site.age("alice", 61).await;
    assert_eq!(get("/api/v2.0/users/current", id_token).await.status(), 401);
    browser.log_in(&site, "alice").await;
    assert_eq!(get("/api/v2.0/users/current", id_token).await.status(), 200);
    site.set_mode("db_auth").await;
    assert_eq!(get("/api/v2.0/users/current", id_token).await.status(), 401);
    assert!(browser.current().await.is_none(), "nor does a session of the provider");
    assert_eq!(site.pull("alice", SECRET, "team").await, 401);
}
