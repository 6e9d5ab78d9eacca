//! The caller's own account, and what the caller may do.

use axum::extract::{RawQuery, State};
use axum::{Extension, Json};
use http::Method;
use roadstead_auth::Caller;
use roadstead_model::{Permission, ProjectId, Resource};
use roadstead_storage::tables::project;
use utoipa::openapi::schema::Type;

use super::{UserAnswer, whole};
use crate::Api;
use crate::failure::Failure;
use crate::guard::{Access, Routes, truthy};
use crate::openapi::Description;
use crate::page::ListQuery;
use crate::permissions::PermissionAnswer;

pub(super) fn register(routes: &mut Routes) {
    let about = |id, summary| Description::new(id, "user", summary);
    let description = about("getCurrentUserInfo", "Find the caller's own account");
    routes
        .add(&Method::GET, "/users/current", Access::Login, current, description)
        .answers::<UserAnswer>()
        .fails(&[412]);
    let description = about("getCurrentUserPermissions", "List what the caller may do somewhere");
    routes
        .add(&Method::GET, "/users/current/permissions", Access::Login, permissions, description)
        .query("scope", Type::String)
        .query("relative", Type::Boolean)
        .answers_list::<PermissionAnswer>();
}

async fn current(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<UserAnswer>, Failure> {
    let id = caller.require_login().map_err(Failure::refused)?;
    if caller.is_robot() {
        return Err(Failure::precondition("a robot has no user account"));
    }
    whole(&api, &caller, id).await
}

/// What a scope of this list is.
enum Scope {
    System,
    Project(ProjectId),
}

impl Scope {
    /// `/system`, or `/project/{id}`; behind either the resource that it is narrowed to.
    fn parse(text: &str) -> Option<(Self, Option<&str>)> {
        let text = text.trim_end_matches('/').strip_prefix('/')?;
        let (first, rest) = text.split_once('/').unzip();
        match first.unwrap_or(text) {
            "system" => Some((Self::System, rest)),
            "project" => {
                let rest = rest?;
                let (id, below) = rest.split_once('/').unzip();
                let id = id.unwrap_or(rest).parse().ok()?;
                Some((Self::Project(ProjectId(id)), below))
            }
            _ => None,
        }
    }
}

/// A scope that is none, or that the caller has no rights in, has no permissions.
async fn permissions(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Result<Json<Vec<PermissionAnswer>>, Failure> {
    let query = ListQuery::parse(&query.unwrap_or_default())?;
    let relative = query.get("relative").is_some_and(|value| truthy(value.as_bytes()));
    let mut conn = api.db.read().await?;
    let Some((scope, only)) = query.get("scope").and_then(Scope::parse) else {
        return Ok(Json(Vec::new()));
    };
    let (base, found) = match scope {
        Scope::System => ("/system".to_owned(), caller.permissions(&mut conn, None).await?),
        Scope::Project(id) => match project::find_by_id(&mut conn, id).await? {
            None => return Ok(Json(Vec::new())),
            Some(project) => {
                (format!("/project/{id}"), caller.permissions(&mut conn, Some(&project)).await?)
            }
        },
    };
    drop(conn);
    let named = |permission: Permission| {
        // The project itself is the scope.
        let is_project = permission.resource == Resource::Project && base != "/system";
        let resource = match (is_project, relative) {
            (_, true) if only.is_some() => ".".to_owned(),
            (true, true) => ".".to_owned(),
            (true, false) => base.clone(),
            (false, true) => permission.resource.name().to_owned(),
            (false, false) => format!("{base}/{}", permission.resource),
        };
        PermissionAnswer::new(resource, permission.action)
    };
    let wanted =
        |permission: &Permission| only.is_none_or(|only| permission.resource.name() == only);
    Ok(Json(found.into_iter().filter(wanted).map(named).collect()))
}
