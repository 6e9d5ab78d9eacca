//! The door: a route is registered together with what it requires, and this checks it.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use roadstead_auth::{CSRF_HEADER, Caller, Cookie, Refusal};
use roadstead_model::{Action, Origin, Permission, PrincipalId, ProjectId, Resource};
use roadstead_storage::Conn;
use roadstead_storage::tables::audit::{self, Event};
use roadstead_storage::tables::project::{self, Project};
use roadstead_storage::tables::robot::Robot;

use crate::courtesy::Courtesy;
use crate::failure::Failure;
use crate::{Api, BASE, cli_secret};

mod labels;
mod repositories;
mod retentions;
mod robots;
mod routes;
#[cfg(debug_assertions)]
mod watch;

use labels::admit_to_label;
pub(crate) use labels::require_of_labels;
use repositories::admit_to_repository;
use retentions::admit_to_retention;
pub(crate) use robots::require_of_robots;
use robots::{admit_to_robot, no_robot};
pub use routes::RouteEntry;
pub(crate) use routes::Routes;

/// What a route requires of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing; what is answered may depend on the caller.
    Anyone,
    /// That somebody has logged in.
    Login,
    /// That a person has logged in, with their own credentials and no token of theirs.
    Person,
    /// That it is the person whom `{user_id}` names, or a permission at system level.
    SelfOr(Permission),
    /// A permission at system level.
    System(Permission),
    /// A permission in the project that the path names.
    Project(Permission),
    /// A permission on the repository that `{project_name}` and `{repository_name}` name, which
    /// may not exist.
    Repository(Permission),
    /// One of two permissions on such a repository.
    EitherInRepository(Permission, Permission),
    /// An action on robots where the one that `{robot_id}` names belongs.
    Robot(Action),
    /// An action on labels where the one that `{label_id}` names belongs.
    Label(Action),
    /// An action on the retention of the project whose policy `{id}` names.
    Retention(Action),
}

/// The permission `action` on `resource`.
pub(crate) const fn permission(resource: Resource, action: Action) -> Permission {
    Permission::new(resource, action)
}

async fn enter(
    State((api, courtesy, access)): State<(Api, Arc<Courtesy>, Access)>,
    parameters: Result<Path<HashMap<String, String>>, PathRejection>,
    mut request: Request,
    next: Next,
) -> Response {
    let Ok(Path(parameters)) = parameters else {
        return Failure::bad_request("the path is not UTF-8").into_response();
    };
    if request.method().is_safe() {
        courtesy.give_way().await;
    }
    let origin = request.extensions().get::<Origin>().cloned().unwrap_or_default();
    let cookie = Cookie::of(request.headers(), &origin);
    let mut response = match check(&api, access, &parameters, &mut request).await {
        Ok(()) => run(&api, request, next).await,
        Err(failure) => failure.into_response(),
    };
    let token = cookie.and_then(|cookie| HeaderValue::from_str(&cookie.csrf_token()).ok());
    if let Some(token) = token {
        response.headers_mut().insert(HeaderName::from_static(CSRF_HEADER), token);
    }
    response
}

/// Runs the handler. What a rule forbids to somebody who has the right, such as deleting an
/// immutable tag, leaves a row as well.
async fn run(api: &Api, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let caller = request.extensions().get::<Caller>().filter(|caller| caller.id().is_some());
    let caller = caller.cloned();
    let response = next.run(request).await;
    let forbidden = !method.is_safe() && response.status() == StatusCode::PRECONDITION_FAILED;
    match caller.filter(|_| forbidden) {
        Some(caller) => match note_refusal(api, &caller, &method, &path).await {
            Ok(()) => response,
            Err(failure) => failure.into_response(),
        },
        None => response,
    }
}

async fn check(
    api: &Api,
    access: Access,
    parameters: &HashMap<String, String>,
    request: &mut Request,
) -> Result<(), Failure> {
    let origin = request.extensions().get::<Origin>().cloned().unwrap_or_default();
    let (headers, method) = (request.headers().clone(), request.method().clone());
    let caller = api.auth.api_caller(&headers, origin.clone()).await?;
    let changes = !method.is_safe();
    if changes && caller.session().is_some() {
        let cookie = Cookie::of(&headers, &origin);
        if !cookie.is_some_and(|cookie| cookie.vouches_for(&headers)) {
            return Err(Failure::forbidden("the CSRF token is missing or wrong"));
        }
    }
    let path = request.uri().path().to_owned();
    if caller.came_with_cli_secret() && !cli_secret::opens(&method, &path) {
        let message = "the CLI secret is not enough here: use a session, an id_token or a token";
        if changes || matches!(access, Access::System(_)) {
            note_refusal(api, &caller, &method, &path).await?;
        }
        return Err(Failure::forbidden(message));
    }
    let mut conn = api.db.read().await?;
    let admitted = admit(&mut conn, &caller, access, parameters, &headers, request).await?;
    drop(conn);
    if let Err(refusal) = admitted {
        let privileged = changes || matches!(access, Access::System(_));
        if refusal == Refusal::Denied && privileged {
            note_refusal(api, &caller, &method, &path).await?;
        }
        let hidden = refusal == Refusal::Denied && matches!(access, Access::Robot(_));
        return Err(match request.extensions().get::<Robot>() {
            None if hidden => no_robot(parameters.get("robot_id").map_or("", String::as_str)),
            _ => Failure::refused(refusal),
        });
    }
    if changes && path != format!("{BASE}/configurations") && api.is_read_only().await? {
        return Err(Failure::denied("the system is in read only mode"));
    }
    request.extensions_mut().insert(caller);
    Ok(())
}

async fn admit(
    conn: &mut Conn,
    caller: &Caller,
    access: Access,
    parameters: &HashMap<String, String>,
    headers: &HeaderMap,
    request: &mut Request,
) -> Result<Result<(), Refusal>, Failure> {
    let parameter = |name: &str| parameters.get(name).map_or("", String::as_str);
    match access {
        Access::Anyone => Ok(Ok(())),
        Access::Login => Ok(caller.require_login().map(drop)),
        Access::Person => Ok(caller.require_person().map(drop)),
        Access::SelfOr(permission) => {
            let own = parameter("user_id").parse().ok().map(PrincipalId);
            if own.is_some() && caller.id() == own && caller.is_person() {
                return Ok(Ok(()));
            }
            Ok(caller.require_system(conn, permission).await?)
        }
        Access::System(permission) => Ok(caller.require_system(conn, permission).await?),
        Access::Project(permission) => {
            let by_name = headers.get("x-is-resource-name").is_some_and(|v| truthy(v.as_bytes()));
            let key = match parameter("project_name_or_id") {
                "" => parameter("project_name"),
                key => key,
            };
            let by_name = by_name || parameters.contains_key("project_name");
            let found = permitted_project(conn, caller, permission, key, by_name).await?;
            Ok(found.map(|project| {
                request.extensions_mut().insert(project);
            }))
        }
        Access::Repository(permission) => {
            admit_to_repository(conn, caller, permission, parameters, request).await
        }
        Access::EitherInRepository(one, other) => {
            match admit_to_repository(conn, caller, one, parameters, request).await? {
                Ok(()) => Ok(Ok(())),
                Err(_) => admit_to_repository(conn, caller, other, parameters, request).await,
            }
        }
        Access::Robot(action) => admit_to_robot(conn, caller, action, parameters, request).await,
        Access::Label(action) => admit_to_label(conn, caller, action, parameters, request).await,
        Access::Retention(action) => {
            admit_to_retention(conn, caller, action, parameters, request).await
        }
    }
}

/// Refuses what a handler decided itself, as the guard does.
pub(crate) async fn refuse(
    api: &Api,
    caller: &Caller,
    method: &Method,
    path: &str,
    refusal: Refusal,
) -> Failure {
    let noted = match refusal {
        Refusal::Denied => note_refusal(api, caller, method, path).await,
        _ => Ok(()),
    };
    noted.err().unwrap_or_else(|| Failure::refused(refusal))
}

/// Every refused attempt at something privileged leaves a row.
pub(crate) async fn note_refusal(
    api: &Api,
    caller: &Caller,
    method: &Method,
    path: &str,
) -> Result<(), Failure> {
    let what = format!("{method} {}", path.chars().take(500).collect::<String>());
    let event = Event::of("api", &what, "refuse").refused();
    let mut tx = api.db.begin().await?;
    audit::record(&mut tx, caller.actor(), event, api.clock.now()).await?;
    Ok(tx.commit().await?)
}

/// A project that does not exist is 404 to system administrators only; others learn nothing.
fn unknown_project<T>(caller: &Caller, key: &str) -> Result<Result<T, Refusal>, Failure> {
    if caller.is_sysadmin() && caller.is_person() {
        Err(Failure::not_found(format!("project {key} not found")))
    } else {
        Ok(Err(caller.refusal()))
    }
}

/// The project, if the caller has the permission in it.
pub(crate) async fn permitted_project(
    conn: &mut Conn,
    caller: &Caller,
    permission: Permission,
    key: &str,
    by_name: bool,
) -> Result<Result<Project, Refusal>, Failure> {
    let Some(found) = find_project(conn, key, by_name).await? else {
        return unknown_project(caller, key);
    };
    let allowed = caller.require_in_project(conn, &found, permission).await?;
    Ok(allowed.map(|()| found))
}

/// The project that a path names: by digits its id, unless the client says that it is a name.
pub(crate) async fn find_project(
    conn: &mut Conn,
    key: &str,
    by_name: bool,
) -> Result<Option<Project>, Failure> {
    let id = key.parse().ok().filter(|_| !by_name);
    Ok(match id {
        Some(id) => project::find_by_id(conn, ProjectId(id)).await?,
        None => project::find(conn, key).await?,
    })
}

/// A parameter of the path that is a number.
pub(crate) fn number(parameters: &HashMap<String, String>, name: &str) -> Result<i64, Failure> {
    let number = parameters.get(name).and_then(|text| text.parse().ok());
    number.ok_or_else(|| Failure::unprocessable(format!("{name} must be a whole number")))
}

/// Harbor's idea of true in queries and headers; everything else is false.
pub(crate) fn truthy(value: &[u8]) -> bool {
    let value = value.to_ascii_lowercase();
    matches!(
        value.as_slice(),
        b"true"
            | b"1"
            | b"yes"
            | b"ok"
            | b"y"
            | b"on"
            | b"selected"
            | b"checked"
            | b"t"
            | b"enabled"
    )
}
