//! What was deleted and can be brought back. Harbor has nothing like it; paths, lists and errors
//! follow its conventions.

mod artifacts;
mod policy;
mod repositories;
mod tags;

use http::Method;
use roadstead_auth::{Caller, Grant};
use roadstead_model::{Permission, RepositoryName, Resource};
use roadstead_registry::Restored;
use roadstead_storage::Conn;
use serde::Serialize;
use utoipa::ToSchema;

use crate::failure::Failure;
use crate::guard::{Access, Routes, permission, refuse};
use crate::openapi::Description;
use crate::{Api, BASE};

fn about(id: &'static str, summary: &'static str) -> Description {
    Description::new(id, "undelete", summary)
}

pub(crate) fn register(routes: &mut Routes) {
    policy::register(routes);
    artifacts::register(routes);
    tags::register(routes);
    repositories::register(routes);
}

/// What came back.
#[derive(Debug, Serialize, ToSchema)]
struct Restoration {
    /// How many artifacts, with those that an index names and those that belong to one.
    artifacts: usize,
    /// Their tags.
    tags: Vec<String>,
    /// Tags that name something else by now, and were left as they are.
    tags_taken: Vec<String>,
}

impl From<Restored> for Restoration {
    fn from(Restored { artifacts, tags, taken }: Restored) -> Self {
        Self { artifacts, tags, tags_taken: taken }
    }
}

/// What the caller may do in the repository that something was deleted in. A role may be limited to
/// other repositories of the project.
async fn granted(
    api: &Api,
    mut conn: Conn,
    caller: &Caller,
    repository: &str,
    needs: Permission,
) -> Result<Grant, Failure> {
    let gone = |_| Failure::not_found(format!("repository {repository} not found"));
    let name: RepositoryName = repository.parse().map_err(gone)?;
    let grant = caller.require_to(&mut conn, &name, needs).await?;
    drop(conn);
    match grant {
        Ok(grant) => Ok(grant),
        Err(refusal) => {
            let path = format!("{BASE}/projects/{}/deleted", name.project());
            Err(refuse(api, caller, &Method::POST, &path, refusal).await)
        }
    }
}

fn missing(what: &str, id: i64) -> Failure {
    Failure::not_found(format!("deleted {what} {id} not found: it is kept no longer"))
}

fn listed(resource: Resource) -> Access {
    Access::Project(permission(resource, roadstead_model::Action::List))
}
