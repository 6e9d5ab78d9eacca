//! Trying out an OpenID provider.

use axum::extract::State;
use http::{Method, StatusCode};
use roadstead_model::{Action, Resource};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::Api;
use crate::body::{Body, null_as_default};
use crate::failure::Failure;
use crate::guard::{Access, Routes, permission};
use crate::openapi::Description;

pub(crate) fn register(routes: &mut Routes) {
    let access = Access::System(permission(Resource::Configuration, Action::Update));
    let summary = "Ask whether an OIDC provider answers at an endpoint";
    let description = Description::new("pingOIDC", "oidc", summary);
    routes.add(&Method::POST, "/system/oidc/ping", access, ping, description).accepts::<Endpoint>();
}

/// Which endpoint.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = OIDCEndpoint)]
#[schema(example = json!({"url": "https://login.example.com", "verify_cert": true}))]
struct Endpoint {
    #[serde(deserialize_with = "null_as_default")]
    url: String,
    #[serde(deserialize_with = "null_as_default")]
    verify_cert: bool,
}

async fn ping(
    State(api): State<Api>,
    Body(endpoint): Body<Endpoint>,
) -> Result<StatusCode, Failure> {
    api.auth.ping_oidc(endpoint.url.trim(), endpoint.verify_cert).await?;
    Ok(StatusCode::OK)
}
