//! Secrets where they should not be: in the database, the log, the metrics, the answers.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use roadstead_tests::cast::{PASSWORD, in_project};
use roadstead_tests::http::Person;
use roadstead_tests::{Server, Setup, free_port};
use serde_json::{Value, json};

use crate::Tenants;

const CONFIGURATIONS: &str = "/api/v2.0/configurations";
const LDAP_SECRET: &str = "Canary-ldap-1";
const OIDC_SECRET: &str = "Canary-oidc-2";
const CHOSEN: &str = "Canary-chosen-3";
const PINGED: &str = "Canary-pinged-4";
const WRONG: &str = "Canary-wrong-5";

/// Everything below a directory, with the database's journal.
fn bytes_below(directory: &Path, into: &mut Vec<u8>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            bytes_below(&path, into);
        } else {
            into.extend(fs::read(path).unwrap());
        }
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    memchr::memmem::find(bytes, text.as_bytes()).is_some()
}

/// Sends a secret wherever one can be sent, and returns those that were told or sent.
async fn use_secrets(tenants: &Tenants) -> Vec<String> {
    let (server, alice, admin) = (&tenants.server, &tenants.alice, tenants.server.admin());
    let mut secrets: Vec<String> =
        [LDAP_SECRET, OIDC_SECRET, CHOSEN, PINGED, WRONG, PASSWORD].map(str::to_owned).into();
    let settings = json!({
        "ldap_search_password": LDAP_SECRET, "oidc_client_secret": OIDC_SECRET,
        "ldap_url": format!("ldap://127.0.0.1:{}", free_port()), "ldap_base_dn": "dc=example",
    });
    assert_eq!(admin.json("PUT", CONFIGURATIONS, &settings).await, 200);
    let ping = json!({
        "ldap_url": format!("ldap://127.0.0.1:{}", free_port()), "ldap_base_dn": "dc=example",
        "ldap_search_dn": "cn=x", "ldap_search_password": PINGED, "ldap_uid": "uid",
    });
    admin.json("POST", "/api/v2.0/ldap/ping", &ping).await;

    let robot = alice.project_robot("hers", "ci", "repository:pull").await;
    assert_eq!(server.robot(&robot).status_of("GET", "/v2/").await, 200);
    let path = format!("/api/v2.0/robots/{}", robot.id);
    let second = alice.send("POST", &format!("{path}/secrets")).send().await.unwrap();
    let second: Value = second.json().await.unwrap();
    secrets.push(second["secret"].as_str().expect("a secret").to_owned());
    assert_eq!(alice.json("PATCH", &path, &json!({"secret": CHOSEN})).await, 200);
    let chosen = server.person(&robot.name, CHOSEN);
    let (token, _) = chosen.registry_token("repository:hers/app:pull").await;
    assert_eq!(server.bearer(&token).status_of("GET", "/v2/hers/app/manifests/v1").await, 200);
    let pull = in_project("hers", "repository:pull");
    let (_, personal) = alice.personal_token("t", &[pull]).await;
    assert_eq!(server.person("alice", &personal).status_of("GET", "/v2/").await, 200);
    let query = "/service/token?service=harbor-registry&offline_token=true&client_id=x";
    let refresh =
        alice.read_json(query).await["refresh_token"].as_str().expect("a token").to_owned();
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
    server.nobody().send("POST", "/service/token").form(&form).send().await.unwrap();
    for name in ["alice", "nobody", &robot.name, WRONG] {
        assert_eq!(server.person(name, WRONG).status_of("GET", "/v2/").await, 401);
    }
    // In places where none belongs: a body that is no JSON, a header that is none, a query.
    let nobody = server.nobody();
    for request in [
        admin.send("PUT", CONFIGURATIONS).body(format!("{{\"oidc_client_secret\": \"{WRONG}\"")),
        alice.send("PATCH", &path).body(format!("[\"{WRONG}\"]")),
        nobody.send("GET", "/v2/").header("authorization", format!("Bearer {WRONG}")),
        nobody.send("GET", "/v2/").header("authorization", format!("Digest {WRONG}")),
        nobody.send("GET", "/v2/").header("cookie", format!("sid={WRONG}")),
        nobody.send("POST", "/service/token").body(format!("grant_type=password&password={WRONG}")),
        nobody.send("GET", &format!("/service/token?account=alice&password={WRONG}")),
    ] {
        request.header("content-type", "application/json").send().await.unwrap();
    }
    secrets.extend([robot.secret, token, personal, refresh]);
    secrets
}

/// The secrets as they are, and as Basic credentials carry them.
fn spellings(secrets: &[String]) -> Vec<String> {
    let mut all = secrets.to_vec();
    for name in ["alice", "admin", "robot$hers+ci"] {
        all.extend(secrets.iter().map(|secret| STANDARD.encode(format!("{name}:{secret}"))));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_the_log_the_metrics_or_the_database() {
    let port = free_port();
    let setup = Setup::new()
        .env("ROADSTEAD_LOG", "trace")
        .env("ROADSTEAD_ADMIN_LISTEN", format!("127.0.0.1:{port}"));
    let mut tenants = Tenants::on(setup).await;
    let secrets = use_secrets(&tenants).await;
    let metrics = reqwest::get(format!("http://127.0.0.1:{port}/metrics")).await.unwrap();
    let metrics = metrics.text().await.unwrap();
    for name in ["hers", "his/app", "alice", "mallory"] {
        assert!(!metrics.contains(name), "{name} is in the metrics");
    }
    let log = tenants.server.log();
    assert!(log.contains("\"level\":\"TRACE\"") || log.contains("\"level\":\"DEBUG\""));
    let told: String = told_by_the_api(&tenants.server).await;
    let mut kept = Vec::new();
    tenants.server.dump_rows();
    bytes_below(tenants.server.data(), &mut kept);
    assert!(contains(&kept, "mallory"), "the search finds what is there");
    for secret in spellings(&secrets) {
        assert!(!metrics.contains(&secret), "{secret} is in the metrics");
        assert!(!log.contains(&secret), "{secret} is in the log");
        assert!(!told.contains(&secret), "{secret} is told");
        assert!(!contains(&kept, &secret), "{secret} is kept");
    }
    tenants.server.terminate();
    assert_eq!(tenants.server.wait(), Some(0));
    let mut kept = Vec::new();
    tenants.server.dump_rows();
    bytes_below(tenants.server.data(), &mut kept);
    for secret in spellings(&secrets) {
        assert!(!contains(&kept, &secret), "{secret} is kept after the end");
    }
}

/// What every route that only reads, and needs no id, answers to an administrator.
async fn told_by_the_api(server: &Server) -> String {
    let admin: Person = server.admin();
    let document = admin.read_json("/api/v2.0/openapi.json").await;
    let mut told = String::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        if item["get"].is_object() && !path.contains('{') {
            let answer = admin.get(&format!("{path}?page_size=100&q=")).await;
            told.push_str(&answer.text().await.unwrap());
        }
    }
    assert!(told.contains("ldap_url"), "the configuration is among it");
    told
}

/// A directory that notes what it is sent and answers nothing.
fn listener() -> (u16, std::thread::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_secs(2))).unwrap();
        let mut heard = vec![0; 4096];
        let n = stream.read(&mut heard).unwrap_or(0);
        heard.truncate(n);
        heard
    });
    (port, heard)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_secret_opens_in_its_own_row_only() {
    let server = Setup::new().start();
    let admin = server.admin();
    let (port, heard) = listener();
    let settings = json!({
        "ldap_search_password": LDAP_SECRET, "oidc_client_secret": OIDC_SECRET,
        "ldap_url": format!("ldap://127.0.0.1:{port}"), "ldap_base_dn": "dc=example",
        "ldap_search_dn": "cn=x", "ldap_timeout": 1,
    });
    assert_eq!(admin.json("PUT", CONFIGURATIONS, &settings).await, 200);
    admin.json("POST", "/api/v2.0/ldap/ping", &json!({})).await;
    assert!(contains(&heard.join().unwrap(), LDAP_SECRET), "the directory is sent its password");

    let pool = server.database().await;
    let swapped =
        "UPDATE setting SET value = (SELECT other.value FROM setting other WHERE other.name =
             CASE setting.name WHEN 'config.ldap_search_password' THEN 'config.oidc_client_secret'
                               ELSE 'config.ldap_search_password' END)
         WHERE name IN ('config.ldap_search_password', 'config.oidc_client_secret')";
    assert_eq!(pool.execute(swapped, &[]).await, 2);
    // The same address again, where anybody may listen.
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).unwrap();
    listener.set_nonblocking(true).unwrap();
    let status = admin.json("POST", "/api/v2.0/ldap/ping", &json!({})).await;
    assert_ne!(status, 200);
    if let Ok((mut stream, _)) = listener.accept() {
        let mut sent = Vec::new();
        let _ = stream.write_all(b"");
        let _ = stream.read_to_end(&mut sent);
        assert!(!contains(&sent, OIDC_SECRET), "another row's secret was opened and sent");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signing_key_under_another_name_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let mut server = Setup::new().data(&data).start();
    server.kill();
    let pool = server.database().await;
    let changed = pool.execute("UPDATE signing_key SET id = 'another'", &[]).await;
    assert_eq!(changed, 1);
    pool.close().await;
    server.damaged_on_purpose();
    drop(server);
    let said = Setup::new().data(&data).fails_to_start();
    assert!(said.contains("the secret key does not fit this database"), "{said}");
}
