//! What can be read of an artifact beside its manifest.

use std::collections::HashMap;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::Method;
use http::header::CONTENT_TYPE;
use roadstead_model::{Action, RepositoryName, Resource};

use super::dress::additions;
use super::{ONE, named, reference_in};
use crate::Api;
use crate::failure::Failure;
use crate::guard::{Access, Routes, permission};
use crate::openapi::Description;

/// Harbor's names.
pub(crate) const NAMES: [&str; 7] =
    ["build_history", "values.yaml", "readme.md", "dependencies", "sbom", "license", "files"];

pub(super) fn register(routes: &mut Routes) {
    let access = Access::Repository(permission(Resource::ArtifactAddition, Action::Read));
    let path = format!("{ONE}/additions/{{addition}}");
    let summary = "Read an image's history, a chart's documents, or a bill of materials";
    let description = Description::new("getAddition", "artifact", summary);
    routes
        .add(&Method::GET, &path, access, get, description)
        .answers_bytes(&["application/json", "text/plain", "text/markdown"])
        .fails(&[422]);
}

async fn get(
    State(api): State<Api>,
    Extension(name): Extension<RepositoryName>,
    Path(parameters): Path<HashMap<String, String>>,
) -> Result<Response, Failure> {
    let wanted = parameters.get("addition").map_or("", String::as_str).to_ascii_lowercase();
    if !NAMES.contains(&wanted.as_str()) {
        let message = format!("addition must be one of {}", NAMES.join(", "));
        return Err(Failure::unprocessable(message));
    }
    let found = named(&mut api.db.read().await?, &name, reference_in(&parameters)).await?;
    if !additions(&found).contains(&wanted.as_str()) {
        let message = format!("an artifact of type {} has no {wanted}", found.kind);
        return Err(Failure::bad_request(message));
    }
    let addition = api.registry.addition(&found, &wanted).await?;
    let missing = || Failure::not_found(format!("the artifact has no {wanted}"));
    let addition = addition.ok_or_else(missing)?;
    Ok(([(CONTENT_TYPE, addition.content_type)], addition.bytes).into_response())
}
