//! Whatever a provider's endpoints answer, the login fails with the right error and in time.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use roadstead_auth::oidc::Error;
use serde_json::{Value, json};

use crate::forger::{ACCESS_TOKEN, CLIENT_SECRET, Forger, REFRESH_TOKEN, harmless, tokens};

const DISCOVERY: &str = "/.well-known/openid-configuration";
/// All endpoints that are asked during a login.
const ENDPOINTS: [&str; 4] = [DISCOVERY, "/jwks", "/token", "/userinfo"];

/// From discovery to the end of a refresh, which needs no nonce; see [`terse`].
async fn whole_refresh(forger: &Forger) -> Result<(), Error> {
    let provider = forger.provider().await?;
    harmless(provider.refresh(REFRESH_TOKEN, "subject-1").await).map(drop)
}

/// A provider that answers a refresh with an `id_token` that says so little that userinfo is asked.
async fn terse() -> Forger {
    let forger = Forger::start().await;
    let mut claims = forger.claims("any");
    claims.as_object_mut().unwrap().remove("groups");
    forger.answer_json("/token", tokens(&forger.token(&claims)));
    forger.answer_json("/userinfo", json!({"sub": "subject-1", "groups": ["devs"]}));
    forger
}

#[tokio::test]
async fn another_issuer_in_the_discovery_document_is_refused() {
    let forger = Forger::start().await;
    for other in ["https://login.example.com", &format!("{}/", forger.issuer), ""] {
        let mut document = forger.document();
        document["issuer"] = json!(other);
        forger.answer_json(DISCOVERY, document);
        assert!(matches!(forger.provider().await, Err(Error::BadAnswer(_))), "{other}");
    }
}

#[tokio::test]
async fn answers_without_end_are_cut_off_at_1_mib() {
    for endpoint in ENDPOINTS {
        let forger = terse().await;
        let served = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&served);
        forger.answer(endpoint, move |_| {
            let count = Arc::clone(&count);
            let pieces = (0..10 << 16).map(move |_| {
                count.fetch_add(16 << 10, Ordering::Relaxed);
                Ok::<_, Infallible>(Bytes::from_static(&[b' '; 16 << 10]))
            });
            Response::new(Body::from_stream(stream::iter(pieces)))
        });
        let refused = whole_refresh(&forger).await;
        assert!(matches!(refused, Err(Error::BadAnswer(_))), "{endpoint}: {refused:?}");
        let served = served.load(Ordering::Relaxed);
        assert!(served > 0 && served < 64 << 20, "{served} bytes of 10 GiB were served");
    }
}

#[tokio::test]
async fn answers_that_drip_are_given_up_after_ten_seconds() {
    let drip = |endpoint: &'static str| async move {
        let forger = terse().await;
        forger.answer(endpoint, |_| {
            let pieces = stream::unfold((), |()| async {
                tokio::time::sleep(Duration::from_millis(100)).await;
                Some((Ok::<_, Infallible>(Bytes::from_static(b" ")), ()))
            });
            Response::new(Body::from_stream(pieces))
        });
        let since = Instant::now();
        let refused = whole_refresh(&forger).await;
        assert!(matches!(refused, Err(Error::Unavailable(_))), "{endpoint}: {refused:?}");
        assert!(since.elapsed() < Duration::from_secs(14), "{endpoint}: {:?}", since.elapsed());
    };
    futures_util::future::join_all(ENDPOINTS.map(drip)).await;
}

#[tokio::test]
async fn no_redirect_is_followed() {
    for endpoint in ENDPOINTS {
        for status in [301, 302, 303, 307, 308] {
            let forger = terse().await;
            let target = format!("{}/elsewhere", forger.issuer);
            forger.answer(endpoint, move |_| {
                let response = Response::builder().status(status).header("location", &target);
                response.body(Body::empty()).unwrap()
            });
            let refused = whole_refresh(&forger).await;
            assert!(matches!(refused, Err(Error::BadAnswer(_))), "{endpoint}: {refused:?}");
            assert!(forger.seen("/elsewhere").is_empty());
        }
    }
}

#[tokio::test]
async fn answers_that_are_not_the_specified_json_are_refused() {
    let nested = "[".repeat(500_000);
    for endpoint in ENDPOINTS {
        let texts =
            ["", "null", "[]", "7", "\"x\"", "{", "<html></html>", "{\"error\":\"x\"}", &nested];
        for text in texts {
            let forger = terse().await;
            forger.answer_text(endpoint, 200, text);
            let refused = whole_refresh(&forger).await;
            let shown: String = text.chars().take(20).collect();
            assert!(matches!(refused, Err(Error::BadAnswer(_))), "{endpoint} {shown}: {refused:?}");
        }
    }
}

#[tokio::test]
async fn a_refused_refresh_is_told_from_a_provider_in_trouble() {
    let forger = Forger::start().await;
    let provider = forger.provider().await.unwrap();
    let echo = format!("{REFRESH_TOKEN} {CLIENT_SECRET}");
    let error = |code: &str| json!({"error": code, "error_description": echo}).to_string();
    let refused = |code: &str| Error::Refused(code.to_owned());
    let odd = Error::BadAnswer("an endpoint answers with an unexpected status");
    let trouble = Error::Unavailable("it has an error of its own");
    let cases = [
        (400, error("invalid_grant"), Error::Ended),
        (401, error("invalid_grant"), Error::Ended),
        (401, error("invalid_client"), refused("invalid_client")),
        (400, error("unauthorized_client"), refused("unauthorized_client")),
        (400, error(&echo), refused("hunter")),
        (400, "no JSON".to_owned(), odd.clone()),
        (404, String::new(), odd),
        (500, error("invalid_grant"), trouble.clone()),
        (503, "<html>".to_owned(), trouble),
        (429, error("invalid_grant"), Error::Unavailable("it asks for fewer requests")),
    ];
    for (status, body, expected) in cases {
        forger.answer_text("/token", status, &body);
        let result = harmless(provider.refresh(REFRESH_TOKEN, "subject-1").await);
        assert_eq!(result.unwrap_err(), expected, "{status} {body}");
    }
    forger.answer_text("/token", 400, &error("invalid_grant"));
    assert_eq!(forger.login(&provider).await.unwrap_err(), refused("invalid_grant"));
    drop(forger);
    let gone = harmless(provider.refresh(REFRESH_TOKEN, "subject-1").await);
    assert!(matches!(gone, Err(Error::Unavailable(_))), "{gone:?}");
}

#[tokio::test]
async fn a_refresh_is_about_the_same_person_or_refused() {
    let forger = terse().await;
    let provider = forger.provider().await.unwrap();
    let refresh = || async { harmless(provider.refresh(REFRESH_TOKEN, "subject-1").await) };
    assert_eq!(refresh().await.unwrap().identity.groups, ["devs"]);
    let other = harmless(provider.refresh(REFRESH_TOKEN, "subject-2").await);
    assert!(matches!(other, Err(Error::InvalidToken(_))), "{other:?}");
    // Without an id_token, which is allowed, userinfo says who it is.
    let only = |more: Value| {
        let mut answer = json!({"access_token": ACCESS_TOKEN, "token_type": "Bearer"});
        answer.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        answer
    };
    forger.answer_json("/token", only(json!({})));
    let login = refresh().await.unwrap();
    assert_eq!(login.refresh_token.as_deref(), Some(REFRESH_TOKEN), "the old one stays");
    assert_eq!((login.id_token, login.identity.subject.as_str()), (None, "subject-1"));
    forger.answer_json("/token", only(json!({"refresh_token": "new"})));
    assert_eq!(refresh().await.unwrap().refresh_token.as_deref(), Some("new"));
    let bearer = forger.seen("/userinfo").pop().unwrap().authorization;
    assert_eq!(bearer, Some(format!("Bearer {ACCESS_TOKEN}")));
    for odd in [json!({"token_type": "DPoP"}), json!({"access_token": 7}), json!({"id_token": 7})] {
        forger.answer_json("/token", only(odd.clone()));
        assert!(matches!(refresh().await, Err(Error::BadAnswer(_))), "{odd}");
    }
    // And a first login without an id_token is none.
    forger.answer_json("/token", only(json!({})));
    assert!(matches!(forger.login(&provider).await, Err(Error::BadAnswer(_))));
}

#[tokio::test]
async fn userinfo_about_another_person_is_refused_and_failing_userinfo_takes_no_groups_away() {
    let forger = terse().await;
    let provider = forger.provider().await.unwrap();
    for other in [json!({"sub": "subject-2"}), json!({"groups": ["admins"]}), json!({"sub": 7})] {
        forger.answer_json("/userinfo", other.clone());
        let login = forger.login_with_claims(&provider, |claims| {
            claims.as_object_mut().unwrap().remove("groups");
        });
        let refused = login.await;
        assert!(matches!(refused, Err(Error::BadAnswer(_))), "{other}: {refused:?}");
        assert!(matches!(whole_refresh(&forger).await, Err(Error::BadAnswer(_))), "{other}");
    }
    for status in [401, 403, 500] {
        forger.answer_text("/userinfo", status, "{}");
        assert!(whole_refresh(&forger).await.is_err(), "{status}");
    }
}

#[tokio::test]
async fn the_secret_goes_into_the_form_only_where_basic_is_not_taken() {
    let forger = terse().await;
    let mut document = forger.document();
    document["token_endpoint_auth_methods_supported"] = json!(["client_secret_post"]);
    forger.answer_json(DISCOVERY, document);
    whole_refresh(&forger).await.unwrap();
    let seen = forger.seen("/token").pop().unwrap();
    assert_eq!(seen.authorization, None);
    assert_eq!(
        (seen.form["client_id"].as_str(), seen.form["client_secret"].as_str()),
        ("registry", CLIENT_SECRET)
    );
}
