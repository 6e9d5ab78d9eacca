//! Forged tokens, stolen ones, and what a token does not allow.

use std::net::TcpListener;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use roadstead_tests::cast::PASSWORD;
use roadstead_tests::content::{MANIFEST, sha256};
use roadstead_tests::http::{header, with_query};
use serde_json::{Value, json};

use crate::Tenants;

const PULL: &str = "repository:hers/app:pull";
const PUSH: &str = "repository:hers/app:pull,push,delete";

fn encoded(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_token_opens_nothing_and_makes_the_server_ask_nobody() {
    let tenants = Tenants::new().await;
    let (good, _) = tenants.alice.registry_token(PULL).await;
    let parts: Vec<&str> = good.split('.').collect();
    let (body, signature) = (parts[1], parts[2]);
    let head: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[0]).expect("base64")).expect("JSON");
    let kid = head["kid"].clone();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/keys", listener.local_addr().expect("an address"));
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": encoded([7; 32]), "kid": kid});
    let heads = [
        json!({"alg": "none", "kid": kid}),
        json!({"alg": "HS256", "kid": kid}),
        json!({"alg": "EdDSA", "kid": "../../../../etc/passwd"}),
        json!({"alg": "EdDSA", "kid": "' OR 1=1 --"}),
        json!({"alg": "EdDSA", "kid": url}),
        json!({"alg": "EdDSA", "kid": kid, "jwk": jwk}),
        json!({"alg": "EdDSA", "kid": kid, "jku": url, "x5u": url, "x5c": ["AAAA"]}),
        json!({"alg": 1, "kid": [kid]}),
        json!([]),
    ];
    let mut forgeries = vec![".".into(), "..".into(), "a.b.c".into(), "x".repeat(9000)];
    for head in heads {
        let head = encoded(head.to_string());
        for signature in [signature, "", &encoded([7; 64])] {
            forgeries.push(format!("{head}.{body}.{signature}"));
        }
    }
    for forged in forgeries {
        let caller = tenants.server.bearer(&forged);
        for (method, path) in [
            ("GET", "/v2/"),
            ("GET", "/v2/_catalog"),
            ("GET", "/v2/hers/app/manifests/v1"),
            ("POST", "/v2/hers/app/blobs/uploads/"),
            ("DELETE", "/v2/hers/app/manifests/v1"),
            ("GET", "/service/token"),
            ("GET", "/api/v2.0/users/current"),
            ("POST", "/api/v2.0/projects"),
        ] {
            assert_eq!(caller.status_of(method, path).await, 401, "{method} {path} with {forged}");
        }
    }
    listener.set_nonblocking(true).expect("a listener");
    assert!(listener.accept().is_err(), "the server asked for a key");
    // A good one opens no more than the registry.
    let caller = tenants.server.bearer(&good);
    assert_eq!(caller.status_of("GET", "/v2/hers/app/manifests/v1").await, 200);
    for path in ["/service/token", "/api/v2.0/users/current", "/api/v2.0/projects"] {
        assert_eq!(caller.status_of("GET", path).await, 401, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_sent_as_one_is_none() {
    let tenants = Tenants::new().await;
    let (good, _) = tenants.alice.registry_token(PULL).await;
    let path = "/v2/hers/app/manifests/v1";
    let nobody = tenants.server.nobody();
    assert_eq!(nobody.status_of("GET", &format!("{path}?access_token={good}")).await, 401);
    assert_eq!(nobody.status_of("GET", &format!("{path}?token={good}")).await, 401);
    assert_eq!(tenants.server.browser(&format!("sid={good}")).status_of("GET", path).await, 401);
    for name in ["alice", "", "oauth2accesstoken", "<token>"] {
        assert_eq!(tenants.server.person(name, &good).status_of("GET", path).await, 401, "{name}");
    }
    for value in [good.clone(), format!("Basic {good}"), format!("Token {good}"), "Bearer".into()] {
        let answer = nobody.send("GET", path).header("authorization", &value).send().await;
        assert_eq!(answer.unwrap().status(), 401, "{value}");
    }
    // Two credentials are none: nobody can tell which one was meant.
    let twice = tenants.alice.send("GET", path).header("authorization", format!("Bearer {good}"));
    assert_eq!(twice.send().await.unwrap().status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_ends_with_the_credentials_that_began_it() {
    let tenants = Tenants::new().await;
    let (token, _) = tenants.alice.registry_token(PUSH).await;
    let holder = tenants.server.bearer(&token);
    let location = holder.start_upload("hers/app").await;
    let send = |bytes: &'static str| holder.send("PATCH", &location).body(bytes).send();
    assert_eq!(send("first").await.unwrap().status(), 202);
    let change = json!({"old_password": PASSWORD, "new_password": "Password-2"});
    let path = format!("/api/v2.0/users/{}/password", tenants.alice.user_id().await);
    assert_eq!(tenants.alice.json("PUT", &path, &change).await, 200);
    assert_eq!(send("second").await.unwrap().status(), 401);
    let finish = with_query(&location, &format!("digest={}", sha256(b"first")));
    for (method, url) in
        [("PUT", &finish), ("GET", &location), ("HEAD", &location), ("DELETE", &location)]
    {
        assert_eq!(holder.status_of(method, url).await, 401, "{method}");
    }
    // The session is still hers, who has new credentials.
    let again = tenants.server.person("alice", "Password-2");
    assert_eq!(again.status_of("PUT", &finish).await, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_push_makes_and_moves_no_tag_in_any_way() {
    let tenants = Tenants::new().await;
    tenants.alice.push_image("hers/app", "latest", b"another layer").await;
    let answer = tenants.alice.get("/v2/hers/app/manifests/v1").await;
    let (digest, manifest) =
        (header(&answer, "docker-content-digest"), answer.bytes().await.unwrap());
    let (pull, _) = tenants.alice.registry_token(PULL).await;
    let before = tenants.alice.read_json("/v2/hers/app/tags/list").await;
    let current =
        header(&tenants.alice.get("/v2/hers/app/manifests/latest").await, "docker-content-digest");
    let references =
        ["latest", "v1", "new", &digest, &format!("{digest}?tag=latest"), "new?tag=latest"];
    for caller in [tenants.server.bearer(&pull), tenants.mallory, tenants.server.nobody()] {
        let mut attempts = Vec::new();
        for _ in 0..20 {
            for reference in references {
                let path = format!("/v2/hers/app/manifests/{reference}");
                let put = caller.send("PUT", &path).header("content-type", MANIFEST);
                attempts.push(tokio::spawn(put.body(manifest.clone()).send()));
                attempts.push(tokio::spawn(caller.send("DELETE", &path).send()));
            }
        }
        for attempt in attempts {
            let answer = attempt.await.unwrap().unwrap();
            assert_eq!(answer.status(), 401, "{}", answer.url());
        }
    }
    assert_eq!(tenants.alice.read_json("/v2/hers/app/tags/list").await, before);
    let latest = tenants.alice.get("/v2/hers/app/manifests/latest").await;
    assert_eq!(header(&latest, "docker-content-digest"), current);
}
