//! What administrators ask the directory.

use roadstead_tests::http::{Person, error_code};
use roadstead_tests::slapd::{PASSWORD, SEARCH_PASSWORD, group_dn};
use roadstead_tests::{ADMIN_PASSWORD, Server, Setup};
use serde_json::{Value, json};

use super::stage::{configure, status, with_directory};

async fn ping(server: &Server, body: &Value) -> Value {
    let request = server.admin().send("POST", "/api/v2.0/ldap/ping").json(body);
    request.send().await.unwrap().json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ping_tries_settings_and_gives_no_password_away() {
    let Some((slapd, server)) = with_directory().await else { return };
    let empty = server.admin().send("POST", "/api/v2.0/ldap/ping").send().await.unwrap();
    assert_eq!(empty.json::<Value>().await.unwrap(), json!({"success": true}));
    assert_eq!(ping(&server, &json!({"ldap_url": slapd.url()})).await, json!({"success": true}));
    for (body, word) in [
        (json!({"ldap_search_password": "wrong"}), "ldap_search_password"),
        (json!({"ldap_url": "http://x", "ldap_search_password": "x"}), "ldap_url"),
        (json!({"ldap_filter": "("}), "ldap_filter"),
        (json!({"ldap_scope": 7}), "ldap_scope"),
        (json!({"ldap_connection_timeout": 0}), "ldap_connection_timeout"),
        (json!({"ldap_url": "ldap://127.0.0.1:1", "ldap_search_password": "x"}), "reached"),
    ] {
        let answer = ping(&server, &body).await;
        assert!(answer.get("success").is_none(), "{body} {answer}");
        assert!(answer["message"].as_str().unwrap().contains(word), "{body} {answer}");
    }
    // A server of somebody's own hears nothing.
    let sink = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    sink.set_nonblocking(true).unwrap();
    let url = format!("ldap://{}", sink.local_addr().unwrap());
    let answer = ping(&server, &json!({"ldap_url": url})).await;
    assert!(answer["message"].as_str().unwrap().contains("ldap_search_password"), "{answer}");
    assert!(sink.accept().is_err(), "it was asked");
    assert_eq!(configure(&server, &json!({"ldap_url": url})).await, 400);
    let given = json!({"ldap_url": slapd.tls_url(), "ldap_verify_cert": false,
                       "ldap_search_password": SEARCH_PASSWORD});
    assert_eq!(ping(&server, &given).await, json!({"success": true}));
    assert_eq!(status(&server.person("alice", PASSWORD), "/v2/").await, 200);
    let denied = server.person("alice", PASSWORD).send("POST", "/api/v2.0/ldap/ping");
    assert_eq!(denied.json(&given).send().await.unwrap().status(), 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_and_groups_are_searched_and_imported() {
    let Some((_slapd, server)) = with_directory().await else { return };
    let admin = server.admin();
    let search = async |query: &str| {
        let answer = admin.get(&format!("/api/v2.0/ldap/{query}")).await;
        let status = answer.status().as_u16();
        (status, answer.json::<Value>().await.unwrap())
    };
    let bob = json!({"username": "bob", "realname": "Bob Brown", "email": "bob@example.org"});
    assert_eq!(search("users/search?username=bo").await, (200, json!([bob])));
    assert_eq!(search("users/search").await.1.as_array().unwrap().len(), 3);
    assert_eq!(search("users/search?username=*").await, (200, json!([])));
    let devs = json!([{"group_name": "devs", "group_type": 1, "ldap_group_dn": group_dn("devs")}]);
    assert_eq!(search("groups/search?groupname=dev").await, (200, devs.clone()));
    let dn = group_dn("DEVS").replace('=', "%3D");
    assert_eq!(search(&format!("groups/search?groupdn={dn}")).await, (200, devs));
    assert_eq!(search("groups/search?groupname=none").await.0, 404);
    assert_eq!(search("groups/search?groupdn=none").await.0, 400);
    let import = async |person: &Person, list: Value| {
        let body = json!({"ldap_uid_list": list});
        let path = "/api/v2.0/ldap/users/import";
        person.send("POST", path).json(&body).send().await.unwrap()
    };
    let answer = import(&admin, json!(["bob", "nobody", "carol", "*", ""])).await;
    assert_eq!(answer.status(), 404);
    let failed: Value = answer.json().await.unwrap();
    let unknown = |uid: &str, error: &str| json!({"uid": uid, "error": error});
    assert_eq!(
        failed,
        json!([
            unknown("nobody", "unknown_user"),
            unknown("*", "unknown_user"),
            unknown("", "empty_uid")
        ])
    );
    assert_eq!(import(&admin, json!(["bob"])).await.status(), 200);
    let users: Value = admin.get("/api/v2.0/users").await.json().await.unwrap();
    let names: Vec<_> = users.as_array().unwrap().iter().map(|user| &user["username"]).collect();
    assert_eq!(names, ["bob", "carol"]);
    // Who has been imported by name has no password here.
    assert_eq!(status(&server.person("bob", ""), "/v2/").await, 401);
    let person = server.person("bob", PASSWORD);
    assert_eq!(import(&person, json!(["alice"])).await.status(), 403);
    assert_eq!(status(&person, "/api/v2.0/ldap/users/search").await, 403);
    assert_eq!(status(&server.nobody(), "/api/v2.0/ldap/groups/search").await, 401);
    let other = Setup::new().start();
    let answer = import(&other.admin(), json!(["alice"])).await;
    assert_eq!(answer.status(), 412);
    assert_eq!(error_code(answer).await, "PRECONDITION");
    assert_eq!(
        status(&other.person("admin", ADMIN_PASSWORD), "/api/v2.0/ldap/users/search").await,
        400
    );
}
