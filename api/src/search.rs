//! Projects and repositories by a part of their names.

use axum::extract::{RawQuery, State};
use axum::{Extension, Json};
use http::Method;
use roadstead_auth::Caller;
use roadstead_storage::tables::repository::Repository;
use roadstead_storage::tables::{project, repository};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::Type;

use crate::Api;
use crate::failure::Failure;
use crate::guard::{Access, Routes};
use crate::openapi::Description;
use crate::page::ListQuery;
use crate::projects::{ProjectAnswer, answers};

/// The most entries of each list: the answer has no pages.
const MOST: i64 = 1000;

pub(crate) fn register(routes: &mut Routes) {
    let description =
        Description::new("search", "search", "Find projects and repositories by their names");
    routes
        .add(&Method::GET, "/search", Access::Anyone, search, description)
        .needs_query("q", Type::String)
        .answers::<Search>();
}

/// Harbor's `Search`.
#[derive(Serialize, ToSchema)]
struct Search {
    project: Vec<ProjectAnswer>,
    repository: Vec<SearchRepository>,
}

/// Harbor's `SearchRepository`.
#[derive(Debug, Serialize, ToSchema)]
struct SearchRepository {
    project_id: i64,
    project_name: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    project_public: bool,
    repository_name: String,
    artifact_count: i64,
}

impl From<Repository> for SearchRepository {
    fn from(found: Repository) -> Self {
        Self {
            project_id: found.project.0,
            project_name: found.project_name,
            project_public: found.public,
            repository_name: found.name,
            artifact_count: found.artifacts,
        }
    }
}

async fn search(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Result<Json<Search>, Failure> {
    let query = ListQuery::parse(&query.unwrap_or_default())?;
    let part = query.get("q").ok_or_else(|| Failure::unprocessable("q in query is required"))?;
    let viewer = caller.viewer();
    let mut conn = api.db.read().await?;
    let filter =
        project::Filter { name: Some(part), order: &[("p.name", false)], ..Default::default() };
    let projects = project::list(&mut conn, viewer, filter, MOST, 0).await?;
    let filter =
        repository::Filter { name: part, order: &[("r.name", false)], ..Default::default() };
    let repositories = repository::list(&mut conn, viewer, filter, MOST, 0).await?;
    Ok(Json(Search {
        project: answers(&mut conn, &caller, projects, true).await?,
        repository: repositories.into_iter().map(SearchRepository::from).collect(),
    }))
}
