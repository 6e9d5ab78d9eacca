//! The way to the provider and back.

use roadstead_tests::Setup;
use roadstead_tests::http::header;
use roadstead_tests::oidc::left_out;
use serde_json::json;

use crate::browser::{Browser, location, message};
use crate::site::Site;

#[tokio::test(flavor = "multi_thread")]
async fn a_person_logs_in_with_a_browser() {
    if left_out() {
        return;
    }
    let site = Site::start(&[("oidc_auto_onboard", "true")]).await;
    site.person("alice", &[]).await;
    let mut browser = Browser::new(&site);
    // Somebody has put a cookie there before.
    browser.cookies.insert("sid".to_owned(), "planted".to_owned());
    let begun = browser.get("/c/oidc/login?redirect_url=/harbor/projects%3Fpage=2").await;
    let cookie = header(&begun, "set-cookie");
    for part in ["oidc-login=", "; Path=/", "; HttpOnly", "; SameSite=Lax", "; Max-Age=600"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert_eq!(header(&begun, "cache-control"), "no-store");
    let there = location(&begun);
    for part in ["state=", "nonce=", "code_challenge_method=S256", "prompt=consent"] {
        assert!(there.contains(part), "{there}");
    }
    let callback = site.provider.log_in(&there, "alice").await;
    let back = browser.get(callback.as_str()).await;
    assert_eq!((back.status().as_u16(), &*location(&back)), (302, "/harbor/projects?page=2"));
    assert_eq!(header(&back, "referrer-policy"), "no-referrer");
    let first = browser.cookies["sid"].clone();
    assert_ne!(first, "planted");
    assert!(!browser.cookies.contains_key("oidc-login"));
    let person = browser.current().await.unwrap();
    assert_eq!(person["username"], "alice");
    assert_eq!(person["email"], "alice@example.com");
    assert_eq!(person["realname"], "alice the person");
    assert_eq!(person["sysadmin_flag"], false);
    // The session is one like any other: what changes something needs its token.
    let project = json!({"project_name": "mine", "metadata": {"public": "false"}});
    let made = browser.post("/api/v2.0/projects", project.clone()).await;
    assert_eq!(made.status(), 201);
    browser.forget_csrf();
    assert_eq!(browser.post("/api/v2.0/projects", project).await.status(), 403);
    // The next login has another cookie and ends the session before.
    browser.log_in(&site, "alice").await;
    assert_ne!(browser.cookies["sid"], first);
    assert!(browser.current().await.is_some());
    let mut other = Browser::new(&site);
    other.cookies.insert("sid".to_owned(), first);
    assert!(other.current().await.is_none());
    assert_eq!(
        site.number("SELECT count(*) FROM oidc_account WHERE subject = $1", "alice").await,
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_https_every_cookie_is_bound_to_the_host() {
    if left_out() {
        return;
    }
    let address = "https://registry.example.com";
    let site = Site::of(Setup::new().env("ROADSTEAD_EXTERNAL_URL", address)).await;
    site.connect(&[]).await;
    site.person("alice", &[]).await;
    let mut browser = Browser::new(&site);
    let begun = browser.get("/c/oidc/login").await;
    let login = header(&begun, "set-cookie");
    let mut there = reqwest::Url::parse(&location(&begun)).unwrap();
    let query: Vec<_> = there.query_pairs().into_owned().collect();
    let back = ("redirect_uri".to_owned(), format!("{address}/c/oidc/callback"));
    assert!(query.contains(&back), "{query:?}");
    // The provider knows the address of the test.
    let others = query.into_iter().filter(|(name, _)| name != "redirect_uri");
    let here = ("redirect_uri".to_owned(), site.server.url("/c/oidc/callback"));
    there.query_pairs_mut().clear().extend_pairs(others.chain([here]));
    let callback = site.provider.log_in(there.as_str(), "alice").await;
    // Which is not the one that the code is redeemed for.
    assert_eq!(browser.get(callback.as_str()).await.status(), 400);
    let forgotten = browser.get(callback.as_str()).await;
    for cookie in [login, header(&forgotten, "set-cookie")] {
        assert!(cookie.starts_with("__Host-oidc-login="), "{cookie}");
        assert!(cookie.contains("; Secure") && cookie.contains("; Path=/;"), "{cookie}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_ends_where_it_was_begun_once_and_leads_nowhere_else() {
    if left_out() {
        return;
    }
    let site = Site::start(&[("oidc_auto_onboard", "true")]).await;
    site.person("alice", &[]).await;
    let mut browser = Browser::new(&site);
    for elsewhere in [
        "//evil.example",
        r"\\evil.example",
        r"/\evil.example",
        "http:evil.example",
        "https://evil.example",
        "%2f%2fevil.example",
        "%252f%252fevil.example",
        "/%252fevil.example",
        "/a/..//evil.example",
        "/%09/evil.example",
        "javascript:alert(1)",
    ] {
        let path = format!("/c/oidc/login?redirect_url={elsewhere}");
        let answer = browser.get(&path).await;
        assert_eq!(answer.status(), 400, "{elsewhere}");
        assert!(answer.headers().get("location").is_none() && browser.cookies.is_empty());
    }
    let callback = browser.go_to_provider(&site, "alice", "/c/oidc/login").await;
    // Another browser's, and none: a victim is not logged in as somebody else.
    let mut victim = Browser::new(&site);
    assert_eq!(victim.get(&callback).await.status(), 400);
    victim.get("/c/oidc/login").await;
    assert_eq!(victim.get(&callback).await.status(), 400);
    assert!(!victim.cookies.contains_key("sid"));
    let mut kept = browser.cookies.clone();
    for (from, to) in [("state=", "state=x"), ("code=", "code=x"), ("iss=", "iss=http://evil/")] {
        browser.cookies.clone_from(&kept);
        let forged = callback.replacen(from, to, 1);
        assert_eq!(browser.get(&forged).await.status(), 400, "{forged}");
        assert!(browser.cookies.is_empty(), "a failed login is over");
    }
    // A cookie that was changed opens nothing.
    let changed = kept["oidc-login"].replace(|c: char| c.is_ascii_digit(), "A");
    browser.cookies.insert("oidc-login".to_owned(), changed);
    assert_eq!(browser.get(&callback).await.status(), 400);
    browser.cookies.clone_from(&kept);
    assert_eq!(browser.get(&callback).await.status(), 302);
    // The same again, from where somebody has copied it.
    kept.remove("sid");
    browser.cookies = kept;
    assert_eq!(browser.get(&callback).await.status(), 400);
    assert!(!browser.cookies.contains_key("sid"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_providers_refusal_and_its_absence_are_told_apart() {
    if left_out() {
        return;
    }
    let mut site = Site::start(&[("oidc_auto_onboard", "true")]).await;
    site.person("alice", &[]).await;
    let mut browser = Browser::new(&site);
    let there = location(&browser.get("/c/oidc/login").await);
    let state = there.split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let issuer = site.provider.issuer().to_owned();
    let refused = format!("/c/oidc/callback?error=access_denied&state={state}&iss={issuer}");
    let answer = browser.get(&refused).await;
    assert_eq!(answer.status(), 400);
    assert!(message(answer).await.contains("access_denied"));
    let callback = browser.go_to_provider(&site, "alice", "/c/oidc/login").await;
    // Another one takes its place, at another address.
    site.provider = site.start_provider();
    let answer = browser.get(&callback).await;
    assert_eq!(answer.status(), 503);
    header(&answer, "retry-after");
    assert!(browser.cookies.contains_key("oidc-login"), "worth another try");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_mode_has_no_logins_at_a_provider() {
    if left_out() {
        return;
    }
    let site = Site::apart().await;
    let mut browser = Browser::new(&site);
    for path in ["/c/oidc/login", "/c/oidc/callback?code=x&state=y"] {
        assert_eq!(browser.get(path).await.status(), 412, "{path}");
    }
    let body = json!({"username": "bob"});
    assert_eq!(browser.post("/c/oidc/onboard", body).await.status(), 412);
    let secret = json!({"secret": "Chosen-secret-1"});
    let request = site.server.admin().send("PUT", "/api/v2.0/users/1/cli_secret").json(&secret);
    assert_eq!(request.send().await.unwrap().status(), 412);
    let request = site.server.nobody().send("GET", "/api/v2.0/users/current").bearer_auth("a.b.c");
    assert_eq!(request.send().await.unwrap().status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_tried_out_without_telling_what_listens_there() {
    if left_out() {
        return;
    }
    let site = Site::apart().await;
    let admin = site.server.admin();
    let ping = async |url: &str| {
        let body = json!({"url": url, "verify_cert": true});
        admin.send("POST", "/api/v2.0/system/oidc/ping").json(&body).send().await.unwrap()
    };
    assert_eq!(ping(site.provider.issuer()).await.status(), 200);
    let closed = format!("http://127.0.0.1:{}", roadstead_tests::free_port());
    let under = format!("{}/else", site.provider.issuer());
    let mut told = Vec::new();
    for wrong in [&*closed, &under, &site.server.url(""), "http://169.254.169.254", "x", ""] {
        let answer = ping(wrong).await;
        assert_eq!(answer.status(), 400, "{wrong}");
        told.push(message(answer).await);
    }
    told.dedup();
    assert_eq!(told.len(), 1, "{told:?}");
    admin.create_user("bob").await;
    let bob = site.server.person("bob", "Password-1");
    let request = bob.send("POST", "/api/v2.0/system/oidc/ping").json(&json!({"url": closed}));
    assert_eq!(request.send().await.unwrap().status(), 403);
}
