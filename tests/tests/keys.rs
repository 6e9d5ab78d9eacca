//! Exchanging keys: the one that signs tokens, and the one that seals secrets.

use roadstead_tests::http::Person;
use roadstead_tests::{Server, Setup};
use serde_json::Value;

async fn token(person: &Person) -> String {
    let path = "/service/token?service=harbor-registry&scope=repository:library/app:pull,push";
    let body: Value = person.get(path).await.json().await.unwrap();
    body["token"].as_str().unwrap().to_owned()
}

async fn status(server: &Server, token: &str) -> u16 {
    let request = server.nobody().send("GET", "/v2/").bearer_auth(token);
    request.send().await.unwrap().status().as_u16()
}

fn key_id(token: &str) -> String {
    use base64::Engine as _;
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let header = header.decode(token.split('.').next().unwrap()).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_keys_are_rotated_under_load_and_no_token_ends() {
    let server = Setup::new().start();
    let admin = server.admin();
    let before = token(&admin).await;
    let pulls = tokio::spawn({
        let (nobody, before) = (server.nobody(), before.clone());
        async move {
            for _ in 0..200 {
                let request = nobody.send("GET", "/v2/").bearer_auth(&before);
                assert_eq!(request.send().await.unwrap().status(), 200);
            }
        }
    });
    let rotated = server.command(&["keys", "rotate"]).output().unwrap();
    assert!(rotated.status.success(), "{rotated:?}");
    pulls.await.unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    let after = loop {
        let after = token(&admin).await;
        if key_id(&after) != key_id(&before) {
            break after;
        }
        assert!(std::time::Instant::now() < deadline, "the new key is not used");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    };
    let printed = String::from_utf8(rotated.stdout).unwrap();
    assert!(printed.contains(&key_id(&after)), "{printed}");
    assert_eq!(status(&server, &before).await, 200);
    assert_eq!(status(&server, &after).await, 200);
}

const OLD: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const NEW: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_key_is_exchanged_and_a_wrong_one_is_refused_loudly() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let start = |keys: &str| Setup::new().env("ROADSTEAD_SECRET_KEY", keys).data(&data).start();
    let server = start(OLD);
    let before = token(&server.admin()).await;
    drop(server);
    // Another key opens nothing, and the server says so instead of making new ones.
    let wrong = Setup::new().env("ROADSTEAD_SECRET_KEY", NEW).data(&data).fails_to_start();
    assert!(wrong.contains("the secret key does not fit this database"), "{wrong}");
    let server = start(&format!("{NEW},{OLD}"));
    assert_eq!(status(&server, &before).await, 200);
    let resealed = server.command(&["keys", "reseal"]).output().unwrap();
    assert!(resealed.status.success(), "{resealed:?}");
    assert_eq!(status(&server, &before).await, 200);
    drop(server);
    let server = start(NEW);
    assert_eq!(status(&server, &before).await, 200);
    drop(server);
    let wrong = Setup::new().env("ROADSTEAD_SECRET_KEY", OLD).data(&data).fails_to_start();
    assert!(wrong.contains("the secret key does not fit this database"), "{wrong}");
}
