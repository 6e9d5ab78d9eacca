//! Every way to forge an `id_token` is refused.

use std::time::Duration;

use aws_lc_rs::hmac;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD as BASE64};
use roadstead_auth::oidc::{Error, Login};
use roadstead_model::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::forger::{ACCESS_TOKEN, CLIENT_SECRET, CODE, Forger, at_hash, clock, encoded, sign};

fn assert_invalid(result: Result<Login, Error>, what: &str) {
    match result {
        Err(Error::InvalidToken(_)) => {}
        other => panic!("{what}: {other:?}"),
    }
}

#[tokio::test]
async fn a_good_token_logs_in() {
    let forger = Forger::start().await;
    let provider = forger.provider().await.unwrap();
    let login = forger.login_with_claims(&provider, |_| {}).await.unwrap();
    assert_eq!(login.identity.issuer, forger.issuer);
    assert_eq!(login.identity.subject, "subject-1");
    assert_eq!(login.identity.username.as_deref(), Some("alice"));
    assert_eq!(login.identity.groups, ["devs"]);
    assert!(forger.seen("/userinfo").is_empty(), "nothing was missing");
    // What is optional, when it is right.
    let full = |claims: &mut Value| {
        let now = SystemClock.now().seconds();
        claims["aud"] = json!(["other", "registry"]);
        claims["azp"] = json!("registry");
        claims["nbf"] = json!(now + 30);
        claims["iat"] = json!(now + 30);
        claims["exp"] = json!(now - 30);
        claims["at_hash"] = json!(at_hash(ACCESS_TOKEN));
    };
    forger.login_with_claims(&provider, full).await.unwrap();
    // The code went to the token endpoint with our credentials, each encoded (RFC 6749 2.3.1).
    let exchange = forger.seen("/token").remove(0);
    let basic = format!("Basic {}", STANDARD.encode("registry:hunter2+of+the%3Aclient%2B"));
    assert_eq!(exchange.authorization, Some(basic));
    assert_eq!(exchange.form["code"], CODE);
    assert_eq!(exchange.form["grant_type"], "authorization_code");
    assert_eq!(exchange.form["code_verifier"].len(), 43);
    assert!(!exchange.form.contains_key("client_secret"));
}

#[tokio::test]
async fn each_claim_that_is_missing_or_wrong_is_refused() {
    let forger = Forger::start().await;
    let provider = forger.provider().await.unwrap();
    let now = SystemClock.now().seconds();
    let missing = Value::Null;
    let slash = format!("{}/", forger.issuer);
    let cases = [
        ("iss", vec![missing.clone(), json!(7), json!([forger.issuer]), json!(slash), json!("x")]),
        ("aud", vec![missing.clone(), json!(7), json!([]), json!({"registry": 1}), json!("other")]),
        ("aud", vec![json!(["other", "another"]), json!(["registry", "other"]), json!("Registry")]),
        ("azp", vec![json!("other"), json!(7), json!(""), json!(["registry"])]),
        ("sub", vec![missing.clone(), json!(""), json!(7), json!([]), json!("s".repeat(256))]),
        (
            "exp",
            vec![missing.clone(), json!("soon"), json!(now - 61), json!(0), json!(-1), json!([])],
        ),
        ("exp", vec![json!(i64::MIN), json!(-1e300), json!((now + 300).to_string())]),
        (
            "iat",
            vec![missing.clone(), json!("now"), json!(now + 120), json!(i64::MAX), json!(1e300)],
        ),
        ("nbf", vec![json!("now"), json!(now + 120), json!([now]), json!(u64::MAX)]),
        ("nonce", vec![missing, json!(""), json!("other"), json!(7), json!([])]),
        ("at_hash", vec![json!(""), json!(7), json!(at_hash("another access token"))]),
        ("events", vec![json!({"http://schemas.openid.net/event/backchannel-logout": {}})]),
    ];
    for (claim, values) in cases {
        for value in values {
            let change = |claims: &mut Value| claims[claim] = value.clone();
            let refused = forger.login_with_claims(&provider, change).await;
            assert_invalid(refused, &format!("{claim}: {value}"));
        }
    }
}

#[tokio::test]
async fn a_signature_counts_only_with_the_providers_key_and_its_own_algorithm() {
    let forger = Forger::start().await;
    let provider = forger.provider().await.unwrap();
    let good = |nonce: &str| forger.claims(nonce);
    let refuse = async |what: &str, make: &dyn Fn(&str) -> String| {
        assert_invalid(forger.login_with(&provider, make).await, what);
    };
    for alg in ["none", "None", "", "RS1", "HS256"] {
        let header = json!({"alg": alg, "kid": "first"});
        refuse(alg, &|nonce| format!("{}.{}.", encoded(&header), encoded(&good(nonce)))).await;
        refuse(alg, &|nonce| forger.sign(&header, &good(nonce))).await;
    }
    // The key's type allows these, but not this signature.
    for alg in ["RS384", "RS512", "PS256", "ES256", "EdDSA"] {
        refuse(alg, &|nonce| forger.sign(&json!({"alg": alg, "kid": "first"}), &good(nonce))).await;
    }
    // The public key, or what else is known, as the secret of an HMAC.
    let public = forger.key.public_key();
    let der = public.as_ref().to_vec();
    let pem = format!(
        "-----BEGIN RSA PUBLIC KEY-----\n{}\n-----END RSA PUBLIC KEY-----\n",
        STANDARD.encode(&der)
    );
    let modulus = public.modulus().big_endian_without_leading_zero().to_vec();
    let jwk = forger.jwk("first").to_string();
    for secret in [der, pem.into_bytes(), modulus, jwk.into_bytes(), CLIENT_SECRET.into(), vec![0]]
    {
        refuse("HS256 with a public key", &|nonce| hmac_token(&secret, &good(nonce))).await;
    }
    let other = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let header = json!({"alg": "RS256", "kid": "first"});
    refuse("another key of the same id", &|nonce| sign(&other, &header, &good(nonce))).await;
    refuse("a changed body", &|nonce| {
        let token = forger.token(&good(nonce));
        let mut parts: Vec<&str> = token.split('.').collect();
        let mut claims = good(nonce);
        claims["sub"] = json!("another");
        let body = encoded(&claims);
        parts[1] = &body;
        parts.join(".")
    })
    .await;
}

fn hmac_token(secret: &[u8], claims: &Value) -> String {
    let header = json!({"alg": "HS256", "kid": "first"});
    let message = format!("{}.{}", encoded(&header), encoded(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    format!("{message}.{}", BASE64.encode(hmac::sign(&key, message.as_bytes())))
}

#[tokio::test]
async fn keys_that_a_token_brings_along_are_not_looked_at() {
    let forger = Forger::start().await;
    let provider = forger.provider().await.unwrap();
    let own = Ed25519KeyPair::generate().unwrap();
    let x = BASE64.encode(own.public_key().as_ref());
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": "first", "use": "sig"});
    forger.answer_json("/evil", json!({"keys": [jwk]}));
    let evil = format!("{}/evil", forger.issuer);
    let certificate = STANDARD.encode(own.public_key().as_ref());
    for brings in [
        json!({"jwk": jwk}),
        json!({"jwk": jwk, "kid": "own"}),
        json!({"jku": evil}),
        json!({"jku": evil, "kid": "own"}),
        json!({"x5u": evil}),
        json!({"x5c": [certificate]}),
        json!({"kid": null, "jwk": jwk}),
        json!({"kid": "../../evil"}),
        json!({"kid": "first' OR '1'='1"}),
        json!({"kid": "/dev/null"}),
        json!({"kid": {}}),
        json!({"jwk": 7}),
    ] {
        let mut header = json!({"alg": "EdDSA", "kid": "first"});
        header.as_object_mut().unwrap().extend(brings.as_object().unwrap().clone());
        let sign = |nonce: &str| {
            let message = format!("{}.{}", encoded(&header), encoded(&forger.claims(nonce)));
            format!("{message}.{}", BASE64.encode(own.sign(message.as_bytes())))
        };
        assert_invalid(forger.login_with(&provider, sign).await, &brings.to_string());
    }
    assert!(forger.seen("/evil").is_empty());
}

#[tokio::test]
async fn tokens_for_other_purposes_and_no_tokens_are_refused() {
    let forger = Forger::start().await;
    let provider = forger.provider().await.unwrap();
    for more in [
        json!({"typ": "at+jwt"}),
        json!({"typ": "application/at+jwt"}),
        json!({"typ": "logout+jwt"}),
        json!({"crit": ["exp"]}),
        json!({"crit": ["b64"], "b64": false}),
    ] {
        let mut header = json!({"alg": "RS256", "kid": "first"});
        header.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let make = |nonce: &str| forger.sign(&header, &forger.claims(nonce));
        assert_invalid(forger.login_with(&provider, make).await, &more.to_string());
    }
    let good = |nonce: &str| forger.token(&forger.claims(nonce));
    let broken: [&dyn Fn(&str) -> String; 8] = [
        &|_| String::new(),
        &|_| "..".to_owned(),
        &|_| "a.b.c.d.e".to_owned(),
        &|nonce| good(nonce).replace('.', ""),
        &|nonce| format!("{}.", good(nonce)),
        &|nonce| format!("{} ", good(nonce)),
        &|nonce| good(nonce).rsplit_once('.').unwrap().0.to_owned(),
        &|nonce| {
            let mut claims = forger.claims(nonce);
            claims["groups"] = json!(vec!["a group"; 10_000]);
            forger.token(&claims)
        },
    ];
    for (number, make) in broken.into_iter().enumerate() {
        assert_invalid(forger.login_with(&provider, make).await, &number.to_string());
    }
}

#[tokio::test]
async fn a_bearer_token_is_an_id_token_for_us_and_a_foreign_one_asks_nobody() {
    let forger = Forger::start().await;
    let clock = clock();
    let provider = forger.provider_at(clock.clone()).await.unwrap();
    // Unknown keys may be asked for again.
    clock.advance(Duration::from_secs(31));
    let asked = forger.seen("/jwks").len();
    let claims = forger.claims("any");
    let identity = provider.verify_id_token(&forger.token(&claims)).await.unwrap();
    assert_eq!(identity.subject, "subject-1");
    let mut foreign = claims.clone();
    foreign["iss"] = json!("https://elsewhere.example");
    let header = json!({"alg": "RS256", "kid": "unknown"});
    let mut for_others = claims.clone();
    for_others["aud"] = json!("another client");
    let mut expired = claims.clone();
    expired["exp"] = json!(SystemClock.now().seconds() - 61);
    for token in [
        forger.sign(&header, &foreign),
        forger.token(&for_others),
        forger.token(&expired),
        "x".repeat(1 << 20),
        String::new(),
    ] {
        let refused = provider.verify_id_token(&token).await;
        assert!(matches!(refused, Err(Error::InvalidToken(_))), "{refused:?}");
    }
    assert_eq!(forger.seen("/jwks").len(), asked, "nothing was fetched for a foreign token");
}
