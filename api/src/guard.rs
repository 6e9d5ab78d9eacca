//! The door: a route is registered together with what it requires, and this checks it.

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::handler::Handler;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, MethodRouter};
use http::Method;
use roadstead_auth::{Caller, Refusal};
use roadstead_model::{Action, Origin, Permission, ProjectId, Resource};
use roadstead_storage::tables::project::{self, Project};
use std::collections::{BTreeMap, HashMap};

use crate::failure::Failure;
use crate::{Api, BASE};

/// What a route requires of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing; what is answered may depend on the caller.
    Anyone,
    /// That somebody has logged in.
    Login,
    /// A permission at system level.
    System(Permission),
    /// A permission in the project that the path names.
    Project(Permission),
}

/// A route and what it requires.
#[derive(Clone, Debug)]
pub struct RouteEntry {
    /// The method.
    pub method: Method,
    /// The whole path, with parameters in braces.
    pub path: String,
    /// What it requires.
    pub access: Access,
}

/// The permission `action` on `resource`.
pub(crate) const fn permission(resource: Resource, action: Action) -> Permission {
    Permission { resource, action }
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
    /// [`Caller`], and for [`Access::Project`] the [`Project`], among the request's extensions.
    pub(crate) fn add<H, T>(&mut self, method: &Method, path: &str, access: Access, handler: H)
    where
        H: Handler<T, Api>,
        T: 'static,
    {
        let filter = match *method {
            Method::POST => MethodFilter::POST,
            Method::PUT => MethodFilter::PUT,
            Method::DELETE => MethodFilter::DELETE,
            Method::HEAD => MethodFilter::HEAD,
            _ => MethodFilter::GET,
        };
        let path = format!("{BASE}{path}");
        let door = middleware::from_fn_with_state((self.api.clone(), access), enter);
        let route = MethodRouter::new().on(filter, handler).layer(door);
        let known = self.paths.remove(&path).unwrap_or_default();
        self.paths.insert(path.clone(), known.merge(route));
        self.entries.push(RouteEntry { method: method.clone(), path, access });
    }

    pub(crate) fn finish(self) -> (Router, Vec<RouteEntry>) {
        let mut router = Router::new();
        for (path, methods) in self.paths {
            router = router.route(&path, methods.fallback(wrong_method));
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
    match check(&api, access, &parameters, &mut request).await {
        Ok(()) => next.run(request).await,
        Err(failure) => failure.into_response(),
    }
}

async fn check(
    api: &Api,
    access: Access,
    parameters: &HashMap<String, String>,
    request: &mut Request,
) -> Result<(), Failure> {
    let origin = request.extensions().get::<Origin>().cloned().unwrap_or_default();
    let headers = request.headers().clone();
    let caller = api.auth.api_caller(&headers, origin).await?;
    match access {
        Access::Anyone => {}
        Access::Login => {
            caller.require_login().map_err(Failure::refused)?;
        }
        Access::System(permission) => {
            caller.require_system(permission).map_err(Failure::refused)?;
        }
        Access::Project(permission) => {
            let key = parameters.get("project_name_or_id").map_or("", String::as_str);
            let by_name =
                headers.get("x-is-resource-name").is_some_and(|value| truthy(value.as_bytes()));
            let project = permitted_project(api, &caller, permission, key, by_name).await?;
            request.extensions_mut().insert(project);
        }
    }
    request.extensions_mut().insert(caller);
    Ok(())
}

/// The project, if the caller has the permission in it. One that does not exist is 404 to system
/// administrators only; others learn nothing.
async fn permitted_project(
    api: &Api,
    caller: &Caller,
    permission: Permission,
    key: &str,
    by_name: bool,
) -> Result<Project, Failure> {
    let mut conn = api.db.read().await?;
    let id = key.parse().ok().filter(|_| !by_name);
    let found = match id {
        Some(id) => project::find_by_id(&mut conn, ProjectId(id)).await?,
        None => project::find(&mut conn, key).await?,
    };
    let Some(found) = found else {
        return Err(if caller.is_sysadmin() {
            Failure::not_found(format!("project {key} not found"))
        } else {
            Failure::refused(caller.refusal())
        });
    };
    let allowed: Result<(), Refusal> =
        caller.require_in_project(&mut conn, &found, permission).await?;
    allowed.map_err(Failure::refused)?;
    Ok(found)
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
