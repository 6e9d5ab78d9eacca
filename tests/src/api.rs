//! Steps that tests of the API share.

use reqwest::Response;
use serde_json::{Value, json};

use crate::http::{Person, header};
use crate::server::Server;

/// Where the API lives.
pub const API: &str = "/api/v2.0";

impl Person {
    /// Sends JSON to a path of the API.
    pub async fn call(&self, method: &str, path: &str, body: &Value) -> Response {
        self.send(method, &format!("{API}{path}")).json(body).send().await.expect("an answer")
    }

    /// The status of what [`Self::call`] answers.
    pub async fn status(&self, method: &str, path: &str, body: &Value) -> u16 {
        self.call(method, path, body).await.status().as_u16()
    }

    /// GET of a path of the API, which must succeed.
    pub async fn read(&self, path: &str) -> Value {
        let answer = self.get(&format!("{API}{path}")).await;
        assert_eq!(answer.status(), 200, "GET {path}");
        answer.json().await.expect("JSON")
    }

    /// Makes something, which must succeed; returns its path in the API and the answer's body,
    /// null when that is empty.
    pub async fn make(&self, path: &str, body: &Value) -> (String, Value) {
        let answer = self.call("POST", path, body).await;
        let (status, location) = (answer.status(), answer.headers().get("location").cloned());
        let text = answer.text().await.expect("a body");
        assert_eq!(status, 201, "POST {path} {body}: {text}");
        let location = location.expect("a location").to_str().expect("text").to_owned();
        let made = location.strip_prefix(API).expect("a path of the API").to_owned();
        (made, if text.is_empty() { Value::Null } else { text.parse().expect("JSON") })
    }

    /// Changes something, which must succeed.
    pub async fn change(&self, method: &str, path: &str, body: &Value) {
        let answer = self.call(method, path, body).await;
        let status = answer.status();
        assert_eq!(status, 200, "{method} {path} {body}: {}", answer.text().await.unwrap());
    }

    /// Sets keys of the configuration.
    pub async fn configure(&self, changes: Value) {
        self.change("PUT", "/configurations", &changes).await;
    }

    /// The id of the account.
    pub async fn user_id(&self) -> i64 {
        self.read("/users/current").await["user_id"].as_i64().expect("an id")
    }

    /// A registry token for a scope, and the token service's whole answer.
    pub async fn token(&self, scope: &str) -> (String, Value) {
        let query = "service=harbor-registry&offline_token=true&client_id=test";
        let answer = self.get(&format!("/service/token?{query}&scope={scope}")).await;
        assert_eq!(answer.status(), 200, "a token for {scope}");
        let body: Value = answer.json().await.expect("JSON");
        (body["token"].as_str().expect("a token").to_owned(), body)
    }
}

impl Server {
    /// The status that a registry token gets.
    pub async fn with_token(&self, token: &str, method: &str, path: &str) -> u16 {
        let request = self.nobody().send(method, path).bearer_auth(token);
        request.send().await.expect("an answer").status().as_u16()
    }

    /// What a refresh token gets.
    pub async fn refresh(&self, refresh_token: &str, scope: &str) -> Response {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token),
            ("service", "harbor-registry"),
            ("client_id", "test"),
            ("scope", scope),
        ];
        self.nobody().send("POST", "/service/token").form(&form).send().await.expect("an answer")
    }

    /// Runs a statement on the server's database while it runs, to make time pass for it.
    pub async fn sql(&self, statement: &str) {
        let database = self.database().await;
        database.execute(statement, &[]).await;
        database.close().await;
        let remembered = ["principal", "robot", "personal_token", "user_account", "secret"];
        if remembered.iter().any(|table| statement.starts_with(&format!("UPDATE {table} "))) {
            // Behind its back: the server believes for so long what it remembers.
            tokio::time::sleep(std::time::Duration::from_millis(3100)).await;
        }
    }

    /// Logs a browser in.
    pub async fn log_in(&self, name: &str, password: &str) -> Browser {
        let form = [("principal", name), ("password", password)];
        let answer = self.nobody().send("POST", "/c/login").form(&form).send().await.unwrap();
        assert_eq!(answer.status(), 200, "logging {name} in");
        let cookie = header(&answer, "set-cookie");
        let cookie = cookie.split(';').next().expect("a cookie").to_owned();
        let csrf = header(&answer, "x-harbor-csrf-token");
        Browser { person: self.nobody(), cookie, csrf }
    }
}

/// A browser that has logged in.
#[derive(Clone, Debug)]
pub struct Browser {
    person: Person,
    /// `name=value`.
    pub cookie: String,
    /// What requests that change something carry.
    pub csrf: String,
}

impl Browser {
    /// A request without a body and without the token against forged requests.
    pub async fn plain(&self, method: &str, path: &str) -> Response {
        let request = self.person.send(method, path).header("cookie", &self.cookie);
        request.send().await.expect("an answer")
    }

    /// A request with JSON and the token against forged requests.
    pub async fn call(&self, method: &str, path: &str, body: &Value) -> Response {
        let request = self.person.send(method, &format!("{API}{path}")).json(body);
        let request =
            request.header("cookie", &self.cookie).header("x-harbor-csrf-token", &self.csrf);
        request.send().await.expect("an answer")
    }

    /// Whether the session still stands for somebody.
    pub async fn is_logged_in(&self) -> bool {
        match self.plain("GET", &format!("{API}/users/current")).await.status().as_u16() {
            200 => true,
            401 => false,
            other => panic!("the session is answered {other}"),
        }
    }
}

/// Replaces every time in an answer, after checking that it is written as Harbor writes it.
pub fn timeless(mut value: Value) -> Value {
    fn replace(value: &mut Value) {
        match value {
            Value::Object(members) => {
                for (key, member) in members.iter_mut() {
                    match member {
                        Value::String(text) if key.ends_with("_time") => {
                            let form = text.len() == 24 && text.ends_with('Z');
                            assert!(form && text.starts_with("20"), "{key}: {text}");
                            *member = json!("T");
                        }
                        other => replace(other),
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(replace),
            _ => {}
        }
    }
    replace(&mut value);
    value
}
