//! When robots and their secrets end, and what changes their names.

use roadstead_tests::Server;
use roadstead_tests::api::timeless;
use roadstead_tests::http::{Person, error_code};
use serde_json::{Value, json};

use crate::{PULL, make, of_mine, with_project};

/// The ways in of a robot: Basic, a registry token and a refresh token.
struct Ways {
    robot: Person,
    bearer: String,
    refresh: String,
}

impl Ways {
    async fn of(robot: &Person) -> Self {
        let (bearer, body) = robot.token("repository:mine/app:pull").await;
        let refresh = body["refresh_token"].as_str().unwrap().to_owned();
        Self { robot: robot.clone(), bearer, refresh }
    }

    async fn open(&self, server: &Server) -> [bool; 3] {
        let refreshed = server.refresh(&self.refresh, "repository:mine/app:pull").await;
        [
            self.robot.get(PULL).await.status() == 200,
            server.with_token(&self.bearer, "GET", PULL).await == 200,
            refreshed.status() == 200,
        ]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_robot_that_ends_does_so_at_once_on_every_way() {
    let (server, alice) = with_project().await;
    let (path, robot) = make(&server, &alice, &of_mine("ci", &["pull"])).await;
    let ways = Ways::of(&robot).await;
    assert_eq!(ways.open(&server).await, [true; 3]);
    let mut change = alice.read(&path).await;
    change["disable"] = json!(true);
    alice.change("PUT", &path, &change).await;
    assert_eq!(ways.open(&server).await, [false; 3]);
    change["disable"] = json!(false);
    alice.change("PUT", &path, &change).await;
    assert_eq!(ways.open(&server).await, [true; 3]);
    // Time ends it.
    server.sql("UPDATE robot SET expires_at = 1").await;
    assert_eq!(ways.open(&server).await, [false; 3]);
    server.sql("UPDATE robot SET expires_at = NULL").await;
    assert_eq!(ways.open(&server).await, [true; 3]);
    // So does another secret, and what it may do less it does less.
    let patched: Value = alice.call("PATCH", &path, &json!({})).await.json().await.unwrap();
    assert_eq!(ways.open(&server).await, [false; 3]);
    let robot = server.person("robot$mine+ci", patched["secret"].as_str().unwrap());
    let ways = Ways::of(&robot).await;
    change["permissions"] = of_mine("ci", &["list"])["permissions"].clone();
    alice.change("PUT", &path, &change).await;
    assert_eq!(ways.open(&server).await, [false, false, true]);
    change["permissions"] = of_mine("ci", &["pull"])["permissions"].clone();
    alice.change("PUT", &path, &change).await;
    assert_eq!(ways.open(&server).await, [true; 3]);
    alice.change("DELETE", &path, &json!({})).await;
    assert_eq!(ways.open(&server).await, [false; 3]);
    // Another robot of the same name has nothing of it.
    make(&server, &alice, &of_mine("ci", &["pull"])).await;
    assert_eq!(ways.open(&server).await, [false; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_secret_takes_over_without_a_gap() {
    let (server, alice) = with_project().await;
    let (path, robot) = make(&server, &alice, &of_mine("ci", &["pull"])).await;
    let old = Ways::of(&robot).await;
    let secrets = format!("{path}/secrets");
    let listed = timeless(alice.read(&secrets).await);
    let first = listed[0]["id"].as_i64().unwrap();
    assert_eq!(
        listed,
        json!([{"id": first, "creation_time": "T", "last_used_time": "T"}]),
        "used a moment ago"
    );
    let (second, made) = alice.make(&secrets, &json!({})).await;
    let secret = made["secret"].as_str().unwrap();
    assert_eq!(second, format!("{secrets}/{}", made["id"]));
    let new = Ways::of(&server.person("robot$mine+ci", secret)).await;
    assert_eq!((old.open(&server).await, new.open(&server).await), ([true; 3], [true; 3]));
    assert_eq!(alice.status("POST", &secrets, &json!({})).await, 409, "two are enough");
    alice.change("DELETE", &format!("{secrets}/{first}"), &json!({})).await;
    assert_eq!((old.open(&server).await, new.open(&server).await), ([false; 3], [true; 3]));
    let last = alice.call("DELETE", &second, &json!({})).await;
    assert_eq!(last.status(), 409, "the last one stays");
    assert_eq!(error_code(last).await, "CONFLICT");
    assert_eq!(alice.status("DELETE", &format!("{secrets}/{first}"), &json!({})).await, 404);
    // A secret of another robot is not one of this.
    let (other, _) = make(&server, &alice, &of_mine("other", &["pull"])).await;
    let theirs = alice.read(&format!("{other}/secrets")).await[0]["id"].clone();
    assert_eq!(alice.status("DELETE", &format!("{secrets}/{theirs}"), &json!({})).await, 404);
    assert_eq!(new.open(&server).await, [true; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_prefix_renames_every_robot_at_once() {
    let (server, alice) = with_project().await;
    let (path, made) = alice.make("/robots", &of_mine("ci", &["pull"])).await;
    let secret = made["secret"].as_str().unwrap();
    let before = server.person("robot$mine+ci", secret);
    let (bearer, _) = before.token("repository:mine/app:pull").await;
    server.admin().configure(json!({"robot_name_prefix": "bot-"})).await;
    let after = server.person("bot-mine+ci", secret);
    assert_eq!(alice.read(&path).await["name"], "bot-mine+ci");
    assert_eq!(
        (before.get(PULL).await.status(), after.get(PULL).await.status()),
        (401.try_into().unwrap(), 200.try_into().unwrap())
    );
    assert_eq!(server.with_token(&bearer, "GET", PULL).await, 200);
    let new = json!({
        "username": "bot-x", "email": "x@example.com", "realname": "X", "password": "Password-1",
    });
    assert_eq!(server.admin().status("POST", "/users", &new).await, 400, "a name of robots");
}
