//! Making those who act in a test: members, robots, personal tokens, sessions of browsers.

use serde_json::{Value, json};

use crate::http::{Person, header};
use crate::server::Server;

/// The password of every user that [`Person::create_user`] makes.
pub const PASSWORD: &str = "Password-1";

/// Harbor's roles in projects, the strongest first.
pub const ROLES: [(&str, i64); 5] =
    [("project-admin", 1), ("maintainer", 4), ("developer", 2), ("guest", 3), ("limited-guest", 5)];

/// A robot that was made.
#[derive(Clone, Debug)]
pub struct Robot {
    /// Its id.
    pub id: i64,
    /// The name that it logs in with.
    pub name: String,
    /// Its secret.
    pub secret: String,
}

impl Server {
    /// Talks to the server as a robot.
    pub fn robot(&self, robot: &Robot) -> Person {
        self.person(&robot.name, &robot.secret)
    }
}

/// A list of permissions from words like `repository:pull`, separated by spaces.
pub fn access(words: &str) -> Value {
    let pairs = words.split_whitespace().map(|word| word.split_once(':').expect("a permission"));
    pairs.map(|(resource, action)| json!({"resource": resource, "action": action})).collect()
}

/// What robots and personal tokens are allowed in a project (`*`: in all of them).
pub fn in_project(project: &str, words: &str) -> Value {
    json!({"kind": "project", "namespace": project, "access": access(words)})
}

/// What robots and personal tokens are allowed on the system.
pub fn on_system(words: &str) -> Value {
    json!({"kind": "system", "namespace": "/", "access": access(words)})
}

impl Person {
    /// POSTs JSON, which must be answered 201, and returns the last part of the location.
    #[track_caller]
    pub fn create(&self, path: &str, body: &Value) -> impl Future<Output = String> {
        let place = std::panic::Location::caller();
        let request = self.send("POST", path).json(body);
        async move {
            let answer = request.send().await.expect("an answer");
            let (status, url) = (answer.status(), answer.url().clone());
            let location =
                answer.headers().contains_key("location").then(|| header(&answer, "location"));
            let text = answer.text().await.expect("text");
            assert_eq!(status, 201, "POST {url} at {place}: {text}");
            let location = location.expect("a location");
            location.rsplit('/').next().expect("an id").to_owned()
        }
    }

    /// Gives somebody a role in a project and returns the membership's id. With a pattern, only
    /// for the repositories that match.
    pub async fn add_member(&self, project: &str, name: &str, role: i64, pattern: &str) -> String {
        let mut body = json!({"role_id": role, "member_user": {"username": name}});
        if !pattern.is_empty() {
            body["repository_pattern"] = pattern.into();
        }
        self.create(&format!("/api/v2.0/projects/{project}/members"), &body).await
    }

    /// Makes a robot of one project, with permissions like `repository:pull`.
    pub async fn project_robot(&self, project: &str, name: &str, words: &str) -> Robot {
        self.robot_with("project", name, &[in_project(project, words)]).await
    }

    /// Makes a robot with these permissions, which lives for ever.
    pub async fn robot_with(&self, level: &str, name: &str, permissions: &[Value]) -> Robot {
        let body =
            json!({"name": name, "level": level, "duration": -1, "permissions": permissions});
        let answer = self.send("POST", "/api/v2.0/robots").json(&body).send().await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status(), 201, "making robot {name}");
        let made: Value = answer.json().await.expect("JSON");
        Robot {
            id: made["id"].as_i64().expect("an id"),
            name: made["name"].as_str().expect("a name").to_owned(),
            secret: made["secret"].as_str().expect("a secret").to_owned(),
        }
    }

    /// Makes a personal token of the person; returns its id and its secret.
    pub async fn personal_token(&self, name: &str, permissions: &[Value]) -> (i64, String) {
        let body = json!({"name": name, "permissions": permissions});
        let answer = self.send("POST", "/api/v2.0/users/current/tokens").json(&body).send().await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status(), 201, "making token {name}");
        let made: Value = answer.json().await.expect("JSON");
        let secret = made["secret"].as_str().expect("a secret").to_owned();
        (made["id"].as_i64().expect("an id"), secret)
    }
}
