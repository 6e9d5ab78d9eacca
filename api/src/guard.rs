//! The door: a route is registered together with what it requires, and this checks it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::handler::Handler;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, MethodRouter};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use percent_encoding::percent_decode_str;
use roadstead_auth::{CSRF_HEADER, Caller, Refusal};
use roadstead_model::{
    Action, NameError, Origin, Permission, PrincipalId, ProjectId, RepositoryName, Resource,
};
use roadstead_storage::Conn;
use roadstead_storage::tables::audit::{self, Event};
use roadstead_storage::tables::project::{self, Project};
use roadstead_storage::tables::robot::Robot;
use utoipa::openapi::OpenApi;

use crate::failure::Failure;
use crate::openapi::Description;
use crate::{Api, BASE, cli_secret};

mod robots;

pub(crate) use robots::require_of_robots;
use robots::{admit_to_robot, no_robot};

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
    /// An action on robots where the one that `{robot_id}` names belongs.
    Robot(Action),
}

/// A route and what it requires.
#[derive(Clone)]
pub struct RouteEntry {
    /// The method.
    pub method: Method,
    /// The whole path, with parameters in braces.
    pub path: String,
    /// What it requires.
    pub access: Access,
    /// What it takes and gives.
    pub(crate) description: Description,
}

/// The permission `action` on `resource`.
pub(crate) const fn permission(resource: Resource, action: Action) -> Permission {
    Permission::new(resource, action)
}

/// Routes being registered.
pub(crate) struct Routes {
    api: Api,
    entries: Vec<RouteEntry>,
    paths: BTreeMap<String, MethodRouter<Api>>,
}

impl Routes {
    pub(crate) fn new(api: Api) -> Self {
        Self { api, entries: Vec::new(), paths: BTreeMap::new() }
    }

    /// Registers a handler. It runs only for callers who have what `access` says, and finds the
    /// [`Caller`], and for [`Access::Project`] the [`Project`], for [`Access::Repository`] that and
    /// the [`RepositoryName`], for [`Access::Robot`] the [`Robot`], among the request's
    /// extensions. What it takes and gives is added to the description that is returned.
    pub(crate) fn add<H, T>(
        &mut self,
        method: &Method,
        path: &str,
        access: Access,
        handler: H,
        description: Description,
    ) -> &mut Description
    where
        H: Handler<T, Api>,
        T: 'static,
    {
        let filter = match *method {
            Method::POST => MethodFilter::POST,
            Method::PUT => MethodFilter::PUT,
            Method::PATCH => MethodFilter::PATCH,
            Method::DELETE => MethodFilter::DELETE,
            Method::HEAD => MethodFilter::HEAD,
            _ => MethodFilter::GET,
        };
        let path = format!("{BASE}{path}");
        let door = middleware::from_fn_with_state((self.api.clone(), access), enter);
        let route = MethodRouter::new().on(filter, handler).layer(door);
        let known = self.paths.remove(&path).unwrap_or_default();
        self.paths.insert(path.clone(), known.merge(route));
        let at = self.entries.len();
        self.entries.push(RouteEntry { method: method.clone(), path, access, description });
        &mut self.entries[at].description
    }

    pub(crate) fn entries(&self) -> &[RouteEntry] {
        &self.entries
    }

    /// The router, with the document of its routes at `openapi.json`.
    pub(crate) fn finish(self, document: &Arc<OpenApi>) -> (Router, Vec<RouteEntry>) {
        let document = document.clone();
        let served = axum::routing::get(async move || axum::Json(&*document).into_response());
        let mut router = Router::new().route(&format!("{BASE}/openapi.json"), served);
        for (path, methods) in self.paths {
            let methods = methods.fallback(wrong_method);
            // Clients write some paths with a slash at the end, and some without.
            let other = path.strip_suffix('/').map_or_else(|| format!("{path}/"), str::to_owned);
            router = router.route(&path, methods.clone()).route(&other, methods);
        }
        let router = router
            .route(&format!("{BASE}/{{*rest}}"), axum::routing::any(nothing_here))
            .with_state(self.api);
        (router, self.entries)
    }
}

async fn wrong_method() -> Failure {
    Failure::method_not_allowed()
}

async fn nothing_here() -> Failure {
    Failure::not_found("there is nothing at this path of the API")
}

async fn enter(
    State((api, access)): State<(Api, Access)>,
    Path(parameters): Path<HashMap<String, String>>,
    mut request: Request,
    next: Next,
) -> Response {
    let cookie = api.auth.cookie(request.headers());
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
    let caller = api.auth.api_caller(&headers, origin).await?;
    let changes = !method.is_safe();
    if changes && caller.session().is_some() {
        let cookie = api.auth.cookie(&headers);
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
            let (project, name) = (parameter("project_name"), parameter("repository_name"));
            admit_to_repository(conn, caller, permission, project, name, request).await
        }
        Access::Robot(action) => admit_to_robot(conn, caller, action, parameters, request).await,
    }
}

/// A role may be limited to some repositories of a project, so the name is known here.
async fn admit_to_repository(
    conn: &mut Conn,
    caller: &Caller,
    permission: Permission,
    project: &str,
    escaped: &str,
    request: &mut Request,
) -> Result<Result<(), Refusal>, Failure> {
    // Slashes come escaped twice, because proxies resolve one of the two.
    let below = percent_decode_str(escaped).decode_utf8_lossy();
    let name: RepositoryName = format!("{project}/{below}")
        .parse()
        .map_err(|error: NameError| Failure::bad_request(format!("repository_name: {error}")))?;
    let Some(project) = project::find(conn, project).await? else {
        return unknown_project(caller, project);
    };
    let allowed = caller.require_in_repository(conn, &project, &name, permission).await?;
    request.extensions_mut().insert(project);
    request.extensions_mut().insert(name);
    Ok(allowed)
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
