//! The administration API, `/api/v2.0`, in Harbor's wire format.
//!
//! One file per resource: its types, its handlers, its routes. Every route states the permission
//! it needs where it is registered, and `guard` checks it before the handler runs.

mod artifact_labels;
mod artifacts;
mod audit_logs;
mod body;
mod cli_secret;
#[cfg(test)]
mod compatibility;
mod configurations;
mod courtesy;
mod deleted;
mod executions;
mod failure;
mod filter;
mod gc;
mod guard;
mod immutable_rules;
mod jobservice;
mod labels;
mod later;
mod ldap;
mod members;
mod oidc;
mod openapi;
mod page;
mod permissions;
mod personal_tokens;
mod project_metadata;
mod projects;
mod purge;
mod quotas;
mod repositories;
mod retentions;
mod robot_permissions;
mod robots;
mod roles;
mod search;
mod statistics;
mod system;
mod system_cve_allowlist;
mod tag_history;
mod user_groups;
mod users;
mod webhooks;

use std::sync::Arc;

use axum::Router;
use roadstead_auth::Auth;
use roadstead_model::Clock;
use roadstead_registry::Registry;
use roadstead_storage::{Blobs, Db};

pub use guard::{Access, RouteEntry};

/// Where the API lives.
const BASE: &str = "/api/v2.0";

/// What registers the routes of each resource.
const RESOURCES: &[fn(&mut guard::Routes)] = &[
    artifacts::register,
    artifact_labels::register,
    audit_logs::register,
    cli_secret::register,
    configurations::register,
    deleted::register,
    immutable_rules::register,
    jobservice::register,
    labels::register,
    later::register,
    ldap::register,
    members::register,
    oidc::register,
    permissions::register,
    personal_tokens::register,
    project_metadata::register,
    projects::register,
    gc::register,
    purge::register,
    quotas::register,
    repositories::register,
    retentions::register,
    robots::register,
    roles::register,
    search::register,
    statistics::register,
    system::register,
    system_cve_allowlist::register,
    tag_history::register,
    user_groups::register,
    users::register,
    webhooks::register,
];

/// What the API stands on.
#[derive(Clone)]
pub struct Parts {
    /// The database.
    pub db: Db,
    /// Who is calling.
    pub auth: Auth,
    /// The content of projects.
    pub registry: Registry,
    /// Where the bytes of blobs are.
    pub blobs: Blobs,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The address that clients reach the server at, as configured.
    pub external_url: Arc<str>,
    /// The certificate, in PEM, that clients must trust to reach the server, where it is none that
    /// systems trust anyway.
    pub ca: Option<Arc<str>>,
}

/// What the handlers work with.
pub(crate) type Api = Arc<Parts>;

/// The routes of the API, and a list of them with what each requires. `Origin` is expected among
/// the request's extensions.
pub fn routes(api: Parts) -> (Router, Vec<RouteEntry>) {
    let mut routes = guard::Routes::new(Arc::new(api));
    for register in RESOURCES {
        register(&mut routes);
    }
    routes.finish()
}

/// The document of the API, as `openapi.json` in `docs/` has it.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn openapi_json(entries: &[RouteEntry]) -> serde_json::Result<String> {
    openapi::document(entries).to_pretty_json().map(|text| text + "\n")
}

impl Parts {
    /// Whether an administrator has forbidden every change.
    pub(crate) async fn is_read_only(&self) -> Result<bool, failure::Failure> {
        Ok(self.auth.configuration().await?.is_on("read_only"))
    }
}

#[cfg(test)]
mod tests {
    use roadstead_auth::SecretKey;
    use roadstead_model::SystemClock;
    use roadstead_registry::Limits;

    use super::*;

    async fn registered() -> Vec<RouteEntry> {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("test.db").display());
        let db = Db::open(&url, 1).await.unwrap();
        let blobs = Blobs::open(directory.path().join("blobs")).await.unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (secret, url) = (SecretKey::generate().unwrap(), "http://localhost");
        let auth = Auth::new(db.clone(), &secret, clock.clone(), url).await.unwrap();
        let registry = Registry::new(db.clone(), blobs.clone(), clock.clone(), Limits::default());
        let registry = registry.await.unwrap();
        let external_url = url.into();
        routes(Parts { db, auth, registry, blobs, clock, external_url, ca: None }).1
    }

    /// Compares, or with `ROADSTEAD_UPDATE=1` writes.
    fn compare(path: &str, made: &str) {
        if std::env::var_os("ROADSTEAD_UPDATE").is_some() {
            std::fs::write(path, made).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == made, "{path} is not what the routes say: `make openapi`");
    }

    /// A change of the document is a change of the API, or of who may use it, and is read as one.
    #[tokio::test]
    async fn the_document_in_docs_says_what_the_routes_are() {
        let made = openapi_json(&registered().await).unwrap();
        compare(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json"), &made);
    }

    #[tokio::test]
    async fn the_table_in_docs_says_which_of_harbors_operations_are_served() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/harbor-compatibility.md");
        let before = std::fs::read_to_string(path).unwrap();
        compare(path, &compatibility::written_into(&before, &registered().await));
    }
}
