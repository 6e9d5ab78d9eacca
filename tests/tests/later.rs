//! What of Harbor's API comes later is answered truthfully: nothing is said to be done that is
//! not, and nothing is said to be there.

use roadstead_tests::api::{API, timeless};
use roadstead_tests::cast::{PASSWORD, access};
use roadstead_tests::http::{Person, error_code, header};
use roadstead_tests::{Server, Setup};
use serde_json::{Value, json};

/// The document of the API that the server was built with.
const DOCUMENT: &str = include_str!("../../docs/openapi.json");

const IMAGE: &str = "/projects/team/repositories/app/artifacts/v1";

/// A server with alice's public project `team`, whose id is 2, and an image in it.
async fn team() -> (Server, Person) {
    let server = Setup::new().start();
    server.admin().create_user("alice").await;
    let alice = server.person("alice", PASSWORD);
    alice.create_project("team", true).await;
    alice.push_image("team/app", "v1", b"a layer").await;
    (server, alice)
}

/// The operations that come later: (method, path, status that the document has).
fn later() -> Vec<(String, String, u16)> {
    let document: Value = serde_json::from_str(DOCUMENT).unwrap();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if operation["description"] == "This comes with a later version." {
                let named = operation["responses"].as_object().unwrap();
                // What lacks something says so of what is there; the rest is not there.
                let status = ["200", "412", "404"].into_iter().find(|it| named.contains_key(*it));
                let status = status.expect("a status").parse().unwrap();
                found.push((method.to_uppercase(), path.clone(), status));
            }
        }
    }
    found
}

fn with_samples(path: &str) -> String {
    let mut path = path.to_owned();
    for (name, value) in [
        ("project_name_or_id", "team"),
        ("project_name", "team"),
        ("repository_name", "app"),
        ("reference", "v1"),
        ("digest", &format!("sha256:{}", "0".repeat(64))),
        ("id", "1"),
        ("execution_id", "1"),
        ("task_id", "1"),
        ("report_id", "r"),
        ("registration_id", "s"),
        ("preheat_instance_name", "i"),
        ("preheat_policy_name", "p"),
    ] {
        path = path.replace(&format!("{{{name}}}"), value);
    }
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_is_told_that_nothing_is_there_and_nothing_is_done() {
    let (server, _) = team().await;
    let admin = server.admin();
    let operations = later();
    assert!(operations.len() > 60, "{}", operations.len());
    for (method, path, promised) in operations {
        let path = with_samples(&path);
        let what = format!("{method} {path}");
        assert!(!path.contains('{'), "{what} needs a sample");
        let mut request = admin.send(&method, &path);
        if !matches!(method.as_str(), "GET" | "DELETE") {
            let kind = "application/vnd.security.vulnerability.report; version=1.1";
            request = request.header("x-scan-data-type", kind).json(&json!({"projects": [2]}));
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        assert_eq!(status, promised, "{what}");
        if status == 200 {
            assert_eq!(method, "GET", "{what} is said to be done");
            let total = answer.headers().get("x-total-count").cloned();
            let body: Value = answer.json().await.unwrap();
            let empty = match &body {
                Value::Array(items) => items.is_empty(),
                Value::Object(members) => members.values().all(|value| {
                    *value == 0 || *value == 1 || value.as_array().is_some_and(Vec::is_empty)
                }),
                _ => false,
            };
            assert!(empty, "{what}: {body}");
            assert!(total.is_none_or(|total| total == "0"), "{what}");
        } else {
            let expected = if status == 412 { "PRECONDITION" } else { "NOT_FOUND" };
            assert_eq!(error_code(answer).await, expected, "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_what_comes_later_are_empty_pages() {
    let (server, alice) = team().await;
    let admin = server.admin();
    for (person, path) in [
        (&admin, "/registries"),
        (&admin, "/replication/policies"),
        (&admin, "/replication/executions"),
        (&admin, "/scanners"),
        (&admin, "/security/vul"),
        (&admin, "/p2p/preheat/instances"),
        (&alice, "/projects/team/preheat/policies"),
        (&alice, "/projects/team/scanner/candidates"),
    ] {
        let answer = person.get(&format!("{API}{path}?page=1&page_size=5")).await;
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(header(&answer, "x-total-count"), "0", "{path}");
        assert_eq!(answer.text().await.unwrap(), "[]", "{path}");
        let answer = person.get(&format!("{API}{path}?page_size=101")).await;
        assert_eq!(answer.status(), 422, "{path}");
    }
    let summary = admin.read("/security/summary").await;
    assert_eq!((&summary["total_artifact"], &summary["scanned_cnt"]), (&json!(1), &json!(0)));
    assert_eq!(alice.read("/export/cve/executions").await, json!({"items": []}));
    assert_eq!(alice.read(&format!("{IMAGE}/additions/vulnerabilities")).await, json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_exist_is_told_before_what_is_lacking() {
    let (server, alice) = team().await;
    let missing = IMAGE.replace("v1", "v2");
    for (path, expected) in [
        (format!("{IMAGE}/scan"), 412),
        (format!("{missing}/scan"), 404),
        (format!("{IMAGE}/scan/stop"), 404),
        (format!("{}/scan", IMAGE.replace("/app/", "/none/")), 404),
    ] {
        assert_eq!(alice.status("POST", &path, &json!({})).await, expected, "{path}");
    }
    for (path, expected) in [
        (format!("{missing}/additions/vulnerabilities"), 404),
        ("/registries/x".to_owned(), 422),
        ("/replication/executions/x".to_owned(), 422),
        ("/icons/nothing".to_owned(), 400),
    ] {
        let status = server.admin().status("GET", &path, &Value::Null).await;
        assert_eq!(status, expected, "{path}");
    }
    let export = async |kind: &str, body: Value| {
        let mut request = alice.send("POST", &format!("{API}/export/cve")).json(&body);
        if !kind.is_empty() {
            request = request.header("x-scan-data-type", kind);
        }
        request.send().await.unwrap().status().as_u16()
    };
    let kind = "application/vnd.security.vulnerability.report; version=1.1";
    for (kind, body, expected) in [
        ("", json!({"projects": [2]}), 422),
        ("text/csv", json!({"projects": [2]}), 400),
        (kind, json!({"projects": []}), 400),
        (kind, json!({"projects": [1, 2]}), 400),
        (kind, json!([]), 422),
        (kind, json!({"projects": [99]}), 403),
        (kind, json!({"projects": [2]}), 404),
    ] {
        assert_eq!(export(kind, body.clone()).await, expected, "{kind} {body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_do_it_later_may_not_ask_for_it_now() {
    let (server, alice) = team().await;
    let nobody = server.nobody();
    for path in ["/registries", "/scanners", "/security/summary", "/p2p/preheat/instances"] {
        assert_eq!(nobody.status("GET", path, &Value::Null).await, 401, "{path}");
        assert_eq!(alice.status("GET", path, &Value::Null).await, 403, "{path}");
    }
    // Reports of public projects are public; the scanner is for those who have logged in.
    let report = format!("{IMAGE}/scan/r/log");
    assert_eq!(nobody.status("GET", &report, &Value::Null).await, 404);
    assert_eq!(nobody.status("GET", "/projects/team/scanner", &Value::Null).await, 401);
    assert_eq!(nobody.status("GET", "/projects/team/preheat/policies", &Value::Null).await, 401);
    // Either kind of scan has a permission of its own.
    for (words, expected) in [("sbom:create", 412), ("scan:create", 412), ("scan:read", 403)] {
        let permission = json!({"kind": "project", "namespace": "team", "access": access(words)});
        let name = words.replace(':', "-");
        let robot = alice.robot_with("project", &name, &[permission]).await;
        let status =
            server.robot(&robot).status("POST", &format!("{IMAGE}/scan"), &json!({})).await;
        assert_eq!(status, expected, "{words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_accepted_vulnerabilities_is_read_by_all_and_replaced_by_administrators() {
    const PATH: &str = "/system/CVEAllowlist";
    let (server, alice) = team().await;
    let admin = server.admin();
    let empty = alice.read(PATH).await;
    assert_eq!(empty["items"], json!([]));
    assert_eq!(empty["creation_time"], "0001-01-01T00:00:00.000Z");
    assert_eq!(server.nobody().status("GET", PATH, &Value::Null).await, 401);
    assert_eq!(alice.status("PUT", PATH, &json!({"items": []})).await, 403);
    let list = json!({
        "project_id": 0, "expires_at": 1_900_000_000,
        "items": [{"cve_id": "CVE-2026-1"}, {"cve_id": "CVE-2026-2"}],
    });
    admin.change("PUT", PATH, &list).await;
    let expected = json!({
        "expires_at": 1_900_000_000,
        "items": [{"cve_id": "CVE-2026-1"}, {"cve_id": "CVE-2026-2"}],
        "creation_time": "T", "update_time": "T",
    });
    assert_eq!(timeless(alice.read(PATH).await), expected);
    for (body, expected) in [
        (json!({"project_id": 2, "items": []}), 400),
        (json!({"items": [{"cve_id": ""}]}), 400),
        (json!({"items": [{"cve_id": "a"}, {"cve_id": "a"}]}), 400),
        (json!({"items": {}}), 422),
    ] {
        assert_eq!(admin.status("PUT", PATH, &body).await, expected, "{body}");
    }
    assert_eq!(admin.status_of("PUT", &format!("{API}{PATH}")).await, 200, "without a body");
    assert_eq!(alice.read(PATH).await["items"], json!([]));
    assert_eq!(alice.read(PATH).await["expires_at"], Value::Null);
}
