use serde_json::{Value, json};

use super::*;
use crate::retention::{RetentionError, RetentionRule};

const NOW: Timestamp = Timestamp(1_000 * 86_400_000_000);

fn days_ago(days: i64) -> Timestamp {
    Timestamp(NOW.0 - days * 86_400_000_000)
}

/// An artifact with tags, the days since its push, and since its pull.
struct Artifact(Vec<String>, i64, Option<i64>);

fn artifact(tags: &str, pushed: i64, pulled: Option<i64>) -> Artifact {
    Artifact(tags.split_whitespace().map(str::to_owned).collect(), pushed, pulled)
}

fn written(template: &str, params: Value, tags: Value) -> RetentionRule {
    let mut rule = json!({
        "action": "retain", "template": template,
        "scope_selectors": {"repository": [
            {"kind": "doublestar", "decoration": "repoMatches", "pattern": "**"}]},
    });
    rule["params"] = params;
    rule["tag_selectors"] = tags;
    serde_json::from_value(rule).unwrap()
}

fn tags(decoration: &str, pattern: &str, extras: &str) -> Value {
    json!({"kind": "doublestar", "decoration": decoration, "pattern": pattern, "extras": extras})
}

fn all() -> Value {
    json!([tags("matches", "**", "{\"untagged\":true}")])
}

fn judged(rules: &[RetentionRule], artifacts: &[Artifact], sure: bool) -> RetentionJudgement {
    let rules: Vec<Rule> = rules.iter().map(|rule| rule.read().unwrap()).collect();
    let candidates: Vec<RetentionCandidate<'_>> = (0..)
        .zip(artifacts)
        .map(|(id, Artifact(tags, pushed, pulled))| RetentionCandidate {
            id,
            tags,
            pushed_at: days_ago(*pushed),
            pulled_at: pulled.map(days_ago),
        })
        .collect();
    judge_retention(&rules.iter().collect::<Vec<_>>(), &candidates, NOW, sure)
}

/// Which artifacts stay, by their places.
fn kept(rules: &[RetentionRule], artifacts: &[Artifact]) -> Vec<usize> {
    let judgement = judged(rules, artifacts, false);
    (0..artifacts.len()).filter(|at| judgement.retained[*at]).collect()
}

fn four() -> [Artifact; 4] {
    [
        artifact("a", 40, Some(1)),
        artifact("b", 30, Some(20)),
        artifact("c", 20, None),
        artifact("d", 1, None),
    ]
}

#[test]
fn each_template_keeps_what_it_says() {
    for (template, number, expected) in [
        ("latestPushedK", 2, vec![2, 3]),
        ("latestPulledN", 2, vec![0, 3]),
        // Of two that are equally old the one with the greater id is newer.
        ("latestActiveK", 3, vec![0, 2, 3]),
        ("nDaysSinceLastPush", 30, vec![1, 2, 3]),
        ("lastXDays", 20, vec![2, 3]),
        ("nDaysSinceLastPull", 1, vec![0, 3]),
        ("nDaysSinceLastPull", 19, vec![0, 3]),
        ("nDaysSinceLastPull", 20, vec![0, 1, 2, 3]),
        ("always", 0, vec![0, 1, 2, 3]),
        ("latestPushedK", 0, vec![]),
    ] {
        let rule = written(template, json!({template: number}), all());
        assert_eq!(kept(&[rule], &four()), expected, "{template} {number}");
    }
}

#[test]
fn what_was_never_pulled_counts_as_pulled_when_it_was_pushed_unless_the_rule_says_otherwise() {
    let fresh = [artifact("fresh", 0, None), artifact("used", 50, Some(2))];
    let rule = |template: &str, params| written(template, params, all());
    let mild = rule("nDaysSinceLastPull", json!({"nDaysSinceLastPull": 7}));
    assert_eq!(kept(&[mild], &fresh), [0, 1]);
    let strict = json!({"nDaysSinceLastPull": 7, "deleteNeverPulled": true});
    assert_eq!(kept(&[rule("nDaysSinceLastPull", strict)], &fresh), [1]);
    let strict = json!({"latestPulledN": 1, "deleteNeverPulled": true});
    assert_eq!(kept(&[rule("latestPulledN", strict)], &fresh), [1]);
    assert_eq!(kept(&[rule("latestPulledN", json!({"latestPulledN": 1}))], &fresh), [0]);
    // Only true asks for it.
    let loose = json!({"nDaysSinceLastPull": 7, "deleteNeverPulled": "true"});
    assert_eq!(kept(&[rule("nDaysSinceLastPull", loose)], &fresh), [0, 1]);
}

#[test]
fn rules_that_select_nothing_delete_nothing_unless_that_is_confirmed() {
    let misspelt = written("latestPushedK", json!({}), json!([tags("matches", "relaese-*", "{}")]));
    let artifacts = [artifact("release-1", 1, None), artifact("", 2, None)];
    let found = judged(std::slice::from_ref(&misspelt), &artifacts, false);
    assert_eq!(found.reason, RetentionReason::NothingSelected);
    assert_eq!(found.retained, [true, true]);
    let found = judged(std::slice::from_ref(&misspelt), &artifacts, true);
    assert_eq!((found.reason, found.retained), (RetentionReason::Rules, vec![false, false]));
    // One that selects something and keeps none of it means it.
    let none = written("latestPushedK", json!({"latestPushedK": 0}), all());
    assert_eq!(judged(&[misspelt, none], &artifacts, false).retained, [false, false]);
}

#[test]
fn a_rule_without_selectors_of_tags_says_nothing() {
    let silent = written("latestPushedK", json!({"latestPushedK": 0}), json!([]));
    let found = judged(std::slice::from_ref(&silent), &four(), true);
    assert_eq!(found.reason, RetentionReason::NothingEvaluated);
    assert_eq!(found.retained, [true; 4]);
    let one = written("latestPushedK", json!({"latestPushedK": 1}), all());
    assert_eq!(kept(&[silent, one], &four()), [3]);
}

#[test]
fn what_one_rule_keeps_stays() {
    let pushed = written("latestPushedK", json!({"latestPushedK": 1}), all());
    let named = written("always", json!({}), json!([tags("matches", "{a,b}", "{}")]));
    assert_eq!(kept(&[pushed, named], &four()), [0, 1, 3]);
}

#[test]
fn one_tag_is_enough_for_a_selector_and_all_selectors_must_agree() {
    let artifacts = [
        artifact("v1 latest", 1, None),
        artifact("v1", 1, None),
        artifact("latest", 1, None),
        artifact("", 1, None),
    ];
    let by = |selectors| written("always", json!({}), selectors);
    for (selectors, expected) in [
        (json!([tags("matches", "v*", "{\"untagged\":false}")]), vec![0, 1]),
        (json!([tags("matches", "v*", "")]), vec![0, 1, 3]),
        (json!([tags("matches", "v*", "{}")]), vec![0, 1]),
        (json!([tags("matches", "v*", "{\"untagged\":true}")]), vec![0, 1, 3]),
        (json!([tags("excludes", "v*", "")]), vec![0, 2, 3]),
        (json!([tags("excludes", "v*", "{\"untagged\":false}")]), vec![0, 2, 3]),
        (json!([tags("excludes", "v*", "{\"untagged\":true}")]), vec![0, 2]),
        (json!([tags("matches", "", "{}")]), vec![0, 1, 2]),
        (json!([tags("matches", "v*", "{}"), tags("excludes", "v*", "{}")]), vec![0]),
        (json!([tags("matches", "v*", "no JSON")]), vec![0, 1, 3]),
    ] {
        assert_eq!(kept(&[by(selectors.clone())], &artifacts), expected, "{selectors}");
    }
}

#[test]
fn numbers_that_cannot_be_read_are_the_defaults() {
    let artifacts: Vec<Artifact> = (0..40).map(|days| artifact("t", days, None)).collect();
    for (template, value, expected) in [
        ("latestPushedK", json!("3"), 3),
        ("latestPushedK", json!(3.9), 3),
        ("latestPushedK", json!(-1), 10),
        ("latestPushedK", json!("many"), 10),
        ("latestPushedK", json!(null), 10),
        ("latestPushedK", json!([3]), 10),
        ("latestPulledN", json!({}), 10),
        ("nDaysSinceLastPush", json!(-2), 31),
        ("nDaysSinceLastPush", json!(20_190_904), 40),
        ("nDaysSinceLastPull", json!("9223372036854775807"), 40),
    ] {
        let rule = written(template, json!({template: value.clone()}), all());
        assert_eq!(kept(&[rule], &artifacts).len(), expected, "{template} {value}");
    }
    let missing = written("latestPulledN", json!({}), all());
    assert_eq!(kept(&[missing], &artifacts).len(), 10);
}

#[test]
fn a_rule_covers_the_repositories_that_all_its_selectors_select() {
    let scope = |selectors: Value| {
        let mut rule = written("always", json!({}), all());
        rule.scope_selectors = serde_json::from_value(json!({"repository": selectors})).unwrap();
        rule.read().unwrap()
    };
    let rule =
        scope(json!([tags("repoMatches", "app/**", ""), tags("repoExcludes", "**/old", "")]));
    assert!(rule.covers("app/web"));
    assert!(!rule.covers("app/old") && !rule.covers("app") && !rule.covers("lib"));
    assert!(scope(json!([])).covers("anything/at/all"));
}

#[test]
fn what_is_no_rule_is_refused() {
    let good = written("always", json!({}), all());
    let mut bad = good.clone();
    bad.template = "nothing".to_owned();
    assert_eq!(bad.read().unwrap_err(), RetentionError::Template);
    bad = RetentionRule { action: "delete".to_owned(), ..good.clone() };
    assert_eq!(bad.read().unwrap_err(), RetentionError::Action);
    bad = good.clone();
    let selectors = bad.scope_selectors.remove("repository").unwrap();
    bad.scope_selectors.insert("repositories".to_owned(), selectors);
    assert_eq!(bad.read().unwrap_err(), RetentionError::Scope);
    for (at, value) in [("kind", "label"), ("decoration", "repoMatches"), ("pattern", "[")] {
        let mut selector = tags("matches", "**", "");
        selector[at] = value.into();
        assert!(written("always", json!({}), json!([selector])).read().is_err(), "{at} {value}");
    }
}
