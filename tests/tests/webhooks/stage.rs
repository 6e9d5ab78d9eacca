//! A server, a project, and somebody who is told.

use std::time::{Duration, Instant};

use roadstead_tests::cast::PASSWORD;
use roadstead_tests::http::Person;
use roadstead_tests::receiver::Receiver;
use roadstead_tests::{Server, Setup};
use serde_json::{Value, json};

pub const POLICIES: &str = "/projects/team/webhook/policies";

/// How long something may take, on a busy machine.
const LIMIT: Duration = Duration::from_mins(1);

/// A server that may tell this machine, and tries again soon.
pub fn setup() -> Setup {
    Setup::new()
        .env("ROADSTEAD_WEBHOOK_NETWORKS", "127.0.0.0/8")
        .env("ROADSTEAD_WEBHOOK_BACKOFF", "100ms")
}

/// A server with a private project `team` of alice's.
pub struct Stage {
    pub server: Server,
    pub alice: Person,
    pub receiver: Receiver,
}

impl Stage {
    pub async fn new() -> Self {
        Self::with(setup()).await
    }

    pub async fn with(setup: Setup) -> Self {
        let server = setup.start();
        server.admin().create_user("alice").await;
        let alice = server.person("alice", PASSWORD);
        alice.create_project("team", false).await;
        Self { server, alice, receiver: Receiver::start().await }
    }

    /// A target that is the receiver.
    pub fn target(&self) -> Value {
        json!({"type": "http", "address": self.receiver.url("/hook")})
    }

    /// Makes a policy for the receiver; returns its path.
    pub async fn policy(&self, events: &[&str]) -> String {
        self.policy_for(events, &[self.target()]).await
    }

    /// Makes a policy for these targets; returns its path.
    pub async fn policy_for(&self, events: &[&str], targets: &[Value]) -> String {
        let body = policy(&format!("p-{}", events.join("-")), events, targets);
        self.alice.make(POLICIES, &body).await.0
    }

    /// Tells a made-up event; returns the ids of the executions.
    pub async fn test(&self, policy: &str) -> Vec<i64> {
        let answer = self.alice.call("POST", &format!("{policy}/test"), &json!({})).await;
        assert_eq!(answer.status(), 202, "{policy}");
        let body: Value = answer.json().await.unwrap();
        body["execution_ids"].as_array().unwrap().iter().map(|id| id.as_i64().unwrap()).collect()
    }

    /// An execution that has ended, when it has.
    pub async fn ended(&self, policy: &str, id: i64) -> Value {
        let since = Instant::now();
        loop {
            let found = self.alice.read(&format!("{policy}/executions?q=id%3D{id}")).await;
            let found = found[0].clone();
            if found["end_time"].is_string() {
                return found;
            }
            assert!(since.elapsed() < LIMIT, "{found}: {}", self.log_of(policy, id).await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What is written of an execution.
    pub async fn log_of(&self, policy: &str, id: i64) -> String {
        let path = format!("/api/v2.0{policy}/executions/{id}/tasks/{id}/log");
        let answer = self.alice.get(&path).await;
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(answer.headers()["content-type"], "text/plain; charset=utf-8");
        answer.text().await.unwrap()
    }
}

/// The body of a policy that is in force.
pub fn policy(name: &str, events: &[&str], targets: &[Value]) -> Value {
    json!({"name": name, "enabled": true, "event_types": events, "targets": targets})
}
