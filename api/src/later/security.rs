//! What is known of vulnerabilities, and icons.

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use http::Method;
use roadstead_model::Action::{List, Read};
use roadstead_model::{Digest, Resource};
use roadstead_storage::tables::manifest;
use serde::Serialize;
use utoipa::ToSchema;

use super::shapes::VulnerabilityItem;
use super::{Answer, Operation, of_system};
use crate::Api;
use crate::failure::Failure;
use crate::guard::Access;
use crate::openapi::Description;

pub(super) const OPERATIONS: &[Operation] = &[
    of_system(
        (&Method::GET, "/security/summary"),
        ["getSecuritySummary", "Count what is known of vulnerabilities"],
        (Resource::SecurityHub, Read),
        Answer::SecuritySummary,
    ),
    of_system(
        (&Method::GET, "/security/vul"),
        ["ListVulnerabilities", "List the vulnerabilities that were found"],
        (Resource::SecurityHub, List),
        Answer::EmptyPage(Description::answers_list::<VulnerabilityItem>),
    ),
];

pub(super) const ICONS: &[Operation] = &[Operation {
    method: &Method::GET,
    path: "/icons/{digest}",
    id: "getIcon",
    summary: "Get an icon",
    access: Access::Anyone,
    answer: Answer::Icon,
}];

/// Harbor's `SecuritySummary`. Nothing was scanned, so nothing is known.
#[derive(Default, Serialize, ToSchema)]
pub(super) struct SecuritySummary {
    critical_cnt: i64,
    medium_cnt: i64,
    low_cnt: i64,
    total_vuls: i64,
    scanned_cnt: i64,
    total_artifact: i64,
    fixable_cnt: i64,
}

pub(super) async fn summary(api: &Api) -> Result<Response, Failure> {
    let total_artifact = manifest::count(&mut api.db.read().await?).await?;
    Ok(Json(SecuritySummary { total_artifact, ..Default::default() }).into_response())
}

pub(super) fn no_icon(digest: &str) -> Failure {
    match digest.parse::<Digest>() {
        Ok(_) => Failure::not_found(format!("icon {digest} not found")),
        Err(error) => Failure::bad_request(error.to_string()),
    }
}
