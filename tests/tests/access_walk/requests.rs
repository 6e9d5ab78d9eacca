//! From a route to a request: its path with ids, and a body that changes nothing.

use std::collections::HashMap;

use roadstead_tests::cast::in_project;
use serde_json::{Value, json};

use crate::Route;

/// A rule that makes tags immutable which no test pushes.
pub fn rule(pattern: &str) -> Value {
    json!({
        "action": "immutable",
        "template": "immutable_template",
        "tag_selectors": [{"kind": "doublestar", "decoration": "matches", "pattern": pattern}],
        "scope_selectors": {
            "repository": [{"kind": "doublestar", "decoration": "repoMatches", "pattern": "**"}],
        },
    })
}

/// A webhook that nobody is told by.
pub fn webhook(name: &str) -> Value {
    json!({
        "name": name, "enabled": false, "event_types": ["PUSH_ARTIFACT"],
        "targets": [{"type": "http", "address": "http://192.0.2.1/"}],
    })
}

/// A policy of retention that keeps everything whose tags match.
pub fn retention(project: i64, pattern: &str) -> Value {
    json!({
        "algorithm": "or",
        "rules": [{
            "action": "retain",
            "template": "always",
            "tag_selectors": [{"kind": "doublestar", "decoration": "matches", "pattern": pattern}],
        }],
        "scope": {"level": "project", "ref": project},
    })
}

/// A body that is refused after the permission was checked, or that changes nothing.
pub fn body(route: &Route, path: &str) -> Value {
    let robot = in_project("ours", "repository:pull");
    match (route.method.as_str(), route.path.trim_start_matches("/api/v2.0")) {
        // Without a name, but in a project, so that the permission there is asked for.
        ("POST", "/robots") => {
            json!({"name": "", "level": "project", "duration": -1, "permissions": [robot]})
        }
        ("PUT", "/projects/{project_name_or_id}/metadatas/{meta_name}") => {
            let name = path.rsplit('/').next().unwrap_or_default();
            json!({name: "true"})
        }
        ("PUT", "/projects/{project_name_or_id}/immutabletagrules/{immutable_rule_id}") => {
            let id = path.rsplit('/').next().and_then(|id| id.parse().ok());
            let mut rule = rule("never");
            rule["id"] = id.map_or(Value::Null, |id: i64| id.into());
            rule
        }
        // In no project, so that the permission there is asked for.
        ("POST", "/retentions") => json!({"scope": {"level": "project", "ref": 0}}),
        // Without a name, but of all projects, so that the permission there is asked for.
        ("POST", "/labels") => json!({"name": "", "scope": "g"}),
        ("PUT", "/projects/{project_name_or_id}/undelete") => json!({"days": null}),
        ("PUT", "/projects/{project_name_or_id}/members/{mid}") => json!({"role_id": 3}),
        ("PUT", "/projects/{project_name_or_id}/webhook/policies/{webhook_policy_id}") => {
            webhook("changed")
        }
        _ => json!({}),
    }
}

/// A path without braces; a parameter without a sample ends the test.
pub fn filled(route: &Route, ids: &HashMap<&'static str, String>) -> String {
    let mut path = route.path.clone();
    for parameter in route.parameters() {
        // What is called the same is the id of another thing there.
        let of_policy = parameter == "id" && route.path.contains("/retentions/");
        let id = ids.get(if of_policy { "retention_id" } else { parameter });
        let id = id.unwrap_or_else(|| panic!("{}: {{{parameter}}} needs a sample", route.path));
        path = path.replace(&format!("{{{parameter}}}"), id);
    }
    for (at, name) in route.query.iter().enumerate() {
        let value = match name.as_str() {
            "project_name" => "ours",
            "from" => "ours/nothing:v1",
            "q" => "app",
            "username" => "target",
            "groupname" => "group",
            "policy_id" => &ids["webhook_policy_id"],
            _ => panic!("{}: the query parameter {name} needs a sample", route.path),
        };
        path.push(if at == 0 { '?' } else { '&' });
        path.extend([name, "=", value]);
    }
    path
}
