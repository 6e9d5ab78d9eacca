//! Artifacts: what repositories have.

use std::collections::HashMap;

use axum::extract::{Path, State};
use axum::response::Response;
use axum::{Extension, Json};
use http::{Method, StatusCode, Uri};
use roadstead_auth::Caller;
use roadstead_model::{Action, Reference, RepositoryId, RepositoryName, Resource};
use roadstead_storage::Conn;
use roadstead_storage::tables::artifact::{self, Artifact, Of};
use roadstead_storage::tables::manifest;
use roadstead_storage::tables::paged::Slice;
use roadstead_storage::tables::project::Project;
use roadstead_storage::tables::repository;
use utoipa::openapi::schema::Type;

use crate::Api;
use crate::failure::Failure;
use crate::guard::{Access, Routes, permission, truthy};
use crate::openapi::Description;
use crate::page::ListQuery;

mod accessories;
mod additions;
mod copy;
mod dress;
mod selection;
mod shapes;
mod tags;

pub(crate) use additions::NAMES as ADDITIONS;
use dress::With;
use selection::Selection;
use shapes::ArtifactAnswer;

const ALL: &str = "/projects/{project_name}/repositories/{repository_name}/artifacts";
const ONE: &str = "/projects/{project_name}/repositories/{repository_name}/artifacts/{reference}";

/// How many artifacts a list has that is asked for without a limit.
const MOST: i64 = 500;

/// Flags that a list takes, each of which shows more.
const FLAGS: [&str; 7] = [
    "with_tag",
    "with_label",
    "with_scan_overview",
    "with_sbom_overview",
    "with_immutable_status",
    "with_accessory",
    "with_inherited_accessory",
];

pub(crate) fn register(routes: &mut Routes) {
    let access = |action| Access::Repository(permission(Resource::Artifact, action));
    let about = |id, summary| Description::new(id, "artifact", summary);
    let description = about("listArtifacts", "List the artifacts of a repository");
    let described = routes.add(&Method::GET, ALL, access(Action::List), list, description);
    flags(described.listed()).answers_list::<ArtifactAnswer>();
    let description = about("getArtifact", "Find an artifact by a tag or its digest");
    let described = routes.add(&Method::GET, ONE, access(Action::Read), get, description);
    flags(described.paged()).query("with_signature", Type::Boolean).answers::<ArtifactAnswer>();
    let description = about("deleteArtifact", "Delete an artifact with all its tags");
    routes.add(&Method::DELETE, ONE, access(Action::Delete), delete, description).fails(&[412]);
    let of_project = "/projects/{project_name_or_id}/artifacts";
    let description =
        Description::new("listArtifactsOfProject", "project", "List the artifacts of a project");
    let listed = Access::Project(permission(Resource::Artifact, Action::List));
    let described = routes.add(&Method::GET, of_project, listed, list_of_project, description);
    flags(described.listed())
        .query("latest_in_repository", Type::Boolean)
        .answers_list::<ArtifactAnswer>();
    tags::register(routes);
    accessories::register(routes);
    additions::register(routes);
    copy::register(routes);
}

fn flags(description: &mut Description) -> &mut Description {
    FLAGS.iter().fold(description, |description, flag| description.query(flag, Type::Boolean))
}

/// The repository that a path names.
async fn repository_of(conn: &mut Conn, name: &RepositoryName) -> Result<RepositoryId, Failure> {
    let found = repository::find_id(conn, name).await?;
    found.ok_or_else(|| Failure::not_found(format!("repository {name} not found")))
}

/// The artifact that a path names, whether lists have it or not.
pub(crate) async fn named(
    conn: &mut Conn,
    name: &RepositoryName,
    reference: &str,
) -> Result<Artifact, Failure> {
    let repository = repository_of(conn, name).await?;
    let missing = || Failure::not_found(format!("artifact {name}:{reference} not found"));
    let found = match reference.parse() {
        Ok(Reference::Tag(tag)) => manifest::find_tagged(conn, repository, &tag).await?,
        Ok(Reference::Digest(digest)) => manifest::find(conn, repository, &digest).await?,
        Err(_) => None,
    };
    let id = found.ok_or_else(missing)?.id;
    artifact::find(conn, id).await?.ok_or_else(missing)
}

/// The `{reference}` of a path.
pub(crate) fn reference_in(parameters: &HashMap<String, String>) -> &str {
    parameters.get("reference").map_or("", String::as_str)
}

async fn list(
    State(api): State<Api>,
    Extension(name): Extension<RepositoryName>,
    uri: Uri,
) -> Result<Response, Failure> {
    // A repository that is not there has no artifacts, as in Harbor.
    let found = repository::find_id(&mut api.db.read().await?, &name).await?;
    answer(&api, Of::Repository(found.unwrap_or(RepositoryId(0))), &uri).await
}

/// Of a project in which the caller has a role for some repositories, the artifacts of those.
async fn list_of_project(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(project): Extension<Project>,
    uri: Uri,
) -> Result<Response, Failure> {
    caller.require_login().map_err(Failure::refused)?;
    answer(&api, Of::Project(project.id, caller.viewer()), &uri).await
}

async fn answer(api: &Api, of: Of, uri: &Uri) -> Result<Response, Failure> {
    let query = ListQuery::parse(uri.query().unwrap_or_default())?;
    let selection = Selection::read(&query)?;
    let filter = selection.filter(of);
    let slice = Slice { limit: query.limit().min(MOST), ..query.slice() };
    // One state for both, so that the total belongs to the page.
    let mut snapshot = api.db.snapshot().await?;
    let (total, found) = artifact::page(&mut snapshot, filter, slice).await?;
    drop(snapshot);
    let answers = dress::dress(api, found, With::read(&query)).await?;
    Ok(query.answer(uri.path(), total, &answers))
}

async fn get(
    State(api): State<Api>,
    Extension(name): Extension<RepositoryName>,
    Path(parameters): Path<HashMap<String, String>>,
    uri: Uri,
) -> Result<Json<ArtifactAnswer>, Failure> {
    let query = ListQuery::parse(uri.query().unwrap_or_default())?;
    let reference = reference_in(&parameters);
    let found = named(&mut api.db.read().await?, &name, reference).await?;
    let mut answers = dress::dress(&api, vec![found], With::read(&query)).await?;
    let missing = || Failure::not_found(format!("artifact {name}:{reference} not found"));
    answers.pop().map(Json).ok_or_else(missing)
}

async fn delete(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(name): Extension<RepositoryName>,
    Path(parameters): Path<HashMap<String, String>>,
) -> Result<StatusCode, Failure> {
    let mut conn = api.db.read().await?;
    let found = named(&mut conn, &name, reference_in(&parameters)).await?;
    let delete = permission(Resource::Artifact, Action::Delete);
    let grant = caller.require_to(&mut conn, &name, delete).await?;
    drop(conn);
    let grant = grant.map_err(Failure::refused)?;
    api.registry.delete_artifact(&grant, &found.digest).await?;
    Ok(StatusCode::OK)
}

/// Whether a flag of the query is set; `otherwise` when it is not there.
fn flag(query: &ListQuery, name: &str, otherwise: bool) -> bool {
    query.get(name).map_or(otherwise, |value| truthy(value.as_bytes()))
}
