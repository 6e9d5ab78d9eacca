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
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::Api;
use crate::failure::Failure;
use crate::guard::{Access, Routes, permission};
use crate::openapi::Description;

pub(crate) fn register(routes: &mut Routes) {
    let description = Description::new("getPing", "ping", "Ask whether the server is there");
    routes.add(&Method::GET, "/ping", Access::Anyone, ping, description).answers_text();
    let description = Description::new("getHealth", "health", "Ask how the server's parts are");
    routes.add(&Method::GET, "/health", Access::Anyone, health, description);
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
    routes.add(&Method::GET, "/systeminfo/getcert", Access::Anyone, certificate, description);
}

/// Harbor's `GeneralInfo`; anonymous callers are told less.
#[derive(Serialize, ToSchema)]
struct GeneralInfo {
    auth_mode: String,
    primary_auth_mode: bool,
    self_registration: bool,
    banner_message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    oidc_provider_name: Option<String>,
    #[serde(flatten)]
    more: Option<MoreInfo>,
}

/// What those are told who have logged in.
#[derive(Serialize, ToSchema)]
struct MoreInfo {
    current_time: String,
    external_url: String,
    registry_url: String,
    harbor_version: &'static str,
    project_creation_restriction: String,
    registry_storage_provider_name: &'static str,
    has_ca_root: bool,
    read_only: bool,
    notification_enable: bool,
}

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

/// Harbor's `OverallHealthStatus`: always 200, also when something is unhealthy.
async fn health(State(api): State<Api>) -> Json<Value> {
    let alive = async {
        let mut conn = api.db.read().await?;
        conn.query("SELECT 1").fetch_one::<(i64,)>().await
    };
    let database = match alive.await {
        Ok(_) => json!({"name": "database", "status": "healthy"}),
        Err(error) => {
            tracing::error!(%error, "the database is unhealthy");
            json!({"name": "database", "status": "unhealthy", "error": "not available"})
        }
    };
    let status = database["status"].clone();
    let core = json!({"name": "core", "status": "healthy"});
    let registry = json!({"name": "registry", "status": status});
    Json(json!({"status": status, "components": [core, database, registry]}))
}

async fn info(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<GeneralInfo>, Failure> {
    let configuration = api.auth.configuration().await?;
    let text = |key| configuration.text(key).to_owned();
    let provider = Some(text("oidc_name")).filter(|name| !name.is_empty());
    Ok(Json(GeneralInfo {
        auth_mode: text("auth_mode"),
        primary_auth_mode: configuration.is_on("primary_auth_mode"),
        self_registration: configuration.is_on("self_registration"),
        banner_message: text("banner_message"),
        oidc_provider_name: provider.filter(|_| configuration.text("auth_mode") == "oidc_auth"),
        more: caller.id().map(|_| more_info(&api, &configuration)),
    }))
}

fn more_info(api: &Api, configuration: &Configuration) -> MoreInfo {
    let host = api.external_url.split_once("://").map_or(&*api.external_url, |(_, host)| host);
    MoreInfo {
        current_time: api.clock.now().rfc3339(),
        external_url: api.external_url.to_string(),
        registry_url: host.to_owned(),
        harbor_version: concat!("v2.0-roadstead-", env!("CARGO_PKG_VERSION")),
        project_creation_restriction: configuration.text("project_creation_restriction").to_owned(),
        registry_storage_provider_name: "filesystem",
        has_ca_root: api.ca.is_some(),
        read_only: configuration.is_on("read_only"),
        notification_enable: configuration.is_on("notification_enable"),
    }
}

async fn volumes(State(api): State<Api>) -> Result<Json<SystemInfo>, Failure> {
    let space = api.blobs.space().await?;
    Ok(Json(SystemInfo { storage: vec![Storage { total: space.total, free: space.free }] }))
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
