//! The administration API, `/api/v2.0`, in Harbor's wire format.
//!
//! One file per resource: its types, its handlers, its routes. Every route states the permission
//! it needs where it is registered, and `guard` checks it before the handler runs.

mod failure;
mod guard;
mod page;
mod projects;
mod system;
mod users;

use std::sync::Arc;

use axum::Router;
use roadstead_auth::Auth;
use roadstead_model::Clock;
use roadstead_storage::Db;

pub use guard::{Access, RouteEntry};

/// Where the API lives.
const BASE: &str = "/api/v2.0";

/// What the handlers work with.
#[derive(Clone)]
pub(crate) struct Api {
    db: Db,
    auth: Auth,
    clock: Arc<dyn Clock>,
    /// The address that clients reach the server at, as configured.
    external_url: Arc<str>,
}

/// The routes of the API, and a list of them with what each requires. `Origin` is expected among
/// the request's extensions.
pub fn routes(
    db: Db,
    auth: Auth,
    clock: Arc<dyn Clock>,
    external_url: &str,
) -> (Router, Vec<RouteEntry>) {
    let api = Api { db, auth, clock, external_url: external_url.into() };
    let mut routes = guard::Routes::new(api);
    projects::register(&mut routes);
    users::register(&mut routes);
    system::register(&mut routes);
    routes.finish()
}
