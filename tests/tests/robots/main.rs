//! Robot accounts: Harbor's shapes and rules, what they may do, and when that ends.

mod ending;
mod rights;
mod shapes;

use roadstead_tests::http::Person;
use roadstead_tests::{Server, Setup};
use serde_json::{Value, json};

const PULL: &str = "/v2/mine/app/manifests/v1";
const UPLOADS: &str = "/v2/mine/app/blobs/uploads/";

/// A private project `mine` of alice's with an image in `app`.
async fn with_project() -> (Server, Person) {
    let server = Setup::new().start();
    server.admin().create_user("alice").await;
    let alice = server.person("alice", "Password-1");
    alice.create_project("mine", false).await;
    alice.push_image("mine/app", "v1", b"a layer").await;
    (server, alice)
}

fn permission(kind: &str, namespace: &str, access: &[(&str, &str)]) -> Value {
    let access: Vec<Value> = access
        .iter()
        .map(|(resource, action)| json!({"resource": resource, "action": action}))
        .collect();
    json!({"kind": kind, "namespace": namespace, "access": access})
}

/// What makes a robot of the project `mine` that may do this with its repositories.
fn of_mine(name: &str, actions: &[&str]) -> Value {
    let access: Vec<(&str, &str)> = actions.iter().map(|action| ("repository", *action)).collect();
    json!({
        "name": name, "level": "project", "duration": -1,
        "permissions": [permission("project", "mine", &access)],
    })
}

/// What makes a robot of the system.
fn of_system(name: &str, permissions: &[Value]) -> Value {
    json!({"name": name, "level": "system", "duration": -1, "permissions": permissions})
}

/// Makes a robot; returns its path, and it.
async fn make(server: &Server, by: &Person, new: &Value) -> (String, Person) {
    let (path, made) = by.make("/robots", new).await;
    let (name, secret) = (made["name"].as_str().unwrap(), made["secret"].as_str().unwrap());
    (path, server.person(name, secret))
}

/// The statuses of pulling, pushing and deleting in `mine/app`.
async fn can(robot: &Person) -> [u16; 3] {
    let pull = robot.get(PULL).await.status().as_u16();
    let push = robot.send("POST", UPLOADS).send().await.unwrap().status().as_u16();
    let delete = robot.delete("/v2/mine/app/manifests/none").await.status().as_u16();
    [pull, push, delete]
}
