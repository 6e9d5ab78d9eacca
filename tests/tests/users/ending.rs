//! When accounts end.

use roadstead_tests::Server;
use roadstead_tests::api::Browser;
use roadstead_tests::http::Person;
use serde_json::json;

use crate::{PASSWORD, with_people};

/// Every way in that somebody has.
struct Ways<'a> {
    server: &'a Server,
    person: Person,
    bearer: String,
    refresh: String,
    browser: Browser,
    through_token: Person,
}

impl<'a> Ways<'a> {
    const MANIFEST: &'static str = "/v2/mine/app/manifests/v1";

    async fn of(server: &'a Server, name: &str) -> Self {
        let person = server.person(name, PASSWORD);
        let (bearer, body) = person.token("repository:mine/app:pull").await;
        let pull = json!({
            "name": "ci", "permissions": [{"kind": "project", "namespace": "mine",
            "access": [{"resource": "repository", "action": "pull"}]}],
        });
        let (_, token) = person.make("/users/current/tokens", &pull).await;
        let secret = token["secret"].as_str().unwrap();
        Self {
            server,
            person,
            bearer,
            refresh: body["refresh_token"].as_str().unwrap().to_owned(),
            browser: server.log_in(name, PASSWORD).await,
            through_token: server.person(name, secret),
        }
    }

    /// Which of Basic, Bearer, refresh, cookie and personal token work.
    async fn open(&self) -> [bool; 5] {
        let scope = "repository:mine/app:pull";
        [
            self.person.get(Self::MANIFEST).await.status() == 200,
            self.server.with_token(&self.bearer, "GET", Self::MANIFEST).await == 200,
            self.server.refresh(&self.refresh, scope).await.status() == 200,
            self.browser.is_logged_in().await,
            self.through_token.get(Self::MANIFEST).await.status() == 200,
        ]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_disabled_deleted_or_logged_out_is_so_at_once_on_every_way() {
    let (server, [(alice, id)]) = with_people(["alice"]).await;
    let admin = server.admin();
    alice.create_project("mine", false).await;
    alice.push_image("mine/app", "v1", b"a layer").await;
    let disabled = format!("/users/{id}/disabled");
    let ways = Ways::of(&server, "alice").await;
    assert_eq!(ways.open().await, [true; 5]);
    admin.change("PUT", &disabled, &json!({"disabled": true})).await;
    assert_eq!(ways.open().await, [false; 5]);
    assert_eq!(admin.read(&format!("/users/{id}")).await["disabled"], true);
    // What was issued before does not come back; what people keep does.
    admin.change("PUT", &disabled, &json!({"disabled": false})).await;
    assert_eq!(ways.open().await, [true, false, false, false, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_account_leaves_its_projects_and_frees_its_name() {
    let (server, [(alice, id)]) = with_people(["alice"]).await;
    let admin = server.admin();
    alice.create_project("mine", false).await;
    alice.push_image("mine/app", "v1", b"a layer").await;
    let ways = Ways::of(&server, "alice").await;
    alice.change("DELETE", &format!("/users/{id}/sessions"), &json!({})).await;
    assert_eq!(ways.open().await, [true, false, false, false, true]);
    admin.change("DELETE", &format!("/users/{id}"), &json!({})).await;
    assert_eq!(ways.open().await, [false; 5]);
    assert_eq!(admin.read("/users").await, json!([]));
    assert_eq!(admin.read("/projects/mine").await["owner_name"], format!("alice#{id}"));
    // Somebody else of that name has nothing of hers.
    admin.create_user("alice").await;
    assert_ne!(alice.user_id().await, id);
    assert_eq!(ways.open().await, [false; 5]);
    assert_eq!(alice.status("GET", "/projects/mine", &json!({})).await, 403);
}
