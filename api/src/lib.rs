//! The administration API, `/api/v2.0`, in Harbor's wire format.
//!
//! One file per resource: its types, its handlers, its routes. Every route states the permission
//! it needs where it is registered, and `guard` checks it before the handler runs.

mod failure;
#[cfg_attr(not(test), expect(dead_code, reason = "no list offers it yet"))]
mod filter;
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

#[cfg(test)]
mod tests {
    use roadstead_auth::SecretKey;
    use roadstead_model::SystemClock;

    use super::*;

    #[tokio::test]
    async fn every_route_and_what_it_requires_is_listed_here() {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("test.db").display());
        let db = Db::open(&url, 1).await.unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let secret = SecretKey::generate().unwrap();
        let auth = Auth::new(db.clone(), &secret, clock.clone()).await.unwrap();
        let (_, entries) = routes(db, auth, clock, "http://localhost");
        let line = |entry: RouteEntry| {
            let access = match entry.access {
                Access::Anyone => "anyone".to_owned(),
                Access::Login => "login".to_owned(),
                Access::System(p) => format!("system {}:{}", p.resource.name(), p.action),
                Access::Project(p) => format!("project {}:{}", p.resource.name(), p.action),
            };
            format!("{} {} {access}", entry.method, entry.path.trim_start_matches(BASE))
        };
        let mut lines: Vec<String> = entries.into_iter().map(line).collect();
        lines.sort();
        // A route that is added here is added to the walk of tests/tests/access.rs as well.
        let expected = [
            "GET /health anyone",
            "GET /ping anyone",
            "GET /projects anyone",
            "GET /projects/{project_name_or_id} project project:read",
            "GET /systeminfo anyone",
            "GET /users system user:list",
            "GET /users/current login",
            "HEAD /projects login",
            "POST /projects login",
            "POST /users system user:create",
            "PUT /users/{user_id}/password login",
        ];
        assert_eq!(lines, expected);
    }
}
