//! Nothing that one tenant calls theirs is told to another, anywhere.

use std::collections::HashMap;

use roadstead_tests::cast::{PASSWORD, in_project};
use roadstead_tests::http::Person;
use serde_json::json;

use crate::requests::{retention, rule, webhook};
use crate::samples::Samples;
use crate::{Route, routes, undelete};

/// What every name and text of the tenant contains.
const CANARY: &str = "canary";
/// The beginning of it, to search with.
const PART: &str = "canar";

/// A tenant with everything that can have a name; their own name is no secret, for people can be
/// found to be made members. Returns the project's id and ids of what is in it.
async fn tenant(samples: &Samples) -> (String, Vec<(&'static str, String)>) {
    let server = &samples.server;
    let admin = server.admin();
    admin.create_user("tenant").await;
    let tenant = server.person("tenant", PASSWORD);
    tenant.create_project("canary-project", false).await;
    tenant.push_image("canary-project/canary-repository", "canary-tag", b"canary-layer").await;
    tenant.start_upload("canary-project/canary-upload").await;
    let path = "/api/v2.0/projects/canary-project/repositories/canary-repository";
    let body = json!({"description": "canary-description"});
    assert_eq!(tenant.json("PUT", path, &body).await, 200);
    let robot = tenant.project_robot("canary-project", "canary-robot", "repository:pull").await;
    server.robot(&robot).get("/v2/canary-project/canary-repository/manifests/canary-tag").await;
    let rules = "/api/v2.0/projects/canary-project/immutabletagrules";
    let rule = tenant.create(rules, &rule("canary-rule")).await;
    let hooks = "/api/v2.0/projects/canary-project/webhook/policies";
    let hook = tenant.create(hooks, &webhook("canary-webhook")).await;
    let test = format!("{hooks}/{hook}/test");
    assert_eq!(tenant.json("POST", &test, &json!({})).await, 202);
    let pull = in_project("canary-project", "repository:pull");
    let (token, _) = tenant.personal_token("canary-token", &[pull]).await;
    let members = tenant.read_json("/api/v2.0/projects/canary-project/members").await;
    let number = tenant.read_json("/api/v2.0/projects/canary-project").await["project_id"].clone();
    let body = json!({"name": "canary-label", "scope": "p", "project_id": number});
    let label = tenant.create("/api/v2.0/labels", &body).await;
    let project = number.to_string();
    let body = retention(number.as_i64().expect("an id"), "canary-*");
    let policy = tenant.create("/api/v2.0/retentions", &body).await;
    let mut ids = vec![
        ("id", project.clone()),
        ("robot_id", robot.id.to_string()),
        ("immutable_rule_id", rule),
        ("label_id", label),
        ("webhook_policy_id", hook),
        ("retention_id", policy),
        ("token_id", token.to_string()),
        ("mid", members[0]["id"].to_string()),
        ("user_id", tenant.user_id().await.to_string()),
    ];
    let place = HashMap::from([("project_name", "canary-project".to_owned())]);
    for parameter in ["deleted_artifact_id", "deleted_tag_id", "deleted_repository_id"] {
        ids.push((parameter, undelete::make(parameter, &place, &tenant).await));
    }
    (project, ids)
}

/// Asks, and requires that the answer does not have the canary in it.
async fn assert_silent(name: &str, person: &Person, path: &str) {
    let answer = person.get(path).await;
    let headers = format!("{:?}", answer.headers());
    let text = format!("{headers} {}", answer.text().await.expect("text"));
    assert!(!text.contains(CANARY), "{path} tells {name}: {text}");
}

/// The paths of a route with our ids, with theirs, and with a search for what is theirs.
fn paths(samples: &Samples, route: &Route, ids: &[(&'static str, String)]) -> Vec<String> {
    let ours = samples.path(route);
    let mut theirs = samples.ours();
    for (parameter, id) in ids {
        theirs.ids.insert(parameter, id.clone());
    }
    let project = ids[0].1.clone();
    let mut paths = vec![theirs.path(route, &project), theirs.path(route, "ours")];
    let and = if ours.contains('?') { '&' } else { '?' };
    for query in
        ["page_size=100", "q=name%3D~canar", "q=resource%3D~canar", "name=canar", "scope=g"]
    {
        paths.push(format!("{ours}{and}{query}"));
    }
    paths.push(ours);
    paths
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_another_tenant_is_told_anywhere() {
    let samples = Samples::new().await;
    let (_, ids) = tenant(&samples).await;
    let server = &samples.server;
    server.admin().create_user("plain").await;
    let owner = server.person("project-admin", PASSWORD);
    let words = "repository:pull repository:list project:read log:list robot:list member:list";
    let robot = owner.project_robot("ours", "reader", words).await;
    let (_, token) = owner.personal_token("reader", &[in_project("ours", words)]).await;
    let callers = [
        ("nobody", server.nobody()),
        ("a user", server.person("plain", PASSWORD)),
        ("another project's administrator", owner),
        ("another project's robot", server.robot(&robot)),
        ("another person's token", server.person("project-admin", &token)),
    ];
    let mut asked = 0;
    for route in routes(server).await {
        if route.method != "GET" {
            continue;
        }
        for path in paths(&samples, &route, &ids) {
            for (name, person) in &callers {
                asked += 1;
                assert_silent(name, person, &path).await;
            }
        }
    }
    assert!(asked > 500, "{asked} questions");
    for (name, person) in &callers {
        for path in [
            format!("/api/v2.0/search?q={PART}"),
            format!("/api/v2.0/users/search?username={PART}"),
            format!("/api/v2.0/usergroups/search?groupname={PART}"),
            format!("/v2/_catalog?last={PART}"),
            "/v2/_catalog".to_owned(),
            "/v2/ours/app/tags/list".to_owned(),
        ] {
            assert_silent(name, person, &path).await;
        }
    }
    // What is asked for is there, for who may see it.
    let seen = server.person("tenant", PASSWORD).get(&format!("/api/v2.0/search?q={PART}")).await;
    assert!(seen.text().await.expect("text").contains("canary-repository"));
}
