//! Secrets of robots: Harbor's one, and a second one while it is rotated.

use std::collections::HashMap;

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use http::header::LOCATION;
use http::{Method, StatusCode};
use roadstead_auth::Caller;
use roadstead_model::{Action, Timestamp};
use roadstead_storage::tables::robot::Robot;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::body::{Body, null_as_default};
use crate::failure::Failure;
use crate::guard::{Access, Routes, number};
use crate::openapi::Description;
use crate::{Api, BASE};

pub(super) fn register(routes: &mut Routes) {
    let about = |id, summary| Description::new(id, "robot", summary);
    let update = Access::Robot(Action::Update);
    let description = about("RefreshSec", "Replace the secrets of a robot account");
    routes
        .add(&Method::PATCH, "/robots/{robot_id}", update, refresh, description)
        .accepts::<RobotSec>()
        .answers::<RobotSec>();
    let path = "/robots/{robot_id}/secrets";
    let description = about("listRobotSecrets", "List the secrets of a robot account");
    routes
        .add(&Method::GET, path, Access::Robot(Action::Read), list, description)
        .answers_list::<RobotSecret>();
    let description = about("createRobotSecret", "Give a robot account a second secret");
    routes
        .add(&Method::POST, path, update, create, description)
        .answers::<RobotSecretCreated>()
        .status(201)
        .fails(&[409]);
    let description = about("deleteRobotSecret", "Take a secret of a robot account back");
    let path = "/robots/{robot_id}/secrets/{secret_id}";
    routes.add(&Method::DELETE, path, update, remove, description).fails(&[409]);
}

/// Harbor's `RobotSec`.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
#[schema(example = json!({"secret": ""}))]
struct RobotSec {
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    secret: String,
}

/// A secret, without what it is.
#[derive(Serialize, ToSchema)]
struct RobotSecret {
    id: i64,
    creation_time: String,
    /// To the minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_time: Option<String>,
}

/// A secret that was made, which is told once.
#[derive(Serialize, ToSchema)]
struct RobotSecretCreated {
    id: i64,
    secret: String,
}

/// A secret that was chosen is not told back.
async fn refresh(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(robot): Extension<Robot>,
    Body(to): Body<RobotSec>,
) -> Result<Json<RobotSec>, Failure> {
    let generated = api.auth.refresh_robot(&caller, &robot, &to.secret).await?;
    Ok(Json(RobotSec { secret: generated.unwrap_or_default() }))
}

async fn list(
    State(api): State<Api>,
    Extension(robot): Extension<Robot>,
) -> Result<Json<Vec<RobotSecret>>, Failure> {
    let secrets = api.auth.robot_secrets(&robot).await?;
    let told = secrets.into_iter().map(|secret| RobotSecret {
        id: secret.id,
        creation_time: secret.created_at.rfc3339(),
        last_used_time: secret.last_used_at.map(Timestamp::rfc3339),
    });
    Ok(Json(told.collect()))
}

async fn create(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(robot): Extension<Robot>,
) -> Result<Response, Failure> {
    let (id, secret) = api.auth.add_robot_secret(&caller, &robot).await?;
    let location = format!("{BASE}/robots/{}/secrets/{id}", robot.id);
    let answer = Json(RobotSecretCreated { id, secret });
    Ok((StatusCode::CREATED, [(LOCATION, location)], answer).into_response())
}

async fn remove(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(robot): Extension<Robot>,
    Path(path): Path<HashMap<String, String>>,
) -> Result<StatusCode, Failure> {
    let id = number(&path, "secret_id")?;
    api.auth.remove_robot_secret(&caller, &robot, id).await?;
    Ok(StatusCode::OK)
}
