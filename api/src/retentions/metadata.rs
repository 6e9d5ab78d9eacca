//! What rules can be made of.

use axum::Json;
use http::Method;
use roadstead_model::RetentionTemplate;
use serde::Serialize;
use utoipa::ToSchema;

use super::about;
use crate::guard::{Access, Routes};

/// Harbor's `RetentionMetadata`.
#[derive(Serialize, ToSchema)]
struct RetentionMetadata {
    templates: Vec<RetentionRuleMetadata>,
    scope_selectors: Vec<RetentionSelectorMetadata>,
    tag_selectors: Vec<RetentionSelectorMetadata>,
}

/// Harbor's `RetentionRuleMetadata`.
#[derive(Serialize, ToSchema)]
struct RetentionRuleMetadata {
    rule_template: &'static str,
    display_text: &'static str,
    action: &'static str,
    params: Vec<RetentionRuleParamMetadata>,
}

/// Harbor's `RetentionRuleParamMetadata`.
#[derive(Serialize, ToSchema)]
struct RetentionRuleParamMetadata {
    #[serde(rename = "type")]
    kind: &'static str,
    unit: &'static str,
    required: bool,
}

/// Harbor's `RetentionSelectorMetadata`.
#[derive(Serialize, ToSchema)]
struct RetentionSelectorMetadata {
    display_text: &'static str,
    kind: &'static str,
    decorations: [&'static str; 2],
}

pub(super) fn register(routes: &mut Routes) {
    let description = about("getRentenitionMetadata", "List what retention rules are made of");
    routes
        .add(&Method::GET, "/retentions/metadatas", Access::Login, metadata, description)
        .answers::<RetentionMetadata>();
}

/// The templates that Harbor offers, each with the unit of its number.
const TEMPLATES: [(RetentionTemplate, &str, Option<&str>); 5] = [
    (RetentionTemplate::LatestPushed, "the # artifacts that were pushed last", Some("COUNT")),
    (RetentionTemplate::LatestPulled, "the # artifacts that were pulled last", Some("COUNT")),
    (RetentionTemplate::DaysSincePush, "what was pushed within the last # days", Some("DAYS")),
    (RetentionTemplate::DaysSincePull, "what was pulled within the last # days", Some("DAYS")),
    (RetentionTemplate::Always, "always", None),
];

async fn metadata() -> Json<RetentionMetadata> {
    let template = |(template, display_text, unit): (RetentionTemplate, _, Option<_>)| {
        let params =
            unit.map(|unit| RetentionRuleParamMetadata { kind: "int", unit, required: true });
        RetentionRuleMetadata {
            rule_template: template.name(),
            display_text,
            action: "retain",
            params: params.into_iter().collect(),
        }
    };
    let selector = |display_text, decorations| RetentionSelectorMetadata {
        display_text,
        kind: "doublestar",
        decorations,
    };
    Json(RetentionMetadata {
        templates: TEMPLATES.into_iter().map(template).collect(),
        scope_selectors: vec![selector("Repositories", ["repoMatches", "repoExcludes"])],
        tag_selectors: vec![selector("Tags", ["matches", "excludes"])],
    })
}
