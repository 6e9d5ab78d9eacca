//! No secret that anybody sends or gets is found again where it should not be.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use roadstead_tests::Setup;
use roadstead_tests::http::header;
use serde_json::{Value, json};

use crate::stage::Stage;

/// Whether any file below a directory has these bytes; the first one that does.
fn file_with(directory: &Path, secret: &[u8]) -> Option<String> {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if let Some(found) = file_with(&path, secret) {
                return Some(found);
            }
        } else if fs::read(&path).unwrap().windows(secret.len()).any(|part| part == secret) {
            return Some(path.display().to_string());
        }
    }
    None
}

/// What travels along, and must not stay: as it is, and as Basic credentials carry it.
struct Canaries(Vec<String>);

impl Canaries {
    fn add(&mut self, name: &str, secret: &str) {
        assert!(secret.len() > 8, "{secret:?} would be found by chance");
        self.0.push(secret.to_owned());
        self.0.push(STANDARD.encode(format!("{name}:{secret}")));
    }
}

const FIRST: &str = "Canary-first-1";
const SECOND: &str = "Canary-second-2";
const WRONG: &str = "Canary-wrong-3";

/// Passwords that are made, changed, mistyped, and sent in bodies that cannot be read.
async fn send_passwords(stage: &Stage) {
    let body = json!({
        "username": "alice", "password": FIRST, "realname": "Alice", "email": "a@example.com",
    });
    let request = stage.admin.send("POST", "/api/v2.0/users").json(&body);
    let user = header(&stage.act(request, 201).await.answer, "location");
    let alice = stage.server.person("alice", FIRST);
    let change = |old: Value| {
        let body = json!({"old_password": old, "new_password": SECOND});
        alice.send("PUT", &format!("{user}/password")).json(&body)
    };
    stage.act(change(json!(WRONG)), 403).await;
    stage.act(change(json!([SECOND])), 422).await;
    let request = stage.admin.send("POST", "/api/v2.0/users").body(format!("{{\"x\": \"{SECOND}"));
    stage.act(request.header("content-type", "application/json"), 422).await;
    stage.act(change(json!(FIRST)), 200).await;
    stage.act(stage.server.person("alice", WRONG).send("GET", "/v2/"), 401).await;
}

/// A browser's session.
async fn log_in(stage: &Stage, canaries: &mut Canaries) {
    let nobody = stage.server.nobody();
    let form = |password| [("principal", "alice"), ("password", password)];
    stage.act(nobody.send("POST", "/c/login").form(&form(WRONG)), 401).await;
    let acted = stage.act(nobody.send("POST", "/c/login").form(&form(SECOND)), 200).await;
    let cookie = header(&acted.answer, "set-cookie");
    let cookie = cookie.split(';').next().unwrap();
    canaries.add("", cookie.split_once('=').unwrap().1);
    let me = nobody.send("GET", "/api/v2.0/users/current").header("cookie", cookie);
    canaries.add("", &header(&stage.act(me, 200).await.answer, "x-harbor-csrf-token"));
}

/// A client's tokens.
async fn fetch_tokens(stage: &Stage, canaries: &mut Canaries) {
    let nobody = stage.server.nobody();
    let form = [
        ("grant_type", "password"),
        ("service", "harbor-registry"),
        ("client_id", "test"),
        ("access_type", "offline"),
        ("username", "alice"),
        ("password", SECOND),
    ];
    let acted = stage.act(nobody.send("POST", "/service/token").form(&form), 200).await;
    let tokens: Value = acted.answer.json().await.unwrap();
    for key in ["access_token", "refresh_token"] {
        canaries.add("", tokens[key].as_str().unwrap());
    }
    let bearer = tokens["access_token"].as_str().unwrap();
    stage.act(nobody.send("GET", "/v2/").bearer_auth(bearer), 200).await;
    stage.act(nobody.send("GET", "/v2/").bearer_auth(format!("{bearer}x")), 401).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_the_log_the_audit_log_or_the_database() {
    let mut stage = Stage::with(Setup::new().env("ROADSTEAD_LOG", "trace"));
    let mut canaries = Canaries(Vec::new());
    for secret in [FIRST, SECOND, WRONG] {
        canaries.add("alice", secret);
    }
    send_passwords(&stage).await;
    log_in(&stage, &mut canaries).await;
    fetch_tokens(&stage, &mut canaries).await;

    let events = serde_json::to_string(&stage.events("page_size=0").await).unwrap();
    assert!(events.contains("alice"), "{events}");
    let found = |log: &str, data: &Path, when: &str| {
        for secret in &canaries.0 {
            assert!(!log.contains(secret), "{secret} is in the log {when}");
            assert_eq!(file_with(data, secret.as_bytes()), None, "{secret} is kept {when}");
        }
    };
    for secret in &canaries.0 {
        assert!(!events.contains(secret), "{secret} is in the audit log");
    }
    // While it runs, what was written last is in the file beside the database.
    let log = stage.server.log();
    assert!(log.contains("\"level\":\"DEBUG\""), "the log says all that it can");
    found(&log, stage.server.data(), "while the server runs");
    assert!(file_with(stage.server.data(), b"alice").is_some(), "the search finds what is there");
    stage.server.terminate();
    assert_eq!(stage.server.wait(), Some(0));
    found(&stage.server.log(), stage.server.data(), "after its end");
}
