//! What the server says of itself.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use http::Method;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use roadstead_auth::Caller;
use roadstead_auth::configuration::Configuration;
use roadstead_model::{Action, Resource};
use serde::Serialize;
use utoipa::ToSchema;

use crate::Api;
use crate::failure::Failure;
use crate::guard::{Access, Routes, permission};
use crate::openapi::Description;

pub(crate) fn register(routes: &mut Routes) {
    let description = Description::new("getPing", "ping", "Ask whether the server is there");
    routes.add(&Method::GET, "/ping", Access::Anyone, ping, description).answers_text();
    let description = Description::new("getHealth", "health", "Ask how the server's parts are");
    routes
        .add(&Method::GET, "/health", Access::Anyone, health, description)
        .answers::<OverallHealthStatus>();
    let about = |id, summary| Description::new(id, "systeminfo", summary);
    let description = about("getSystemInfo", "Ask what the server is");
    routes
        .add(&Method::GET, "/systeminfo", Access::Anyone, info, description)
        .answers::<GeneralInfo>();
    let access = Access::System(permission(Resource::SystemVolumes, Action::Read));
    let description = about("getVolumes", "Ask how full the disk with the blobs is");
    routes
        .add(&Method::GET, "/systeminfo/volumes", access, volumes, description)
        .answers::<SystemInfo>();
    let description = about("getCert", "Get the certificate that clients must trust");
    routes
        .add(&Method::GET, "/systeminfo/getcert", Access::Anyone, certificate, description)
        .answers_bytes(&["application/octet-stream"])
        .fails(&[404]);
}

/// Harbor's `GeneralInfo`; what can be absent is told to those who have logged in.
#[derive(Default, Serialize, ToSchema)]
struct GeneralInfo {
    auth_mode: String,
    primary_auth_mode: bool,
    self_registration: bool,
    banner_message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    oidc_provider_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registry_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    harbor_version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    project_creation_restriction: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registry_storage_provider_name: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    has_ca_root: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    read_only: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notification_enable: Option<bool>,
}

/// Harbor's `OverallHealthStatus`.
#[derive(Serialize, ToSchema)]
struct OverallHealthStatus {
    status: &'static str,
    components: Vec<ComponentHealthStatus>,
}

/// Harbor's `ComponentHealthStatus`.
#[derive(Serialize, ToSchema)]
struct ComponentHealthStatus {
    name: &'static str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
}

impl ComponentHealthStatus {
    fn new(name: &'static str, is_healthy: bool) -> Self {
        let (status, error) =
            if is_healthy { (HEALTHY, None) } else { (UNHEALTHY, Some("not available")) };
        Self { name, status, error }
    }
}

const HEALTHY: &str = "healthy";
const UNHEALTHY: &str = "unhealthy";

/// Harbor's `SystemInfo`.
#[derive(Serialize, ToSchema)]
struct SystemInfo {
    storage: Vec<Storage>,
}

/// Harbor's `Storage`, in bytes.
#[derive(Serialize, ToSchema)]
struct Storage {
    total: u64,
    free: u64,
}

async fn ping() -> &'static str {
    "Pong"
}

/// Always 200, also when something is unhealthy.
async fn health(State(api): State<Api>) -> Json<OverallHealthStatus> {
    let alive = async {
        let mut conn = api.db.read().await?;
        conn.query("SELECT 1").fetch_one::<(i32,)>().await
    };
    let is_alive = alive.await.inspect_err(|error| {
        tracing::error!(%error, "the database is unhealthy");
    });
    let is_alive = is_alive.is_ok();
    // Content cannot be had without its rows.
    let registry =
        ComponentHealthStatus { error: None, ..ComponentHealthStatus::new("registry", is_alive) };
    Json(OverallHealthStatus {
        status: if is_alive { HEALTHY } else { UNHEALTHY },
        components: vec![
            ComponentHealthStatus::new("core", true),
            ComponentHealthStatus::new("database", is_alive),
            registry,
        ],
    })
}

async fn info(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<GeneralInfo>, Failure> {
    let configuration = api.auth.configuration().await?;
    let text = |key| configuration.text(key).to_owned();
    let provider = Some(text("oidc_name")).filter(|name| !name.is_empty());
    let told = GeneralInfo {
        auth_mode: text("auth_mode"),
        primary_auth_mode: configuration.is_on("primary_auth_mode"),
        self_registration: configuration.is_on("self_registration"),
        banner_message: text("banner_message"),
        oidc_provider_name: provider.filter(|_| configuration.text("auth_mode") == "oidc_auth"),
        ..GeneralInfo::default()
    };
    Ok(Json(if caller.id().is_some() { more(told, &api, &configuration) } else { told }))
}

/// What those are told who have logged in.
fn more(told: GeneralInfo, api: &Api, configuration: &Configuration) -> GeneralInfo {
    let host = api.external_url.split_once("://").map_or(&*api.external_url, |(_, host)| host);
    let restriction = configuration.text("project_creation_restriction");
    GeneralInfo {
        current_time: Some(api.clock.now().rfc3339()),
        external_url: Some(api.external_url.to_string()),
        registry_url: Some(host.to_owned()),
        harbor_version: Some(concat!("v2.0-roadstead-", env!("CARGO_PKG_VERSION"))),
        project_creation_restriction: Some(restriction.to_owned()),
        registry_storage_provider_name: Some(api.blobs.provider()),
        has_ca_root: Some(api.ca.is_some()),
        read_only: Some(configuration.is_on("read_only")),
        notification_enable: Some(configuration.is_on("notification_enable")),
        ..told
    }
}

async fn volumes(State(api): State<Api>) -> Result<Json<SystemInfo>, Failure> {
    // An object store says nothing of how much it takes.
    let (total, free) = api.blobs.space().await?.map_or((0, 0), |space| (space.total, space.free));
    Ok(Json(SystemInfo { storage: vec![Storage { total, free }] }))
}

async fn certificate(State(api): State<Api>) -> Result<Response, Failure> {
    let Some(ca) = &api.ca else {
        return Err(Failure::not_found("no certificate is set for clients to trust"));
    };
    let headers = [
        (CONTENT_TYPE, "application/octet-stream"),
        (CONTENT_DISPOSITION, "attachment; filename=ca.crt"),
    ];
    Ok((headers, ca.to_string()).into_response())
}
