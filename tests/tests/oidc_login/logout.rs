//! Logging out here, and at the provider.

use roadstead_tests::oidc::left_out;
use serde_json::Value;

use crate::browser::{Browser, location};
use crate::site::Site;

const SECRET: &str = "Chosen-secret-1";

#[tokio::test(flavor = "multi_thread")]
async fn logging_out_goes_on_at_the_provider_where_that_is_wanted() {
    if left_out() {
        return;
    }
    let site = Site::start(&[("oidc_auto_onboard", "true"), ("oidc_logout", "true")]).await;
    site.person("alice", &[]).await;
    let mut browser = Browser::new(&site);
    browser.log_in(&site, "alice").await;
    site.cli_secret("alice", SECRET).await;
    let stolen = browser.cookies.clone();
    let answer = browser.get("/c/oidc/logout").await;
    assert_eq!(answer.status(), 302);
    let there = location(&answer);
    assert!(there.starts_with(&format!("{}/session/end", site.provider.issuer())), "{there}");
    let encoded = site.server.url("/").replace(':', "%3A").replace('/', "%2F");
    assert!(there.contains(&format!("post_logout_redirect_uri={encoded}")), "{there}");
    let page = reqwest::Client::builder().no_proxy().build().unwrap().get(there).send().await;
    assert_eq!(page.unwrap().status(), 200, "the provider knows the token and the address");
    assert!(!browser.cookies.contains_key("sid"));
    browser.cookies = stolen;
    assert!(browser.current().await.is_none(), "a cookie that was copied is worth nothing");
    // The offline token is taken back; the CLI secret wants a login within the hour.
    let kept = "SELECT count(*) FROM oidc_account WHERE subject = $1 AND refresh_token IS NOT NULL";
    assert_eq!(site.number(kept, "alice").await, 0);
    let person = site.server.person("alice", SECRET);
    assert_eq!(person.get("/v2/").await.status(), 200);
    site.age("alice", 61).await;
    assert_eq!(person.get("/v2/").await.status(), 401);
    // Without a session there is nothing to end.
    assert_eq!(location(&Browser::new(&site).get("/c/oidc/logout").await), "/");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_logs_out_is_told_where_to_go() {
    if left_out() {
        return;
    }
    let site = Site::start(&[("oidc_auto_onboard", "true")]).await;
    site.person("alice", &[]).await;
    let mut browser = Browser::new(&site);
    browser.log_in(&site, "alice").await;
    let answer = browser.get("/c/log_out").await;
    assert_eq!(answer.status(), 403);
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["redirect_location"], site.server.url("/"));
    assert!(!browser.cookies.contains_key("sid") && browser.current().await.is_none());
    assert_eq!(browser.get("/c/log_out").await.status(), 200);
    // Another site's page logs nobody out.
    browser.log_in(&site, "alice").await;
    for path in ["/c/oidc/logout", "/c/log_out"] {
        let cookie = format!("sid={}", browser.cookies["sid"]);
        let request = site.server.nobody().send("GET", path).header("cookie", cookie);
        let answer = request.header("sec-fetch-site", "cross-site").send().await.unwrap();
        assert_eq!(answer.status(), 403, "{path}");
    }
    assert!(browser.current().await.is_some());
}
