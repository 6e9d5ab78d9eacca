//! Which digests the tags of a repository named, and who moved them when. Harbor has nothing like it.

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use http::{Method, Uri};
use roadstead_model::{Action, RepositoryName, Resource};
use roadstead_storage::tables::project::Project;
use roadstead_storage::tables::tag_history::{self, Moved};
use serde::Serialize;
use utoipa::ToSchema;

use crate::Api;
use crate::failure::Failure;
use crate::filter::{Column, Kind, filters, sorting};
use crate::guard::{Access, Routes, permission};
use crate::openapi::Description;
use crate::page::ListQuery;

const COLUMNS: &[Column] = &[
    Column::new("id", "id", Kind::Integer),
    Column::new("tag", "tag", Kind::Text),
    Column::new("old_digest", "old_digest", Kind::Text),
    Column::new("new_digest", "new_digest", Kind::Text),
    Column::new("username", "moved_by", Kind::Text),
    Column::new("op_time", "moved_at", Kind::Time),
];

pub(crate) fn register(routes: &mut Routes) {
    let path = "/projects/{project_name}/repositories/{repository_name}/tag_history";
    let access = Access::Repository(permission(Resource::Tag, Action::List));
    let summary = "List which digests the tags of a repository named, and who moved them when";
    let description = Description::new("listTagHistory", "undelete", summary);
    routes.add(&Method::GET, path, access, list, description).listed().answers_list::<TagMove>();
}

/// A tag that began to name something else.
#[derive(Debug, Serialize, ToSchema)]
struct TagMove {
    id: i64,
    tag: String,
    /// What it named; left out when it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    old_digest: Option<String>,
    /// What it named from then on; left out when it was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    new_digest: Option<String>,
    username: String,
    op_time: String,
}

impl From<Moved> for TagMove {
    fn from(moved: Moved) -> Self {
        Self {
            id: moved.id,
            tag: moved.tag,
            old_digest: moved.from,
            new_digest: moved.to,
            username: moved.by,
            op_time: moved.at.rfc3339(),
        }
    }
}

/// The repository may be gone; its history is not.
async fn list(
    State(api): State<Api>,
    Extension(project): Extension<Project>,
    Extension(name): Extension<RepositoryName>,
    uri: Uri,
) -> Result<Response, Failure> {
    let query = ListQuery::parse(uri.query().unwrap_or_default())?;
    let mut order = sorting(&query, COLUMNS)?;
    order.push(("id", true));
    let conditions = filters(&query, COLUMNS)?.conditions;
    let mut conn = api.db.read().await?;
    let name = name.as_str();
    let total = tag_history::count(&mut conn, project.id, name, &conditions).await?;
    let page = (query.limit(), query.offset());
    let found = tag_history::list(&mut conn, project.id, name, &conditions, &order, page).await?;
    let answers: Vec<TagMove> = found.into_iter().map(TagMove::from).collect();
    Ok(query.answer(uri.path(), total, &answers))
}
