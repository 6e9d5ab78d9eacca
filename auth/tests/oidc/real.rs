//! Logging in at a real provider.

use std::sync::Arc;

use roadstead_auth::oidc::{Callback, Error, Login, Provider, Settings};
use roadstead_model::SystemClock;
use serde_json::json;

use crate::provider::{self, CLIENT_ID, CLIENT_SECRET, Setup};

const CALLBACK: &str = "http://registry.example.com/c/oidc/callback";
const HOME: &str = "http://registry.example.com/";

fn start(claims_in_id_token: bool) -> provider::Provider {
    provider::Provider::start(&Setup {
        redirect_uris: vec![CALLBACK.to_owned()],
        post_logout_redirect_uris: vec![HOME.to_owned()],
        claims_in_id_token,
    })
}

fn settings(issuer: &str, client_id: &str) -> Settings {
    Settings {
        scope: "openid,profile,email,offline_access".to_owned(),
        groups_claim: "groups".to_owned(),
        admin_group: "admins".to_owned(),
        group_filter: "^(dev|adm)".to_owned(),
        extra_redirect_params: [("prompt".to_owned(), "consent".to_owned())].into(),
        logout: true,
        ..Settings::new(issuer, client_id, CLIENT_SECRET, CALLBACK)
    }
}

async fn discover(at: &provider::Provider, client_id: &str) -> Provider {
    let settings = settings(at.issuer(), client_id);
    Provider::discover(settings, Arc::new(SystemClock)).await.unwrap()
}

async fn log_in(at: &provider::Provider, provider: &Provider, user: &str) -> Login {
    let begin = provider.begin().await.unwrap();
    let back = at.log_in(begin.url.as_str(), user).await;
    assert!(back.as_str().starts_with(CALLBACK), "{back}");
    let callback = Callback::parse(back.query().unwrap()).unwrap();
    provider.finish(&callback, &begin.pending).await.unwrap()
}

#[tokio::test]
async fn a_person_logs_in_whatever_the_provider_signs_with_and_wherever_it_has_claims() {
    if provider::left_out() {
        return;
    }
    let claims = json!({
        "preferred_username": "Alice A", "email": "alice@example.com", "email_verified": true,
        "name": "Alice Anders", "groups": ["devs", "admins", "cooks"],
    });
    for claims_in_id_token in [false, true] {
        let at = start(claims_in_id_token);
        at.set_user("alice", &claims).await;
        for algorithm in ["", "-PS384", "-ES256", "-ES384", "-EdDSA"] {
            let provider = discover(&at, &format!("{CLIENT_ID}{algorithm}")).await;
            let login = log_in(&at, &provider, "alice").await;
            let person = &login.identity;
            assert_eq!((person.issuer.as_str(), person.subject.as_str()), (at.issuer(), "alice"));
            assert_eq!(person.username.as_deref(), Some("Alice_A"), "{algorithm}");
            assert_eq!(person.email.as_deref(), Some("alice@example.com"));
            assert_eq!(person.realname.as_deref(), Some("Alice Anders"));
            assert_eq!(
                (person.groups.as_slice(), person.admin),
                (&["admins".into(), "devs".into()][..], true)
            );
            // The same token, later, with a request to the API.
            let bearer =
                provider.verify_id_token(login.id_token.as_deref().unwrap()).await.unwrap();
            assert_eq!(bearer.subject, "alice");
            assert_eq!(bearer.admin, claims_in_id_token, "a token alone has what is in it");
        }
    }
}

#[tokio::test]
async fn a_refresh_brings_todays_groups_and_ends_with_the_account() {
    if provider::left_out() {
        return;
    }
    let at = start(false);
    at.set_user("bob", &json!({"groups": ["devs", "admins"]})).await;
    let provider = discover(&at, CLIENT_ID).await;
    let first = log_in(&at, &provider, "bob").await;
    assert!(first.identity.admin);
    at.set_user("bob", &json!({"groups": ["devs"]})).await;
    let second = provider.refresh(first.refresh_token.as_deref().unwrap(), "bob").await.unwrap();
    assert_eq!(
        (second.identity.groups.as_slice(), second.identity.admin),
        (&["devs".into()][..], false)
    );
    assert_ne!(second.refresh_token, first.refresh_token, "this provider changes them");
    at.block("bob").await;
    let refresh_token = second.refresh_token.unwrap();
    assert_eq!(provider.refresh(&refresh_token, "bob").await, Err(Error::Ended));
    drop(at);
    let unreachable = provider.refresh(&refresh_token, "bob").await;
    assert!(matches!(unreachable, Err(Error::Unavailable(_))), "{unreachable:?}");
}

#[tokio::test]
async fn codes_and_tokens_work_for_their_own_login_and_client_only() {
    if provider::left_out() {
        return;
    }
    let at = start(true);
    at.set_user("carol", &json!({"name": "carol"})).await;
    let provider = discover(&at, CLIENT_ID).await;
    let (mine, other) = (provider.begin().await.unwrap(), provider.begin().await.unwrap());
    let back = at.log_in(mine.url.as_str(), "carol").await;
    let callback = Callback::parse(back.query().unwrap()).unwrap();
    let foreign = provider.finish(&callback, &other.pending).await;
    assert!(matches!(foreign, Err(Error::ForeignCallback(_))), "{foreign:?}");
    let login = provider.finish(&callback, &mine.pending).await.unwrap();
    let again = provider.finish(&callback, &mine.pending).await;
    assert_eq!(again, Err(Error::Refused("invalid_grant".to_owned())));
    let neighbour = discover(&at, &format!("{CLIENT_ID}-ES256")).await;
    let refused = neighbour.verify_id_token(login.id_token.as_deref().unwrap()).await;
    assert!(matches!(refused, Err(Error::InvalidToken(_))), "{refused:?}");
    let wrong = Settings { client_secret: "wrong".to_owned(), ..settings(at.issuer(), CLIENT_ID) };
    let wrong = Provider::new(wrong, Arc::new(SystemClock)).unwrap();
    let refused = wrong.refresh("any", "carol").await;
    assert_eq!(refused, Err(Error::Refused("invalid_client".to_owned())), "not the person's fault");
}

#[tokio::test]
async fn logging_out_ends_the_refresh_token_and_has_a_page_at_the_provider() {
    if provider::left_out() {
        return;
    }
    let at = start(true);
    at.set_user("dora", &json!({"name": "dora"})).await;
    let provider = discover(&at, CLIENT_ID).await;
    let login = log_in(&at, &provider, "dora").await;
    let id_token = login.id_token.unwrap();
    let page = provider.end_session_url(&id_token, HOME).await.unwrap().unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    assert_eq!(client.get(page).send().await.unwrap().status(), 200);
    let refresh_token = login.refresh_token.unwrap();
    provider.revoke(&refresh_token).await.unwrap();
    assert_eq!(provider.refresh(&refresh_token, "dora").await, Err(Error::Ended));
    let silent = Settings { logout: false, ..settings(at.issuer(), CLIENT_ID) };
    let silent = Provider::new(silent, Arc::new(SystemClock)).unwrap();
    assert_eq!(silent.end_session_url(&id_token, HOME).await, Ok(None));
}
