//! What administrators set while the server runs.

use std::net::TcpListener;
use std::process::Command;

use roadstead_tests::http::{Person, error_code};
use roadstead_tests::{ADMIN_PASSWORD, Server, Setup, binary};
use serde_json::{Value, json};

const PATH: &str = "/api/v2.0/configurations";
const OVERWRITE: &str = "ROADSTEAD_CONFIG_OVERWRITE_JSON";

async fn read(person: &Person) -> Value {
    let answer = person.get(PATH).await;
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

async fn put(person: &Person, changes: &Value) -> reqwest::Response {
    person.send("PUT", PATH).json(changes).send().await.unwrap()
}

/// Changes keys, which must succeed.
async fn set(person: &Person, changes: Value) {
    let answer = put(person, &changes).await;
    assert_eq!(answer.status(), 200, "{changes}: {}", answer.text().await.unwrap());
}

async fn system_info(person: &Person) -> Value {
    person.get("/api/v2.0/systeminfo").await.json().await.unwrap()
}

/// (actor, resource type, operation, description, success) of the audit log.
async fn audit(server: &Server) -> Vec<(String, String, String, String, bool)> {
    let query =
        "SELECT actor, resource_type, operation, description, success FROM audit_log ORDER BY id";
    server.database().await.rows(query, &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_has_its_type_and_only_administrators_see_it() {
    let server = Setup::new().start();
    let admin = server.admin();
    let found = read(&admin).await;
    for (key, value) in [
        ("auth_mode", json!("db_auth")),
        ("read_only", json!(false)),
        ("ldap_verify_cert", json!(true)),
        ("token_expiration", json!(30)),
        ("storage_per_project", json!(-1)),
        ("ldap_scope", json!(2)),
        ("ldap_uid", json!("cn")),
        ("robot_name_prefix", json!("robot$")),
        ("oidc_extra_redirect_parms", json!("{}")),
        ("banner_message", json!("")),
    ] {
        assert_eq!(found[key], json!({"value": value, "editable": true}), "{key}");
    }
    for secret in ["ldap_search_password", "oidc_client_secret", "uaa_client_secret"] {
        assert!(found.get(secret).is_none(), "{secret}");
    }
    admin.create_user("alice").await;
    let alice = server.person("alice", "Password-1");
    for (person, status) in [(&server.nobody(), 401), (&alice, 403)] {
        assert_eq!(person.get(PATH).await.status(), status);
        assert_eq!(put(person, &json!({"read_only": true})).await.status(), status);
    }
    assert_eq!(read(&admin).await["read_only"]["value"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_seen_at_once_and_leaves_one_row() {
    let server = Setup::new().start();
    let admin = server.admin();
    let before = audit(&server).await.len();
    // Read first, so that what is remembered would show.
    assert_eq!(system_info(&admin).await["read_only"], false);
    for (n, on) in [true, false, true, false].into_iter().enumerate() {
        set(&admin, json!({"read_only": on, "banner_message": format!("now {on}")})).await;
        let info = system_info(&admin).await;
        assert_eq!(
            (&info["read_only"], &info["banner_message"]),
            (&json!(on), &json!(format!("now {on}")))
        );
        let body = json!({"project_name": format!("team-{n}")});
        let made = admin.send("POST", "/api/v2.0/projects").json(&body).send().await.unwrap();
        assert_eq!(made.status(), if on { 403 } else { 201 });
    }
    // Nothing known, or nothing changed, is no change.
    set(&admin, json!({"no_such_key": 1, "reed_only": true, "read_only": null})).await;
    set(&admin, json!({"read_only": false})).await;
    let rows = audit(&server).await;
    let changes: Vec<_> = rows[before..].iter().filter(|row| row.1 == "configuration").collect();
    assert_eq!(changes.len(), 4);
    for (actor, _, operation, description, success) in changes {
        let row = (actor.as_str(), operation.as_str(), description.as_str(), *success);
        assert_eq!(row, ("admin", "update", "changed banner_message, read_only", true));
    }
    // Anonymous callers are told what a login page needs, and no more.
    set(&admin, json!({"self_registration": true, "primary_auth_mode": true})).await;
    let info = system_info(&server.nobody()).await;
    assert_eq!(
        (&info["self_registration"], &info["primary_auth_mode"]),
        (&json!(true), &json!(true))
    );
    for hidden in ["read_only", "harbor_version", "external_url", "project_creation_restriction"] {
        assert!(info.get(hidden).is_none(), "{hidden}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_a_rule_changes_nothing() {
    let server = Setup::new().start();
    let admin = server.admin();
    set(&admin, json!({"ldap_url": "ldap://dir.example.org", "ldap_search_password": "x"})).await;
    let before = read(&admin).await;
    for wrong in [
        json!({"auth_mode": "uaa_auth"}),
        json!({"auth_mode": "http_auth"}),
        json!({"auth_mode": "none"}),
        json!({"robot_name_prefix": "  "}),
        json!({"robot_name_prefix": "a:b"}),
        // It would make a robot of the administrator.
        json!({"robot_name_prefix": "adm"}),
        json!({"storage_per_project": 0}),
        json!({"storage_per_project": -2}),
        json!({"storage_per_project": 1_125_899_906_842_625_i64}),
        json!({"token_expiration": 0}),
        json!({"robot_token_duration": -1}),
        json!({"session_timeout": 10_000_000_000_i64}),
        json!({"project_creation_restriction": "nobody"}),
        json!({"ldap_uid": ""}),
        json!({"ldap_scope": 3}),
        json!({"ldap_filter": "(uid=*)(cn=*)"}),
        json!({"ldap_base_dn": "people"}),
        json!({"ldap_group_search_filter": "objectClass=groupOfNames"}),
        json!({"ldap_group_search_filter": "(a=b)", "ldap_group_attribute_name": "cn",
               "ldap_group_membership_attribute": ""}),
        json!({"skip_audit_log_database": true}),
        json!({"audit_log_forward_endpoint": "http://127.0.0.1:1"}),
        json!({"oidc_extra_redirect_parms": "[]"}),
        // The stored password would go there.
        json!({"ldap_url": "ldap://elsewhere.example.org"}),
    ] {
        // What is right beside it is not stored, either.
        let mut changes = wrong.clone();
        changes["banner_message"] = json!("not stored");
        let answer = put(&admin, &changes).await;
        assert_eq!(answer.status(), 400, "{wrong}");
        assert_eq!(error_code(answer).await, "BAD_REQUEST");
    }
    for wrong in [json!({"read_only": "true"}), json!({"ldap_timeout": 1.5}), json!([1])] {
        assert_eq!(put(&admin, &wrong).await.status(), 422, "{wrong}");
    }
    assert_eq!(read(&admin).await, before);
    set(&admin, json!({"robot_name_prefix": " bot+ "})).await;
    assert_eq!(read(&admin).await["robot_name_prefix"]["value"], "bot+");
    set(&admin, json!({"ldap_url": "ldaps://elsewhere.example.org", "ldap_search_password": "x"}))
        .await;
    // Back to what it was at first.
    set(&admin, json!({"ldap_url": "", "ldap_search_password": "", "robot_name_prefix": "robot$"}))
        .await;
    assert_eq!(read(&admin).await["ldap_url"]["value"], "");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mode_of_authentication_is_fixed_once_there_are_people() {
    let server = Setup::new().start();
    let admin = server.admin();
    for mode in ["ldap_auth", "oidc_auth", "db_auth"] {
        set(&admin, json!({"auth_mode": mode})).await;
        assert_eq!(system_info(&server.nobody()).await["auth_mode"], mode);
        assert_eq!(read(&admin).await["auth_mode"], json!({"value": mode, "editable": true}));
    }
    admin.create_user("alice").await;
    let found = read(&admin).await;
    assert_eq!(found["auth_mode"], json!({"value": "db_auth", "editable": false}));
    assert_eq!(found["read_only"]["editable"], true);
    assert_eq!(put(&admin, &json!({"auth_mode": "ldap_auth"})).await.status(), 400);
    // The present one is no change.
    set(&admin, json!({"auth_mode": "db_auth"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_of_audit_events_must_be_there() {
    let server = Setup::new().start();
    let admin = server.admin();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = listener.local_addr().unwrap().to_string();
    set(&admin, json!({"audit_log_forward_endpoint": there, "skip_audit_log_database": true}))
        .await;
    for scheme in ["tcp", "tls"] {
        set(&admin, json!({"audit_log_forward_endpoint": format!("{scheme}://{there}")})).await;
    }
    assert_eq!(put(&admin, &json!({"audit_log_forward_endpoint": ""})).await.status(), 400);
    drop(listener);
    let unresolvable = "no.such.host.invalid:514".to_owned();
    let mut messages = Vec::new();
    for gone in [there, unresolvable] {
        let answer = put(&admin, &json!({"audit_log_forward_endpoint": gone})).await;
        assert_eq!(answer.status(), 400, "{gone}");
        let body: Value = answer.json().await.unwrap();
        messages.push(body["errors"][0]["message"].as_str().unwrap().to_owned());
    }
    assert_eq!(messages[0], messages[1], "it does not say what is wrong there");
    set(&admin, json!({"audit_log_forward_endpoint": "", "skip_audit_log_database": false})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_are_told_to_nobody() {
    let server = Setup::new().env("ROADSTEAD_LOG", "trace").start();
    let admin = server.admin();
    let canaries = ["Canary-ldap-7261", "Canary-oidc-9153", "Canary-other-4087"];
    let all = json!({
        "ldap_search_password": canaries[0], "oidc_client_secret": canaries[1],
        "ldap_url": "ldap://127.0.0.1:1", "ldap_base_dn": "dc=example,dc=org",
        "ldap_search_dn": "cn=search,dc=example,dc=org",
    });
    set(&admin, all).await;
    // Refused, of the wrong type, cut off: what was sent is not repeated.
    for body in [
        json!({"ldap_search_password": canaries[2], "ldap_scope": 9}).to_string(),
        json!({"ldap_search_password": [canaries[2]]}).to_string(),
        format!("{{\"ldap_search_password\": \"{}", canaries[2]),
        json!(canaries[2]).to_string(),
    ] {
        let request = admin.send("PUT", PATH).header("content-type", "application/json");
        let answer = request.body(body).send().await.unwrap();
        assert!(answer.status().is_client_error());
        assert!(!answer.text().await.unwrap().contains("Canary"));
    }
    let ping = admin.send("POST", "/api/v2.0/ldap/ping").send().await.unwrap();
    let ping = ping.text().await.unwrap();
    assert!(ping.contains("cannot be reached") && !ping.contains("Canary"), "{ping}");
    assert!(!read(&admin).await.to_string().contains("Canary"));
    let log = server.log();
    assert!(log.contains("INSERT INTO setting"), "this log was to have everything in it");
    let audit = format!("{:?}", audit(&server).await);
    assert!(audit.contains("ldap_search_password"), "{audit}");
    server.dump_rows();
    let files = std::fs::read_dir(server.data()).unwrap().map(|file| file.unwrap().path());
    let files: Vec<_> = files.filter(|file| file.is_file()).collect();
    assert!(files.iter().any(|file| file.ends_with("roadstead.db") || file.ends_with("dump.sql")));
    for canary in canaries {
        assert!(!log.contains(canary), "{canary} is in the log");
        assert!(!audit.contains(canary), "{canary} is in the audit log");
        for file in &files {
            let bytes = std::fs::read(file).unwrap();
            let found = memchr::memmem::find(&bytes, canary.as_bytes()).is_some();
            assert!(!found, "{canary} is in {}", file.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_the_start_gives_cannot_be_changed() {
    let overwrite = json!({"banner_message": "from the start", "ldap_search_password": "Canary-1",
                           "token_expiration": 5});
    let mut server = Setup::new().env(OVERWRITE, overwrite.to_string()).start();
    let admin = server.admin();
    let check = async |rows: usize| {
        let found = read(&admin).await;
        assert_eq!(found["banner_message"], json!({"value": "from the start", "editable": false}));
        assert_eq!(found["token_expiration"]["value"], 5);
        assert!(found.as_object().unwrap().values().all(|item| item["editable"] == false));
        let answer = put(&admin, &json!({"banner_message": "x"})).await;
        assert_eq!(answer.status(), 403);
        assert_eq!(error_code(answer).await, "FORBIDDEN");
        let audit = audit(&server).await;
        let changes: Vec<_> = audit.iter().filter(|row| row.1 == "configuration").collect();
        assert_eq!(changes.len(), rows, "{changes:?}");
        assert_eq!(changes[0].0, "system");
        assert!(!format!("{audit:?}").contains("Canary"));
    };
    check(1).await;
    let shown = server.command(&["config", "show"]).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("config_overwrite_json = \"***\""), "{shown}");
    server.kill();
    server.start();
    let check_again = read(&admin).await;
    assert_eq!(check_again["banner_message"]["editable"], false);
    let rows = audit(&server).await;
    assert_eq!(rows.iter().filter(|row| row.1 == "configuration").count(), 1, "nothing changed");
}

#[test]
fn an_overwrite_that_is_no_good_stops_the_start_and_is_not_printed() {
    let directory = tempfile::tempdir().unwrap();
    for (overwrite, named) in [
        ("{\"ldap_search_password\": \"Canary-1\", \"ldap_url\": \"http://Canary-1\"}", "ldap_url"),
        ("{\"ldap_search_password\": [\"Canary-1\"]}", "ldap_search_password"),
        ("{\"no_such_key\": \"Canary-1\"}", "no_such_key"),
        ("\"Canary-1\"", "line 1"),
        ("{\"Canary", "line 1"),
    ] {
        let output = Command::new(binary())
            .args(["serve", "--listen", "127.0.0.1:0"])
            .env("ROADSTEAD_DATA_DIR", directory.path().join("data"))
            .env("ROADSTEAD_ADMIN_LISTEN", "off")
            .env("ROADSTEAD_ADMIN_PASSWORD", ADMIN_PASSWORD)
            .env(OVERWRITE, overwrite)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{overwrite}");
        assert!(said.contains(OVERWRITE) && said.contains(named), "{overwrite}: {said}");
        assert!(!said.contains("Canary"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_says_how_full_its_disk_is_and_whom_to_trust() {
    let server = Setup::new().start();
    let admin = server.admin();
    let volumes = admin.get("/api/v2.0/systeminfo/volumes").await;
    let volumes: Value = volumes.json().await.unwrap();
    let disk = &volumes["storage"][0];
    let (total, free) = (disk["total"].as_u64().unwrap(), disk["free"].as_u64().unwrap());
    assert!(total > 0 && free <= total, "{volumes}");
    assert_eq!(server.nobody().get("/api/v2.0/systeminfo/volumes").await.status(), 401);
    assert_eq!(server.nobody().get("/api/v2.0/systeminfo/getcert").await.status(), 404);
    assert_eq!(system_info(&admin).await["has_ca_root"], false);
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name).display().to_string();
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=ca", "-keyout"])
        .args([&file("key"), "-out", &file("crt")])
        .output();
    assert!(made.is_ok_and(|made| made.status.success()), "openssl is missing");
    let server = Setup::new().env("ROADSTEAD_CA_CERT", file("crt")).start();
    let answer = server.nobody().get("/api/v2.0/systeminfo/getcert").await;
    assert_eq!(answer.headers()["content-type"], "application/octet-stream");
    let pem = std::fs::read_to_string(file("crt")).unwrap();
    assert_eq!(answer.text().await.unwrap(), pem);
    assert_eq!(system_info(&server.admin()).await["has_ca_root"], true);
    // A file with the key in it is not served by mistake.
    std::fs::write(file("both"), pem + &std::fs::read_to_string(file("key")).unwrap()).unwrap();
    let mut command = server.command(&["serve"]);
    command.env("ROADSTEAD_CA_CERT", file("both")).env("ROADSTEAD_LISTEN", "127.0.0.1:0");
    command.env("ROADSTEAD_DATA_DIR", file("data")).env_remove("ROADSTEAD_DATABASE_URL");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("private key"), "{said}");
}
