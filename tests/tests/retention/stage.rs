//! A server whose collection leaves things alone, policies, and what came of their executions.

use std::time::{Duration, Instant};

use roadstead_tests::api::API;
use roadstead_tests::http::Person;
use roadstead_tests::{Server, Setup};
use serde_json::{Value, json};

/// How long something may take that happens by itself.
const PATIENCE: Duration = Duration::from_mins(5);

/// A server that collects only when it is asked to.
pub fn setup() -> Setup {
    Setup::new().env("ROADSTEAD_JOB_INTERVAL", "1h")
}

pub async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let since = Instant::now();
    while !so().await {
        assert!(since.elapsed() < PATIENCE, "it never came to be that {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A selector of tags; those without a tag are selected as `untagged` says.
pub fn tags(decoration: &str, pattern: &str, untagged: bool) -> Value {
    let extras = json!({"untagged": untagged}).to_string();
    json!({"kind": "doublestar", "decoration": decoration, "pattern": pattern, "extras": extras})
}

pub fn repositories(decoration: &str, pattern: &str) -> Value {
    json!({"kind": "doublestar", "decoration": decoration, "pattern": pattern})
}

/// A rule about all repositories.
#[expect(clippy::needless_pass_by_value, reason = "tests write JSON in place")]
pub fn rule(template: &str, params: Value, selector: Value) -> Value {
    json!({
        "action": "retain", "template": template, "params": params, "tag_selectors": [selector],
        "scope_selectors": {"repository": [repositories("repoMatches", "**")]},
    })
}

/// One that keeps the artifacts which were pushed last, tagged or not.
pub fn latest(count: i64) -> Value {
    rule("latestPushedK", json!({"latestPushedK": count}), tags("matches", "**", true))
}

pub fn policy(project: i64, rules: &[Value]) -> Value {
    json!({
        "algorithm": "or", "rules": rules,
        "trigger": {"kind": "Schedule", "settings": {"cron": ""}, "references": {}},
        "scope": {"level": "project", "ref": project},
    })
}

pub async fn project_id(person: &Person, name: &str) -> i64 {
    person.read(&format!("/projects/{name}")).await["project_id"].as_i64().expect("an id")
}

/// Makes the policy of a project; returns its path.
pub async fn make(person: &Person, project: &str, rules: &[Value]) -> String {
    let id = project_id(person, project).await;
    person.make("/retentions", &policy(id, rules)).await.0
}

/// The execution of a policy with this id, once it has ended.
pub async fn ended(person: &Person, policy: &str, execution: i64) -> Value {
    let mut found = Value::Null;
    until("the execution ended", async || {
        let all = person.read(&format!("{policy}/executions?page_size=100")).await;
        let of = |one: &&Value| one["id"].as_i64() == Some(execution);
        found = all.as_array().unwrap().iter().find(of).expect("the execution").clone();
        !["Pending", "Running"].contains(&found["status"].as_str().unwrap())
    })
    .await;
    found
}

pub fn last(path: &str) -> i64 {
    path.rsplit('/').next().and_then(|id| id.parse().ok()).expect("an id")
}

/// Executes a policy, which must succeed; returns the path of the execution.
pub async fn execute(person: &Person, policy: &str, body: Value) -> String {
    let (path, _) = person.make(&format!("{policy}/executions"), &body).await;
    let found = ended(person, policy, last(&path)).await;
    assert_eq!(found["status"], "Success", "{found}");
    path
}

/// The task of an execution about a repository, and its log.
pub async fn task(person: &Person, execution: &str, repository: &str) -> (Value, String) {
    let all = person.read(&format!("{execution}/tasks?page_size=0")).await;
    let of = |one: &&Value| one["repository"] == repository;
    let found = all.as_array().unwrap().iter().find(of).expect("the task").clone();
    let log = person.get(&format!("{API}{execution}/tasks/{}", found["id"])).await;
    assert_eq!(log.status(), 200);
    (found, log.text().await.unwrap())
}

/// What the log says of what has these tags.
pub fn verdict<'l>(log: &'l str, tags: &str) -> &'l str {
    let cells = |line: &'l str| line.split('|').map(str::trim).collect::<Vec<_>>();
    let row = log.lines().map(cells).find(|cells| cells.len() == 8 && cells[1] == tags);
    row.unwrap_or_else(|| panic!("{tags:?} is not in\n{log}"))[7]
}

/// The tags of a repository, in order; empty when it has no content any more.
pub async fn tags_of(person: &Person, repository: &str) -> String {
    let answer = person.get(&format!("/v2/{repository}/tags/list")).await;
    let body: Value = answer.json().await.unwrap();
    let names = body["tags"].as_array().cloned().unwrap_or_default();
    names.iter().map(|name| name.as_str().unwrap()).collect::<Vec<_>>().join(" ")
}

/// Makes what has this tag so many days older, as if it and its tags had been pushed then.
pub async fn age(server: &Server, tag: &str, days: i64) {
    let back = days * 86_400_000_000;
    server
        .sql(&format!(
            "UPDATE manifest SET created_at = created_at - {back}
                 WHERE id IN (SELECT manifest_id FROM tag WHERE name = '{tag}');
             UPDATE tag SET updated_at = updated_at - {back} WHERE name = '{tag}';"
        ))
        .await;
}
