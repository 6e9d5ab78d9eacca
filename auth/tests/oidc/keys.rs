//! How long what a provider said is believed, and how often it is asked.

use std::time::Duration;

use roadstead_auth::oidc::{Error, Provider};
use serde_json::{Value, json};

use crate::forger::{Forger, clock};

const DISCOVERY: &str = "/.well-known/openid-configuration";

/// A token for the API that does not run out during a test, signed with the key of this id.
fn bearer(forger: &Forger, id: &str) -> String {
    let mut claims = forger.claims("any");
    claims["exp"] = json!(4_000_000_000_u64);
    forger.sign(&json!({"alg": "RS256", "kid": id}), &claims)
}

#[tokio::test]
async fn a_new_key_is_found_and_unknown_ones_are_asked_for_once_in_30_seconds() {
    let forger = Forger::start().await;
    let clock = clock();
    let provider = forger.provider_at(clock.clone()).await.unwrap();
    let asked = || forger.seen("/jwks").len();
    for _ in 0..10 {
        let refused = provider.verify_id_token(&bearer(&forger, "second")).await;
        assert!(matches!(refused, Err(Error::InvalidToken(_))), "{refused:?}");
    }
    assert_eq!(asked(), 1, "it was asked a moment ago");
    clock.advance(Duration::from_secs(31));
    for _ in 0..10 {
        assert!(provider.verify_id_token(&bearer(&forger, "second")).await.is_err());
    }
    assert_eq!(asked(), 2);
    forger.answer_json("/jwks", json!({"keys": [forger.jwk("second")]}));
    clock.advance(Duration::from_secs(31));
    assert!(provider.verify_id_token(&bearer(&forger, "second")).await.is_ok());
    assert_eq!(asked(), 3);
    let withdrawn = provider.verify_id_token(&bearer(&forger, "first")).await;
    assert!(withdrawn.is_err(), "a key that was withdrawn is not believed");
}

#[tokio::test]
async fn many_requests_at_once_ask_once() {
    let forger = Forger::start().await;
    let clock = clock();
    let provider = forger.provider_at(clock.clone()).await.unwrap();
    clock.advance(Duration::from_hours(1));
    let token = bearer(&forger, "first");
    let together: Vec<_> = (0..20).map(|_| provider.verify_id_token(&token)).collect();
    for result in futures_util::future::join_all(together).await {
        assert!(result.is_ok(), "{result:?}");
    }
    assert_eq!(forger.seen("/jwks").len(), 2);
}

#[tokio::test]
async fn an_outage_of_the_provider_is_bridged_for_an_hour_and_then_said() {
    let forger = Forger::start().await;
    let clock = clock();
    let provider = forger.provider_at(clock.clone()).await.unwrap();
    let token = bearer(&forger, "first");
    forger.answer_text(DISCOVERY, 503, "");
    clock.advance(Duration::from_mins(90));
    assert!(provider.verify_id_token(&token).await.is_ok());
    assert!(provider.verify_id_token(&token).await.is_ok());
    let perhaps_new = provider.verify_id_token(&bearer(&forger, "second")).await;
    assert!(matches!(perhaps_new, Err(Error::Unavailable(_))), "nobody knows: {perhaps_new:?}");
    assert_eq!(forger.seen(DISCOVERY).len(), 2, "a second request does not wait for the outage");
    clock.advance(Duration::from_mins(31));
    let ended = provider.verify_id_token(&token).await;
    assert!(matches!(ended, Err(Error::Unavailable(_))), "not an invalid token: {ended:?}");
    forger.answer_json(DISCOVERY, forger.document());
    clock.advance(Duration::from_secs(31));
    assert!(provider.verify_id_token(&token).await.is_ok());
}

#[tokio::test]
async fn a_provider_that_is_down_at_first_is_found_later() {
    let forger = Forger::start().await;
    let clock = clock();
    forger.answer_text(DISCOVERY, 502, "");
    assert!(matches!(forger.provider_at(clock.clone()).await, Err(Error::Unavailable(_))));
    let provider = Provider::new(forger.settings(), clock.clone()).unwrap();
    assert!(matches!(provider.begin().await, Err(Error::Unavailable(_))));
    forger.answer_json(DISCOVERY, forger.document());
    clock.advance(Duration::from_secs(31));
    assert!(provider.begin().await.is_ok());
}

#[tokio::test]
async fn broken_key_sets_are_refused_and_broken_keys_verify_nothing() {
    let forger = Forger::start().await;
    for broken in [json!({}), json!([]), json!(null), json!({"keys": {}}), json!({"keys": "x"})] {
        forger.answer_json("/jwks", broken.clone());
        let refused = forger.provider().await;
        assert!(matches!(refused, Err(Error::BadAnswer(_))), "{broken}");
    }
    let rsa = |n: &str, e: &str| json!({"kty": "RSA", "kid": "first", "n": n, "e": e});
    let large = "_".repeat(100_000);
    let keys = [
        rsa("", ""),
        rsa("AQAB", "AQAB"),
        rsa("AAAA", "AAAA"),
        rsa(&large, "AQAB"),
        rsa(&large, &large),
        rsa("!", "AQAB"),
        json!({"kty": "EC", "kid": "first", "crv": "P-256", "x": "", "y": ""}),
        json!({"kty": "OKP", "kid": "first", "crv": "Ed25519", "x": large}),
        json!({"kty": "oct", "kid": "first", "k": "AAAA"}),
        json!({"kid": "first"}),
        Value::Null,
    ];
    for key in keys {
        forger.answer_json("/jwks", json!({"keys": [key]}));
        let provider = forger.provider().await.unwrap();
        assert!(forger.login_with_claims(&provider, |_| {}).await.is_err());
    }
}
