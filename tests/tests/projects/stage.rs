//! People, and what they send and are answered.

use roadstead_tests::http::{Person, header};
use roadstead_tests::{Server, Setup};
use serde_json::{Value, json};

pub const PROJECTS: &str = "/api/v2.0/projects";

/// A server with alice, bob and carol.
pub async fn people() -> (Server, [Person; 4]) {
    let server = Setup::new().start();
    let admin = server.admin();
    for name in ["alice", "bob", "carol"] {
        admin.create_user(name).await;
    }
    let person = |name| server.person(name, "Password-1");
    let everybody = [admin, person("alice"), person("bob"), person("carol")];
    (server, everybody)
}

pub async fn json_of(person: &Person, path: &str) -> Value {
    let answer = person.get(path).await;
    assert_eq!(answer.status(), 200, "{path}");
    answer.json().await.unwrap()
}

pub async fn send(person: &Person, method: &str, path: &str, body: Value) -> reqwest::Response {
    person.send(method, path).json(&body).send().await.unwrap()
}

pub async fn status(person: &Person, method: &str, path: &str, body: Value) -> u16 {
    send(person, method, path, body).await.status().as_u16()
}

/// Adds a member and returns the path of the membership.
pub async fn add_member(
    person: &Person,
    project: &str,
    name: &str,
    role: i64,
    pattern: &str,
) -> String {
    let mut body = json!({"role_id": role, "member_user": {"username": name}, "member_group": {}});
    if !pattern.is_empty() {
        body["repository_pattern"] = pattern.into();
    }
    let answer = send(person, "POST", &format!("{PROJECTS}/{project}/members"), body).await;
    assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
    header(&answer, "location")
}

/// Takes the times out of an answer after a look at them.
pub fn without_times(mut value: Value) -> Value {
    if let Some(object) = value.as_object_mut() {
        for key in ["creation_time", "update_time"] {
            if let Some(time) = object.remove(key) {
                let time = time.as_str().unwrap_or_default();
                assert!(time.len() == 24 && time.ends_with('Z'), "{key}: {time}");
            }
        }
        for inner in object.values_mut() {
            *inner = without_times(inner.take());
        }
    }
    value
}

pub fn names(list: &Value, key: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|entry| entry[key].as_str().unwrap().to_owned()).collect()
}
