//! What the server says of itself.

use axum::extract::State;
use axum::{Extension, Json};
use http::Method;
use roadstead_auth::Caller;
use serde_json::{Value, json};

use crate::Api;
use crate::guard::{Access, Routes};
use crate::openapi::Description;

pub(crate) fn register(routes: &mut Routes) {
    let description = Description::new("getPing", "ping", "Ask whether the server is there");
    routes.add(&Method::GET, "/ping", Access::Anyone, ping, description).answers_text();
    let description = Description::new("getHealth", "health", "Ask how the server's parts are");
    routes.add(&Method::GET, "/health", Access::Anyone, health, description);
    let description = Description::new("getSystemInfo", "systeminfo", "Ask what the server is");
    routes.add(&Method::GET, "/systeminfo", Access::Anyone, info, description);
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

/// Harbor's `GeneralInfo`; anonymous callers are told less.
async fn info(State(api): State<Api>, Extension(caller): Extension<Caller>) -> Json<Value> {
    let mut info = json!({
        "auth_mode": "db_auth",
        "primary_auth_mode": false,
        "self_registration": false,
    });
    if caller.id().is_some() {
        let host = api.external_url.split_once("://").map_or(&*api.external_url, |(_, host)| host);
        info["external_url"] = api.external_url.as_ref().into();
        info["registry_url"] = host.into();
        info["project_creation_restriction"] = "everyone".into();
        info["harbor_version"] = concat!("v2.0-roadstead-", env!("CARGO_PKG_VERSION")).into();
        info["registry_storage_provider_name"] = "filesystem".into();
        info["read_only"] = false.into();
        info["current_time"] = api.clock.now().rfc3339().into();
    }
    Json(info)
}
