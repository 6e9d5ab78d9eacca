//! What groups of the provider allow, and that it ends with them.

use roadstead_tests::oidc::left_out;
use serde_json::Value;

use crate::browser::Browser;
use crate::site::Site;

const SECRET: &str = "Chosen-secret-1";

async fn status(browser: &mut Browser, path: &str) -> u16 {
    browser.get(path).await.status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_gives_its_role_in_a_project_and_takes_it_back() {
    if left_out() {
        return;
    }
    let site = Site::start(&[("oidc_auto_onboard", "true"), ("oidc_group_filter", "^de")]).await;
    site.person("alice", &["devs", "cooks"]).await;
    let mut browser = Browser::new(&site);
    browser.log_in(&site, "alice").await;
    assert_eq!(
        site.number("SELECT count(*) FROM user_group WHERE group_name = $1", "cooks").await,
        0
    );
    site.cli_secret("alice", SECRET).await;
    site.project_of_group("team", "devs").await;
    let project = "/api/v2.0/projects/team";
    assert_eq!(status(&mut browser, project).await, 200);
    assert_eq!(site.pull("alice", SECRET, "team").await, 200);
    let token = site.token("alice", SECRET, "team").await.unwrap();
    // Gone at the provider: gone here at the next login, at once also for tokens.
    site.person("alice", &["cooks"]).await;
    assert_eq!(site.pull("alice", SECRET, "team").await, 200, "it was asked a moment ago");
    let mut other = Browser::new(&site);
    other.log_in(&site, "alice").await;
    assert_eq!(status(&mut other, project).await, 403);
    assert_eq!(status(&mut browser, project).await, 403);
    assert_eq!(site.pull("alice", SECRET, "team").await, 401);
    assert_eq!(site.pull_with(&token, "team").await, 401);
    // Back again, and gone again: with the next use of the secret, 5 minutes later.
    site.person("alice", &["devs"]).await;
    site.age("alice", 6).await;
    assert_eq!(site.pull("alice", SECRET, "team").await, 200);
    site.person("alice", &[]).await;
    site.age("alice", 6).await;
    assert_eq!(site.pull("alice", SECRET, "team").await, 401);
    // At once when somebody is logged out everywhere.
    site.person("alice", &["devs"]).await;
    site.age("alice", 6).await;
    assert_eq!(site.pull("alice", SECRET, "team").await, 200);
    site.person("alice", &[]).await;
    let path = format!("/api/v2.0/users/{}/sessions", site.id("alice").await);
    assert_eq!(site.server.admin().delete(&path).await.status(), 200);
    assert_eq!(site.pull("alice", SECRET, "team").await, 401);
    assert!(browser.current().await.is_none());
    browser.log_in(&site, "alice").await;
    // The same with the session.
    site.person("alice", &["devs"]).await;
    site.age("alice", 6).await;
    assert_eq!(status(&mut browser, project).await, 200);
    site.person("alice", &[]).await;
    site.age("alice", 6).await;
    assert_eq!(status(&mut browser, project).await, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_of_docker_follows_the_groups() {
    if left_out() {
        return;
    }
    let site = Site::start(&[("oidc_auto_onboard", "true")]).await;
    site.person("alice", &["devs"]).await;
    Browser::new(&site).log_in(&site, "alice").await;
    site.cli_secret("alice", SECRET).await;
    site.project_of_group("team", "devs").await;
    let form = |extra: &str| {
        format!("service=harbor-registry&client_id=docker&scope=repository:team/app:pull&{extra}")
    };
    let token = async |extra: &str| {
        let request = site.server.nobody().send("POST", "/service/token").body(form(extra));
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json::<Value>().await.unwrap())
    };
    let password =
        format!("grant_type=password&access_type=offline&username=alice&password={SECRET}");
    let (status, first) = token(&password).await;
    assert_eq!(status, 200, "{first}");
    let refresh = first["refresh_token"].as_str().unwrap();
    let refresh = format!("grant_type=refresh_token&refresh_token={refresh}");
    let pull = async |answer: &Value| {
        site.pull_with(answer["access_token"].as_str().unwrap(), "team").await
    };
    let (status, answer) = token(&refresh).await;
    assert_eq!((status, pull(&answer).await), (200, 200));
    site.person("alice", &[]).await;
    site.age("alice", 6).await;
    let (status, answer) = token(&refresh).await;
    assert_eq!((status, pull(&answer).await), (200, 401));
    site.provider.block("alice").await;
    site.age("alice", 6).await;
    let (status, answer) = token(&refresh).await;
    assert_eq!(status, 401);
    assert!(answer.to_string().contains("log in again"), "{answer}");
    // A login makes it work again; another secret ends it for good.
    site.person("alice", &["devs"]).await;
    Browser::new(&site).log_in(&site, "alice").await;
    let (status, answer) = token(&refresh).await;
    assert_eq!((status, pull(&answer).await), (200, 200));
    site.cli_secret("alice", "Chosen-secret-2").await;
    assert_eq!(token(&refresh).await.0, 401);
    assert_eq!(pull(&answer).await, 401, "and the tokens that were got with it");
    assert_eq!(site.pull("alice", SECRET, "team").await, 401);
    assert_eq!(site.pull("alice", "Chosen-secret-2", "team").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_of_administrators_makes_one_for_as_long_as_somebody_is_in_it() {
    if left_out() {
        return;
    }
    let settings = [
        ("oidc_auto_onboard", "true"),
        ("oidc_admin_group", "admins"),
        ("oidc_group_filter", "^devs$"),
    ];
    let site = Site::start(&settings).await;
    site.person("alice", &["devs"]).await;
    let mut browser = Browser::new(&site);
    browser.log_in(&site, "alice").await;
    let users = "/api/v2.0/users";
    assert_eq!(status(&mut browser, users).await, 403);
    site.person("alice", &["admins"]).await;
    browser.log_in(&site, "alice").await;
    assert_eq!(status(&mut browser, users).await, 200);
    let person = browser.current().await.unwrap();
    assert_eq!(
        (&person["admin_role_in_auth"], &person["sysadmin_flag"]),
        (&true.into(), &false.into())
    );
    site.person("alice", &["devs"]).await;
    site.age("alice", 6).await;
    assert_eq!(status(&mut browser, users).await, 403);
    let noted = "SELECT count(*) FROM audit_log WHERE resource = 'alice' AND operation = 'update'
                 AND description LIKE '%administrator by a group%' AND actor = $1";
    assert_eq!(site.number(noted, "system").await, 2);
    // An administrator by decision stays one, whatever the groups are.
    site.execute("UPDATE user_account SET sysadmin = 1 WHERE email = $1", "alice@example.com")
        .await;
    site.age("alice", 6).await;
    assert_eq!(status(&mut browser, users).await, 200);
}
