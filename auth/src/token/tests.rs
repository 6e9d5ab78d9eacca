use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use roadstead_model::{ManualClock, Origin};
use roadstead_storage::Db;
use roadstead_storage::tables::principal::Kind;
use serde_json::{Value, json};

use super::*;
use crate::sealing::SecretKey;
use crate::signing;

const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

async fn keyring() -> Arc<Keys> {
    let (db, secret) = (database().await, SecretKey::generate().unwrap());
    let keyring = Keyring::load(&db, &secret, &ManualClock::at(NOW)).await.unwrap();
    keyring.current().await.unwrap()
}

async fn database() -> Db {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", directory.path().join("test.db").display());
    Db::open(&url, 1).await.unwrap()
}

fn claims() -> Claims {
    let alice = Principal {
        id: PrincipalId(7),
        kind: Kind::User,
        name: "alice".to_owned(),
        epoch: 3,
        disabled: false,
        sysadmin: false,
        expires_at: None,
    };
    let caller = Caller::principal(alice, "robot$", Origin::default());
    let access = Access {
        kind: "repository".to_owned(),
        name: "team/web".to_owned(),
        actions: vec!["pull".to_owned()],
        project: Some(ProjectId(1)),
        repository: Some(RepositoryId(5)),
    };
    Claims::new(&caller, vec![access], NOW)
}

/// Claims as our own key would sign them, whatever they are.
fn signed(keyring: &Keys, claims: &Value) -> String {
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some(keyring.current_id.clone());
    jsonwebtoken::encode(&header, claims, &keyring.current).unwrap()
}

fn encoded(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// The claims of a good token, to be spoilt.
fn good() -> Value {
    serde_json::to_value(claims()).unwrap()
}

#[tokio::test]
async fn a_token_works_for_its_lifetime_and_not_after() {
    let keyring = keyring().await;
    let token = keyring.sign(&claims()).unwrap();
    assert_eq!(keyring.verify(&token, NOW).unwrap().principal, Some(PrincipalId(7)));
    assert!(keyring.verify(&token, NOW.after(Duration::from_secs(599))).is_ok());
    assert!(keyring.verify(&token, NOW.after(Duration::from_mins(10))).is_err());
    assert!(keyring.verify(&token, Timestamp(NOW.0 - 61_000_000)).is_err());
}

#[tokio::test]
async fn a_claim_that_is_missing_null_or_of_another_type_makes_a_token_worthless() {
    let keyring = keyring().await;
    assert!(keyring.verify(&signed(&keyring, &good()), NOW).is_ok());
    let text = ["iss", "sub", "aud", "jti"];
    let number = ["exp", "nbf", "iat", "epoch", "principal"];
    for claim in text.iter().chain(&number).chain(&["access"]) {
        let mut spoilt = good();
        spoilt.as_object_mut().unwrap().remove(*claim);
        let token = signed(&keyring, &spoilt);
        assert!(keyring.verify(&token, NOW).is_err(), "without {claim}");
        let values = [
            json!(null),
            json!(true),
            json!({}),
            json!({"x": good()[claim]}),
            json!([[good()[claim]]]),
            json!([good()[claim], "other"]),
            if text.contains(claim) { json!(1_800_000_000) } else { json!("1800000000") },
            if text.contains(claim) { json!(["other"]) } else { json!(1.5e300) },
            json!(-1.5),
        ];
        for value in values {
            if *claim == "principal" && value.is_null() {
                continue; // Anonymous, which is less than anybody.
            }
            spoilt[*claim] = value.clone();
            let token = signed(&keyring, &spoilt);
            assert!(keyring.verify(&token, NOW).is_err(), "{claim}: {value}");
        }
    }
}

#[tokio::test]
async fn a_token_of_another_time_issuer_or_service_is_worthless() {
    let keyring = keyring().await;
    let now = NOW.seconds();
    let cases = [
        ("exp", json!(now)),
        ("exp", json!(now - 1)),
        ("exp", json!(0)),
        ("exp", json!(-1)),
        ("exp", json!(now + 601)),
        ("exp", json!(i64::MAX)),
        ("exp", json!(u64::MAX)),
        ("nbf", json!(now + 61)),
        ("nbf", json!(i64::MAX)),
        ("iat", json!(now - 600)),
        ("iat", json!(0)),
        ("iat", json!(i64::MIN)),
        ("iat", json!(now + 61)),
        ("iat", json!(i64::MAX)),
        ("iss", json!("")),
        ("iss", json!("harbor-token-issuer ")),
        ("iss", json!("registry-token-issuer")),
        ("aud", json!("")),
        ("aud", json!("HARBOR-REGISTRY")),
        ("aud", json!("token-service")),
    ];
    for (claim, value) in cases {
        let mut spoilt = good();
        spoilt[claim] = value.clone();
        assert!(keyring.verify(&signed(&keyring, &spoilt), NOW).is_err(), "{claim}: {value}");
    }
    // A lifetime that is short, in a time that has not come.
    let mut later = good();
    for (claim, at) in [("iat", 100_000), ("exp", 100_600), ("nbf", -5)] {
        later[claim] = json!(now + at);
    }
    assert!(keyring.verify(&signed(&keyring, &later), NOW).is_err());
}

#[tokio::test]
async fn a_forged_signature_is_refused_whatever_the_header_says() {
    let (keyring, foreign) = (keyring().await, keyring().await);
    let good = keyring.sign(&claims()).unwrap();
    let parts: Vec<&str> = good.split('.').collect();
    let (header, body, signature) = (parts[0], parts[1], parts[2]);
    let kid = &keyring.current_id;
    let theirs = foreign.sign(&claims()).unwrap();
    let their_signature = theirs.rsplit('.').next().unwrap();
    let unknown = encoded(r#"{"alg":"EdDSA","kid":"../../etc/passwd"}"#);
    let injected = encoded(r#"{"alg":"EdDSA","kid":"x' OR '1'='1"}"#);
    let nameless = encoded(r#"{"alg":"EdDSA"}"#);
    let null = encoded(r#"{"alg":"EdDSA","kid":null}"#);
    let twice = encoded(format!(r#"{{"alg":"none","alg":"EdDSA","kid":"{kid}"}}"#));
    let mut forgeries = vec![
        format!("{unknown}.{body}.{signature}"),
        format!("{injected}.{body}.{signature}"),
        format!("{nameless}.{body}.{signature}"),
        format!("{null}.{body}.{signature}"),
        format!("{twice}.{body}.{signature}"),
        format!("{header}.{body}.{their_signature}"),
        format!("{header}.{}.{signature}", encoded(r#"{"sub":"admin"}"#)),
        format!("{header}.{body}."),
        format!("{header}.{body}"),
        format!("{header}.{body}.{signature}.{signature}"),
        format!("{header}.{body}.{}", encoded([0; 64])),
        format!(".{body}.{signature}"),
        format!("{good}x"),
        format!("{good}="),
        theirs.clone(),
        String::new(),
        ".".repeat(9),
        "a.b.c".to_owned(),
        "\u{0}.\u{ff}.\u{1f600}".to_owned(),
        "x".repeat(20_000),
        format!("{}.{body}.{signature}", "x".repeat(17_000)),
    ];
    for alg in ["none", "None", "NONE", "", "HS256", "HS512", "RS256", "ES256", "PS256", "EdDSA "] {
        let header = encoded(format!(r#"{{"alg":"{alg}","kid":"{kid}"}}"#));
        forgeries.push(format!("{header}.{body}.{signature}"));
        forgeries.push(format!("{header}.{body}."));
    }
    for forged in forgeries {
        assert!(keyring.verify(&forged, NOW).is_err(), "{forged}");
    }
}

/// The public key of the keyring's current key: what an attacker may know.
fn public_key(keyring: &Keys) -> Vec<u8> {
    Ed25519KeyPair::from_pkcs8(keyring.current.as_bytes()).unwrap().public_key().as_ref().to_vec()
}

#[tokio::test]
async fn the_public_key_is_no_secret_that_signs() {
    let keyring = keyring().await;
    let public = public_key(&keyring);
    let body = encoded(serde_json::to_vec(&claims()).unwrap());
    let header = encoded(format!(r#"{{"alg":"HS256","kid":"{}"}}"#, keyring.current_id));
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        STANDARD.encode(&public)
    );
    let kid = keyring.current_id.clone();
    let secrets =
        [public.clone(), encoded(&public).into_bytes(), pem.into_bytes(), kid.into_bytes()];
    for secret in secrets {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        let message = format!("{header}.{body}");
        let tag = hmac::sign(&key, message.as_bytes());
        assert!(keyring.verify(&format!("{message}.{}", encoded(tag)), NOW).is_err());
    }
}

#[tokio::test]
async fn a_key_that_a_token_brings_along_is_not_used() {
    let keyring = keyring().await;
    let kid = &keyring.current_id;
    let own = Ed25519KeyPair::generate().unwrap();
    let own_public = encoded(own.public_key().as_ref());
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": own_public, "kid": kid, "use": "sig"});
    let body = encoded(serde_json::to_vec(&claims()).unwrap());
    let url = "http://127.0.0.1:1/keys";
    for extra in [
        json!({}),
        json!({"jwk": jwk}),
        json!({"jku": url}),
        json!({"x5u": url}),
        json!({"x5c": [STANDARD.encode(own.public_key().as_ref())]}),
        json!({"x5t": kid, "x5t#S256": kid}),
        json!({"jwk": jwk, "jku": url, "x5u": url, "crit": ["jwk"]}),
        json!({"jwk": {"kty": "oct", "k": own_public}, "typ": "JWT"}),
        json!({"jwk": "x", "x5c": "x"}),
    ] {
        let mut header = json!({"alg": "EdDSA", "kid": kid});
        header.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let message = format!("{}.{body}", encoded(header.to_string()));
        let signature = own.sign(message.as_bytes());
        let forged = format!("{message}.{}", encoded(signature));
        assert!(keyring.verify(&forged, NOW).is_err(), "{header}");
    }
    // Nor a key of another kind under a name that is trusted.
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let other = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).unwrap();
    for alg in ["ES256", "EdDSA"] {
        let header = encoded(format!(r#"{{"alg":"{alg}","kid":"{kid}"}}"#));
        let message = format!("{header}.{body}");
        let signature = other.sign(&random, message.as_bytes()).unwrap();
        assert!(keyring.verify(&format!("{message}.{}", encoded(signature)), NOW).is_err());
    }
}

#[tokio::test]
async fn no_byte_of_a_token_can_be_changed() {
    let keyring = keyring().await;
    let token = keyring.sign(&claims()).unwrap().into_bytes();
    for at in 0..token.len() {
        let mut changed = token.clone();
        // Bits that base64 leaves unused at the end are refused as well.
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(keyring.verify(&changed, NOW).is_err(), "byte {at}");
    }
}

#[tokio::test]
async fn a_recreated_project_or_repository_inherits_nothing() {
    let claims = claims();
    let name = "team/web".parse().unwrap();
    let on = |project, repository| claims.actions_on(&name, ProjectId(project), repository);
    assert_eq!(on(1, Some(RepositoryId(5))), [Action::Pull]);
    assert!(on(2, Some(RepositoryId(5))).is_empty());
    assert!(on(1, Some(RepositoryId(6))).is_empty());
    assert!(on(1, None).is_empty());
    for other in ["team/we", "team/webb", "team/web/x", "other/web"] {
        let other = other.parse().unwrap();
        assert!(claims.actions_on(&other, ProjectId(1), Some(RepositoryId(5))).is_empty());
    }
}

#[tokio::test]
async fn a_rotation_ends_no_token_and_the_former_keys_go_in_the_end() {
    let (db, secret) = (database().await, SecretKey::generate().unwrap());
    let clock = ManualClock::at(NOW);
    let keyring = Keyring::load(&db, &secret, &clock).await.unwrap();
    let before = keyring.sign(&claims()).await.unwrap();
    clock.advance(Duration::from_secs(1));
    let (second, removed) = signing::rotate(&db, &secret, &clock).await.unwrap();
    assert_eq!(removed, 0);
    // A process that knows the new key already, and one that does not yet.
    let other = Keyring::load(&db, &secret, &clock).await.unwrap();
    let after = other.sign(&claims()).await.unwrap();
    assert_eq!(key_id(&after).unwrap(), second);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    for ring in [&keyring, &other] {
        ring.verify(&before, NOW).await.unwrap();
        ring.verify(&after, NOW).await.unwrap();
    }
    clock.advance(Duration::from_hours(2));
    assert_eq!(signing::rotate(&db, &secret, &clock).await.unwrap().1, 1);
    let last = Keyring::load(&db, &secret, &clock).await.unwrap();
    assert!(last.verify(&before, NOW).await.is_err());
    last.verify(&after, NOW).await.unwrap();
    let foreign = SecretKey::generate().unwrap();
    assert!(signing::rotate(&db, &foreign, &clock).await.is_err());
    assert!(Keyring::load(&db, &foreign, &clock).await.is_err());
}
