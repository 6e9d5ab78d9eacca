//! Copying an artifact from another repository.

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use http::header::LOCATION;
use http::{Method, StatusCode, Uri};
use roadstead_auth::Caller;
use roadstead_model::{Action, Permission, RepositoryName, Resource};
use utoipa::openapi::schema::Type;

use super::{ALL, named};
use crate::Api;
use crate::failure::Failure;
use crate::guard::{Access, Routes, permission};
use crate::openapi::Description;
use crate::page::ListQuery;

const CREATE: Permission = permission(Resource::Artifact, Action::Create);
const READ: Permission = permission(Resource::Artifact, Action::Read);

pub(super) fn register(routes: &mut Routes) {
    let summary = "Copy an artifact from another repository, with its tags and what belongs to it";
    let description = Description::new("CopyArtifact", "artifact", summary);
    routes
        .add(&Method::POST, ALL, Access::Repository(CREATE), copy, description)
        .needs_query("from", Type::String)
        .status(201)
        .fails(&[409, 412]);
}

/// `project/repository:tag` or `project/repository@digest`.
fn source(from: &str) -> Option<(RepositoryName, &str)> {
    let (name, reference) = match from.split_once('@') {
        Some(parts) => parts,
        None => from.rsplit_once(':')?,
    };
    Some((name.parse().ok()?, reference)).filter(|(_, reference)| !reference.is_empty())
}

async fn copy(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(name): Extension<RepositoryName>,
    RawQuery(query): RawQuery,
    uri: Uri,
) -> Result<Response, Failure> {
    let query = ListQuery::parse(&query.unwrap_or_default())?;
    let from = query.get("from").filter(|from| !from.is_empty());
    let from = from.ok_or_else(|| Failure::unprocessable("from in query is required"))?;
    let unclear = || Failure::bad_request("from must be project/repository:tag or ...@digest");
    let (source, reference) = source(from).ok_or_else(unclear)?;
    let mut conn = api.db.read().await?;
    let may_read = caller.require_to(&mut conn, &source, READ).await?;
    may_read.map_err(Failure::refused)?;
    let found = named(&mut conn, &source, reference).await?;
    if found.accessory_of.is_some() {
        return Err(Failure::denied("what belongs to another artifact is copied with that"));
    }
    let grant = caller.require_to(&mut conn, &name, CREATE).await?;
    drop(conn);
    let grant = grant.map_err(Failure::refused)?;
    api.registry.copy_artifact(&grant, found.repository, &found.digest).await?;
    let location = format!("{}/{}", uri.path(), found.digest);
    Ok((StatusCode::CREATED, [(LOCATION, location)]).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_names_a_repository_and_a_tag_or_digest() {
        let read = |from| source(from).map(|(name, reference)| (name.to_string(), reference));
        assert_eq!(read("a/b:v1"), Some(("a/b".to_owned(), "v1")));
        assert_eq!(read("a/b/c@sha256:x"), Some(("a/b/c".to_owned(), "sha256:x")));
        for bad in ["", "a/b", "a/b:", ":v1", "A/B:v1", "a/b@"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
