//! The vulnerabilities that all projects accept which have no list of their own.

use axum::extract::State;
use axum::{Extension, Json};
use http::{Method, StatusCode};
use roadstead_auth::Caller;
use roadstead_model::{Action, Resource};
use roadstead_storage::tables::audit::{self, Event};
use roadstead_storage::tables::cve_allowlist;

use crate::Api;
use crate::body::OptionalBody;
use crate::failure::Failure;
use crate::guard::{Access, Routes, permission};
use crate::openapi::Description;
use crate::projects::CveAllowlist;

pub(crate) fn register(routes: &mut Routes) {
    let path = "/system/CVEAllowlist";
    let about = |id, summary| Description::new(id, "SystemCVEAllowlist", summary);
    let description = about("getSystemCVEAllowlist", "List the vulnerabilities that are accepted");
    routes.add(&Method::GET, path, Access::Login, get, description).answers::<CveAllowlist>();
    let access = Access::System(permission(Resource::Configuration, Action::Update));
    let description =
        about("putSystemCVEAllowlist", "Replace the list of accepted vulnerabilities");
    routes.add(&Method::PUT, path, access, put, description).may_accept::<CveAllowlist>();
}

async fn get(State(api): State<Api>) -> Result<Json<CveAllowlist>, Failure> {
    let found = cve_allowlist::of_system(&mut api.db.read().await?).await?;
    Ok(Json(CveAllowlist::of_system(found)))
}

/// Without a body the list is empty afterwards.
async fn put(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    OptionalBody(request): OptionalBody<CveAllowlist>,
) -> Result<StatusCode, Failure> {
    let (expires_at, items) = request.unwrap_or_default().checked(None)?;
    let now = api.clock.now();
    let text = format!("{} accepted", items.len());
    let mut tx = api.db.begin().await?;
    cve_allowlist::put_of_system(&mut tx, expires_at, &items, now).await?;
    let event = Event::of("configuration", "cve_allowlist", "update").described(&text);
    audit::record(&mut tx, caller.actor(), event, now).await?;
    tx.commit().await?;
    Ok(StatusCode::OK)
}
