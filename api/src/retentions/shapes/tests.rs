use http::StatusCode;
use roadstead_model::ProjectId;
use serde_json::json;

use super::*;

fn rule(template: &str) -> Value {
    json!({
        "action": "retain", "template": template, "params": {template: 3},
        "tag_selectors": [{"kind": "doublestar", "decoration": "matches", "pattern": "**"}],
        "scope_selectors": {"repository": [
            {"kind": "doublestar", "decoration": "repoMatches", "pattern": "**"}]},
    })
}

fn policy(rules: &[Value], cron: &Value) -> RetentionPolicy {
    let policy = json!({
        "algorithm": "or", "rules": rules,
        "trigger": {"kind": "Schedule", "settings": {"cron": cron}, "references": null},
    });
    serde_json::from_value(policy).unwrap()
}

fn status(policy: RetentionPolicy) -> u16 {
    use axum::response::IntoResponse as _;
    policy.checked().map_or_else(
        |failure| failure.into_response().status().as_u16(),
        |_| StatusCode::OK.as_u16(),
    )
}

#[test]
fn a_policy_is_given_back_as_it_was_taken_with_its_rules_numbered() {
    let mut second = rule("always");
    second["disabled"] = true.into();
    second["params"] = json!({"deleteNeverPulled": true});
    let mut rules = vec![rule("latestPushedK"), second.clone()];
    rules[0]["id"] = 7.into();
    let text = policy(&rules, &json!("0 0 0 * * *")).checked().unwrap();
    let kept = Policy { id: 4, project: ProjectId(9), text };
    second["id"] = 1.into();
    let expected = json!({
        "id": 4, "algorithm": "or", "rules": [rule("latestPushedK"), second],
        "trigger": {"kind": "Schedule", "references": {}, "settings": {"cron": "0 0 0 * * *"}},
        "scope": {"level": "project", "ref": 9}, "delete_when_nothing_matches": false,
    });
    assert_eq!(serde_json::to_value(RetentionPolicy::from(kept)).unwrap(), expected);
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let never = json!("");
    assert_eq!(status(policy(&[], &never)), 200);
    assert_eq!(status(RetentionPolicy::default()), 200);
    let many: Vec<Value> = (0..16)
        .map(|number| {
            let mut one = rule("latestPushedK");
            one["params"] = json!({"latestPushedK": number});
            one
        })
        .collect();
    assert_eq!(status(policy(&many[..15], &never)), 200);
    assert_eq!(status(policy(&many, &never)), 400);
    let mut twin = rule("always");
    twin["id"] = 5.into();
    assert_eq!(status(policy(&[rule("always"), twin.clone()], &never)), 409);
    twin["disabled"] = true.into();
    assert_eq!(status(policy(&[rule("always"), twin], &never)), 200);
    assert_eq!(status(policy(&[rule("sometimes")], &never)), 400);
    for (cron, expected) in [
        (json!("0 0 0 * * *"), 200),
        (json!(null), 200),
        (json!("1 0 0 * * *"), 400),
        (json!("* * * * * *"), 400),
        (json!("0 0 * * *"), 400),
        (json!("0 0 0 30 2 *"), 400),
        (json!(5), 400),
    ] {
        assert_eq!(status(policy(&[], &cron)), expected, "{cron}");
    }
    let both = RetentionPolicy { algorithm: "and".to_owned(), ..RetentionPolicy::default() };
    assert_eq!(status(both), 400);
    let long = RetentionRule {
        params: [("x".to_owned(), "x".repeat(LONGEST_RULES).into())].into_iter().collect(),
        ..serde_json::from_value(rule("always")).unwrap()
    };
    assert_eq!(status(RetentionPolicy { rules: vec![long], ..RetentionPolicy::default() }), 400);
}
