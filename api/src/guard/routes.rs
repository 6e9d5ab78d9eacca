//! Routes, each registered with what it requires and what it takes and gives.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::middleware;
use axum::routing::{MethodFilter, MethodRouter};
use http::Method;
use http::header::CONTENT_TYPE;

use super::{Access, enter};
use crate::courtesy::Courtesy;
use crate::failure::Failure;
use crate::openapi::Description;
use crate::{Api, BASE};

/// What the routes are, as a test compares with the routes.
const DOCUMENT: &str = include_str!("../../../docs/openapi.json");

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

/// Routes being registered.
pub(crate) struct Routes {
    api: Api,
    courtesy: Arc<Courtesy>,
    entries: Vec<RouteEntry>,
    paths: BTreeMap<String, MethodRouter<Api>>,
}

impl Routes {
    pub(crate) fn new(api: Api) -> Self {
        let courtesy = Arc::new(Courtesy::new());
        Self { api, courtesy, entries: Vec::new(), paths: BTreeMap::new() }
    }

    /// Registers a handler. It runs only for callers who have what `access` says, and finds the
    /// [`Caller`], and for [`Access::Project`] the [`Project`], for [`Access::Repository`] that and
    /// the [`RepositoryName`], for [`Access::Robot`] the [`Robot`], for [`Access::Label`] the [`Label`],
    /// for [`Access::Retention`] the [`Policy`](roadstead_storage::tables::retention::Policy) and the
    /// [`Project`], among the request's extensions. What it takes and gives is added to the description that is returned.
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
        let door = middleware::from_fn_with_state(
            (self.api.clone(), self.courtesy.clone(), access),
            enter,
        );
        let route = MethodRouter::new().on(filter, handler).layer(door);
        let known = self.paths.remove(&path).unwrap_or_default();
        self.paths.insert(path.clone(), known.merge(route));
        let at = self.entries.len();
        self.entries.push(RouteEntry { method: method.clone(), path, access, description });
        &mut self.entries[at].description
    }

    /// The router, with the document of its routes at `openapi.json`.
    pub(crate) fn finish(self) -> (Router, Vec<RouteEntry>) {
        let served = axum::routing::get(async || ([(CONTENT_TYPE, "application/json")], DOCUMENT));
        let mut router = Router::new().route(&format!("{BASE}/openapi.json"), served);
        for (path, methods) in self.paths {
            let methods = methods.fallback(wrong_method);
            // Clients write some paths with a slash at the end, and some without.
            let other = path.strip_suffix('/').map_or_else(|| format!("{path}/"), str::to_owned);
            router = router.route(&path, methods.clone()).route(&other, methods);
        }
        #[cfg(debug_assertions)]
        let router = super::watch::over(router, &self.entries);
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
