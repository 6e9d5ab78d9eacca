//! Whose account a login belongs to, and how it gets one.

use roadstead_tests::oidc::{CLIENT_SECRET, left_out};
use serde_json::{Value, json};

use crate::browser::{Browser, location, message};
use crate::site::Site;

#[tokio::test(flavor = "multi_thread")]
async fn a_new_person_chooses_a_name() {
    if left_out() {
        return;
    }
    let site = Site::start(&[]).await;
    site.person("Zoë Z", &["devs"]).await;
    let mut browser = Browser::new(&site);
    let callback =
        browser.go_to_provider(&site, "Zoë Z", "/c/oidc/login?redirect_url=/harbor/x%3Fa=b").await;
    let answer = browser.get(&callback).await;
    let page = location(&answer);
    assert_eq!(page, "/oidc-onboard?username=Zo%C3%AB_Z&redirect_url=%2Fharbor%2Fx%3Fa%3Db");
    let cookie = answer.headers().get_all("set-cookie").iter();
    let cookie = cookie.map(|it| it.to_str().unwrap()).find(|it| it.starts_with("oidc-onboard="));
    let cookie = cookie.unwrap();
    assert!(cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Lax"), "{cookie}");
    assert!(!browser.cookies.contains_key("sid") && browser.current().await.is_none());
    for bad in ["", "a,b", "a:b", "robot$x", "a\nb", &"x".repeat(256)] {
        let answer = browser.post("/c/oidc/onboard", json!({"username": bad})).await;
        assert_eq!(answer.status(), 400, "{bad:?}");
    }
    assert_eq!(browser.post("/c/oidc/onboard", json!({"name": "zoe"})).await.status(), 400);
    assert_eq!(browser.post("/c/oidc/onboard", json!({"username": "admin"})).await.status(), 409);
    let mut other = Browser::new(&site);
    assert_eq!(other.post("/c/oidc/onboard", json!({"username": "zoe"})).await.status(), 400);
    other.cookies.insert("oidc-onboard".to_owned(), "guessed".to_owned());
    assert_eq!(other.post("/c/oidc/onboard", json!({"username": "zoe"})).await.status(), 400);
    other.cookies.clone_from(&browser.cookies);
    assert_eq!(browser.post("/c/oidc/onboard", json!({"username": "zoe"})).await.status(), 200);
    assert_eq!(browser.current().await.unwrap()["username"], "zoe");
    assert!(!browser.cookies.contains_key("oidc-onboard"));
    // Once only.
    assert_eq!(other.post("/c/oidc/onboard", json!({"username": "zoe2"})).await.status(), 400);
    // From now on they are known.
    let mut again = Browser::new(&site);
    again.log_in(&site, "Zoë Z").await;
    assert_eq!(again.current().await.unwrap()["username"], "zoe");
    let groups = "SELECT count(*) FROM group_member m JOIN principal p ON p.id = m.user_id
                  WHERE p.name = $1";
    assert_eq!(site.number(groups, "zoe").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_taken_from_the_claim_or_the_login_says_which_is_missing() {
    if left_out() {
        return;
    }
    let settings = [("oidc_auto_onboard", "true"), ("oidc_user_claim", "preferred_username")];
    let site = Site::start(&settings).await;
    site.provider.set_user("nameless", &json!({"name": "Name Less"})).await;
    let answer = Browser::new(&site).arrive(&site, "nameless").await;
    assert_eq!(answer.status(), 400);
    assert!(message(answer).await.contains("username"));
    site.provider.set_user("strange", &json!({"preferred_username": "a:b$c"})).await;
    assert_eq!(Browser::new(&site).arrive(&site, "strange").await.status(), 400);
    let claims = json!({"preferred_username": "Ann, B", "email": "not an address"});
    site.provider.set_user("ann", &claims).await;
    let mut browser = Browser::new(&site);
    browser.log_in(&site, "ann").await;
    let person = browser.current().await.unwrap();
    assert_eq!((&person["username"], &person["email"]), (&json!("Ann__B"), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_an_account_by_its_name_or_its_address() {
    if left_out() {
        return;
    }
    let site = Site::apart().await;
    site.server.admin().create_user("victim").await;
    site.connect(&[("oidc_auto_onboard", "true")]).await;
    let attempts = [
        json!({"preferred_username": "victim"}),
        json!({"preferred_username": "mallory", "email": "victim@example.com"}),
        json!({"preferred_username": "mallory", "email": "victim@example.com",
               "email_verified": true}),
        json!({"preferred_username": "victim@example.com"}),
        json!({"preferred_username": "admin"}),
    ];
    for claims in attempts {
        site.provider.set_user("mallory", &claims).await;
        let mut browser = Browser::new(&site);
        let answer = browser.arrive(&site, "mallory").await;
        assert_eq!(answer.status(), 409, "{claims}");
        assert!(!browser.cookies.contains_key("sid"));
    }
    assert_eq!(site.number("SELECT count(*) FROM oidc_account WHERE issuer <> $1", "").await, 0);
    // An address that was not verified is nobody's, and no reason to refuse.
    let claims = json!({"preferred_username": "mallory", "email": "victim@example.com",
                        "email_verified": false});
    site.provider.set_user("mallory", &claims).await;
    let mut browser = Browser::new(&site);
    browser.log_in(&site, "mallory").await;
    assert_eq!(browser.current().await.unwrap()["email"], Value::Null);
    // Accounts of this server log in as ever.
    let form = |name: &str| format!("principal={name}&password=Password-1");
    let log_in = async |name: &str| {
        let request = site.server.nobody().send("POST", "/c/login").body(form(name));
        request.send().await.unwrap()
    };
    assert_eq!(log_in("victim").await.status(), 200);
    assert_eq!(log_in("victim@example.com").await.status(), 200);
    assert_eq!(site.server.person("victim", "Password-1").get("/v2/").await.status(), 200);
    for elsewhere in ["mallory", "nobody"] {
        let answer = log_in(elsewhere).await;
        assert_eq!(answer.status(), 403);
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body, json!({"redirect_location": site.server.url("/c/oidc/login")}));
    }
    assert_eq!(site.server.person("nobody", "Password-1").get("/v2/").await.status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_of_another_provider_is_another_person() {
    if left_out() {
        return;
    }
    let mut site = Site::start(&[("oidc_auto_onboard", "true")]).await;
    site.person("alice", &["devs"]).await;
    Browser::new(&site).log_in(&site, "alice").await;
    site.cli_secret("alice", "Chosen-secret-1").await;
    site.project_of_group("team", "devs").await;
    assert_eq!(site.pull("alice", "Chosen-secret-1", "team").await, 200);
    // The administrator changes over to another provider, where somebody is called the same.
    let second = site.start_provider();
    let moved = [("oidc_endpoint", second.issuer()), ("oidc_client_secret", CLIENT_SECRET)];
    site.configure(&moved).await;
    site.provider = second;
    site.person("alice", &["devs"]).await;
    assert_eq!(Browser::new(&site).arrive(&site, "alice").await.status(), 409);
    site.age("alice", 6).await;
    let answer = site.server.person("alice", "Chosen-secret-1").get("/v2/").await;
    assert_eq!(answer.status(), 401);
    assert!(message(answer).await.contains("log in again"));
    let kept = "SELECT count(*) FROM oidc_account WHERE issuer <> $1 AND refresh_token IS NOT NULL";
    assert_eq!(site.number(kept, site.provider.issuer()).await, 1, "the other did not get it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_account_stays_disabled() {
    if left_out() {
        return;
    }
    let site = Site::start(&[("oidc_auto_onboard", "true")]).await;
    site.person("alice", &[]).await;
    let mut browser = Browser::new(&site);
    browser.log_in(&site, "alice").await;
    site.cli_secret("alice", "Chosen-secret-1").await;
    let path = format!("/api/v2.0/users/{}/disabled", site.id("alice").await);
    let request = site.server.admin().send("PUT", &path).json(&json!({"disabled": true}));
    assert_eq!(request.send().await.unwrap().status(), 200);
    assert!(browser.current().await.is_none());
    let answer = browser.arrive(&site, "alice").await;
    assert_eq!(answer.status(), 403);
    assert!(message(answer).await.contains("disabled"));
    assert_eq!(site.server.person("alice", "Chosen-secret-1").get("/v2/").await.status(), 401);
    let disabled = "SELECT disabled FROM principal WHERE name = $1";
    assert_eq!(site.number(disabled, "alice").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_person_who_comes_back_is_a_new_one() {
    if left_out() {
        return;
    }
    let site = Site::start(&[("oidc_auto_onboard", "true")]).await;
    site.person("alice", &[]).await;
    let mut browser = Browser::new(&site);
    browser.log_in(&site, "alice").await;
    let project = json!({"project_name": "mine", "metadata": {"public": "false"}});
    assert_eq!(browser.post("/api/v2.0/projects", project).await.status(), 201);
    assert_eq!(browser.get("/api/v2.0/projects/mine").await.status(), 200);
    site.cli_secret("alice", "Chosen-secret-1").await;
    let first = site.id("alice").await;
    let answer = site.server.admin().delete(&format!("/api/v2.0/users/{first}")).await;
    assert_eq!(answer.status(), 200);
    assert!(browser.current().await.is_none());
    assert_eq!(site.server.person("alice", "Chosen-secret-1").get("/v2/").await.status(), 401);
    browser.log_in(&site, "alice").await;
    assert_ne!(site.id("alice").await, first);
    assert_eq!(browser.get("/api/v2.0/projects/mine").await.status(), 403);
    assert_eq!(site.server.person("alice", "Chosen-secret-1").get("/v2/").await.status(), 401);
}
