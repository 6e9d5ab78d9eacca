//! Accounts and personal access tokens of people whom a directory knows.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use roadstead_auth::permissions::Entry;
use roadstead_auth::personal_tokens::NewPersonalToken;
use roadstead_auth::{Auth, Caller, Error, SecretKey};
use roadstead_model::{Action, Clock, Origin, Permission, SystemClock};
use roadstead_storage::Db;
use roadstead_storage::tables::binding::Scope;

use crate::slapd::{PASSWORD, PEOPLE, SEARCH_DN, SEARCH_PASSWORD, Slapd};

/// Somebody with these credentials.
async fn caller(auth: &Auth, name: &str, password: &str) -> Result<Caller, Error> {
    let mut headers = HeaderMap::new();
    let basic = format!("Basic {}", BASE64.encode(format!("{name}:{password}")));
    headers.insert(AUTHORIZATION, basic.parse().unwrap());
    auth.registry_caller(&headers, Origin::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_personal_token_ends_when_its_owner_has_left_the_directory() {
    let Some(slapd) = Slapd::unless_quick() else { return };
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", directory.path().join("test.db").display());
    let db = Db::open(&url, 2).await.unwrap();
    let secret = SecretKey::generate().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    // What is remembered of people is a process's own.
    let process =
        async || Auth::new(db.clone(), &secret, clock.clone(), "http://localhost").await.unwrap();
    let auth = process().await;
    let settings = serde_json::json!({
        "auth_mode": "ldap_auth", "ldap_url": slapd.url(), "ldap_base_dn": PEOPLE,
        "ldap_uid": "uid", "ldap_search_dn": SEARCH_DN, "ldap_search_password": SEARCH_PASSWORD,
    });
    auth.fix_configuration(&settings.to_string()).await.unwrap();
    let alice = caller(&auth, "alice", PASSWORD).await.unwrap();
    let new = NewPersonalToken {
        name: "ci".to_owned(),
        description: String::new(),
        expires_at: None,
        permissions: vec![Entry {
            effect: false,
            scope: Scope::AllProjects,
            pattern: String::new(),
            access: vec![Permission::repository(Action::Pull)],
        }],
    };
    let (_, token) = auth.create_personal_token(&alice, &new).await.unwrap();
    let used = caller(&process().await, "alice", &token).await.unwrap();
    assert_eq!(used.id(), alice.id());
    // Who is named before they have ever come gets an account, once.
    let bob = auth.find_or_onboard(&alice, "BOB").await.unwrap();
    assert!(bob.is_some() && bob != alice.id());
    for name in ["bob", "Bob", " bob"] {
        assert_eq!(auth.find_or_onboard(&alice, name).await.unwrap(), bob, "{name:?}");
    }
    for name in ["nobody", "*", ""] {
        assert_eq!(auth.find_or_onboard(&alice, name).await.unwrap(), None, "{name:?}");
    }
    slapd.delete_user("alice");
    // It is believed for a while that somebody is still there.
    assert!(caller(&auth, "alice", &token).await.is_ok());
    let refused = caller(&process().await, "alice", &token).await;
    assert!(matches!(refused, Err(Error::BadCredentials)), "{refused:?}");
    drop(slapd);
    let unknown = caller(&process().await, "alice", &token).await;
    assert!(matches!(unknown, Err(Error::Directory(_))), "{unknown:?}");
}
