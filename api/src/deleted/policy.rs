//! For how long what is deleted in a project can be brought back.

use axum::extract::State;
use axum::{Extension, Json};
use http::{Method, StatusCode};
use roadstead_auth::Caller;
use roadstead_model::{Action, Resource};
use roadstead_storage::tables::audit::{self, Event};
use roadstead_storage::tables::project::{self, Project};
use roadstead_storage::tables::undelete::{self, Rules};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::about;
use crate::Api;
use crate::body::Body;
use crate::failure::Failure;
use crate::guard::{Access, Routes, permission};

/// Ten years.
const MOST_DAYS: i64 = 3650;

pub(super) fn register(routes: &mut Routes) {
    let path = "/projects/{project_name_or_id}/undelete";
    let access = |action| Access::Project(permission(Resource::Project, action));
    let summary = "Find for how long what is deleted in a project can be brought back";
    let description = about("getUndelete", summary);
    routes
        .add(&Method::GET, path, access(Action::Read), get, description)
        .answers::<UndeletePolicy>();
    let summary = "Set for how long what is deleted in a project can be brought back";
    let description = about("updateUndelete", summary);
    routes
        .add(&Method::PUT, path, access(Action::Update), update, description)
        .accepts::<UndeletePolicy>();
}

/// For how long what is deleted in a project can be brought back.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[schema(example = json!({"days": 14, "counted": false}))]
struct UndeletePolicy {
    /// For how many days, 0 for not at all; null for as long as the server's setting says.
    #[serde(default)]
    #[schema(required = true)]
    days: Option<i64>,
    /// Whether what is deleted from now on counts in the quota until it is kept no longer.
    #[serde(default)]
    counted: bool,
    /// What the server's setting says, in seconds; a client need not send it.
    #[serde(default)]
    default_seconds: u64,
}

async fn get(
    State(api): State<Api>,
    Extension(project): Extension<Project>,
) -> Result<Json<UndeletePolicy>, Failure> {
    let Rules { days, counted } = undelete::find(&mut api.db.read().await?, project.id).await?;
    let default_seconds = api.registry.undelete_window().as_secs();
    Ok(Json(UndeletePolicy { days, counted, default_seconds }))
}

async fn update(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(project): Extension<Project>,
    Body(request): Body<UndeletePolicy>,
) -> Result<StatusCode, Failure> {
    let UndeletePolicy { days, counted, .. } = request;
    if days.is_some_and(|days| !(0..=MOST_DAYS).contains(&days)) {
        let message = format!("days must be null or a whole number from 0 to {MOST_DAYS}");
        return Err(Failure::bad_request(message));
    }
    let now = api.clock.now();
    let mut tx = api.db.begin().await?;
    if !project::lock(&mut tx, project.id, now).await? {
        return Err(Failure::not_found(format!("project {} not found", project.name)));
    }
    let default = api.registry.undelete_window();
    undelete::set(&mut tx, project.id, Rules { days, counted }, default, now).await?;
    let days = days.map_or_else(|| "the server's".to_owned(), |days| days.to_string());
    let text = format!("days: {days}, counted in the quota: {counted}");
    let event = Event::of("undelete", &project.name, "update").in_project(project.id);
    audit::record(&mut tx, caller.actor(), event.described(&text), now).await?;
    tx.commit().await?;
    Ok(StatusCode::OK)
}
