//! Labels, of a project or of all of them.

use std::collections::HashMap;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use http::header::LOCATION;
use http::{Method, StatusCode, Uri};
use roadstead_auth::{Caller, Refusal};
use roadstead_model::{Action, ManifestId, ProjectId, Resource, Timestamp};
use roadstead_storage::tables::audit::{self, Event};
use roadstead_storage::tables::label::{self, Label, Text};
use roadstead_storage::{Condition, Conn, Error as StorageError, Test, Tx};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::Type;

use crate::body::{Body, null_as_default};
use crate::failure::Failure;
use crate::filter::{Column, Kind, filters, sorting};
use crate::guard::{Access, Routes, permission, permitted_project, refuse, require_of_labels};
use crate::openapi::Description;
use crate::page::ListQuery;
use crate::{Api, BASE};

/// Harbor's words for where a label belongs.
const OF_ALL: &str = "g";
const OF_PROJECT: &str = "p";

/// The longest name and color, in characters, as in Harbor, and description, in bytes.
const LONGEST_NAME: usize = 128;
const LONGEST_COLOR: usize = 16;
const LONGEST_DESCRIPTION: usize = 65_536;

const NAME: &str = "l.name";
const COLUMNS: &[Column] = &[
    Column::new("id", "l.id", Kind::Integer),
    Column::new("name", NAME, Kind::Text),
    Column::new("description", "l.description", Kind::Text),
    Column::new("color", "l.color", Kind::Text),
    Column::new("creation_time", "l.created_at", Kind::Time),
    Column::new("update_time", "l.updated_at", Kind::Time),
];

pub(crate) fn register(routes: &mut Routes) {
    let one = "/labels/{label_id}";
    let about = |id, summary| Description::new(id, "label", summary);
    let description = about("ListLabels", "List the labels of a project, or of all projects");
    routes
        .add(&Method::GET, "/labels", Access::Anyone, list, description)
        .listed()
        .query("name", Type::String)
        .query("scope", Type::String)
        .query("project_id", Type::Integer)
        .answers_list::<LabelAnswer>()
        .fails(&[403, 404]);
    let description = about("CreateLabel", "Make a label");
    routes
        .add(&Method::POST, "/labels", Access::Login, create, description)
        .accepts::<LabelReq>()
        .status(201)
        .fails(&[404, 409]);
    let description = about("GetLabelByID", "Find a label");
    routes
        .add(&Method::GET, one, Access::Label(Action::Read), get, description)
        .answers::<LabelAnswer>();
    let description = about("UpdateLabel", "Change the words and the color of a label");
    routes
        .add(&Method::PUT, one, Access::Label(Action::Update), update, description)
        .accepts::<LabelReq>()
        .fails(&[409]);
    let description = about("DeleteLabel", "Delete a label, also from what carries it");
    routes.add(&Method::DELETE, one, Access::Label(Action::Delete), delete, description);
}

/// What is read of Harbor's `Label`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = LabelUpdate)]
#[serde(default)]
#[schema(example = json!({"name": "release", "color": "#48960C", "scope": "g"}))]
pub(crate) struct LabelReq {
    /// Which label an artifact is to carry; otherwise not read.
    #[serde(deserialize_with = "null_as_default")]
    pub(crate) id: i64,
    #[serde(deserialize_with = "null_as_default")]
    name: String,
    #[serde(deserialize_with = "null_as_default")]
    description: String,
    #[serde(deserialize_with = "null_as_default")]
    color: String,
    /// `g` for a label of all projects, `p` for one of a project; it cannot be changed.
    #[serde(deserialize_with = "null_as_default")]
    scope: String,
    #[serde(deserialize_with = "null_as_default")]
    project_id: i64,
}

impl LabelReq {
    fn checked(&self) -> Result<Text<'_>, Failure> {
        let Self { name, description, color, .. } = self;
        let wrong = if name.is_empty() || name.chars().count() > LONGEST_NAME {
            format!("name must have 1 to {LONGEST_NAME} characters")
        } else if color.chars().count() > LONGEST_COLOR {
            format!("color must have at most {LONGEST_COLOR} characters")
        } else if description.len() > LONGEST_DESCRIPTION {
            format!("description must have at most {LONGEST_DESCRIPTION} bytes")
        } else if [name, description, color].iter().any(|text| text.contains('\0')) {
            "a label has no NUL in its texts".to_owned()
        } else {
            return Ok(Text { name, description, color });
        };
        Err(Failure::bad_request(wrong))
    }
}

/// Harbor's `Label`.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Label)]
pub(crate) struct LabelAnswer {
    id: i64,
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    color: String,
    scope: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    project_id: Option<i64>,
    creation_time: String,
    update_time: String,
}

impl From<Label> for LabelAnswer {
    fn from(label: Label) -> Self {
        Self {
            id: label.id,
            name: label.name,
            description: label.description,
            color: label.color,
            scope: if label.project.is_some() { OF_PROJECT } else { OF_ALL },
            project_id: label.project.map(|project| project.0),
            creation_time: label.created_at.rfc3339(),
            update_time: label.updated_at.rfc3339(),
        }
    }
}

/// What some artifacts carry; those that carry nothing are left out.
pub(crate) async fn of_artifacts(
    conn: &mut Conn,
    ids: &[ManifestId],
) -> Result<HashMap<ManifestId, Vec<LabelAnswer>>, Failure> {
    let found = label::of_manifests(conn, ids).await?;
    let answers = |labels: Vec<Label>| labels.into_iter().map(LabelAnswer::from).collect();
    Ok(found.into_iter().map(|(id, labels)| (id, answers(labels))).collect())
}

/// Where a request is about labels: a project, or None for those of all projects. The caller must
/// be allowed `action` there, but for lists of the latter, which are everybody's.
async fn place(
    conn: &mut Conn,
    caller: &Caller,
    action: Action,
    scope: &str,
    project: i64,
) -> Result<Result<Option<ProjectId>, Refusal>, Failure> {
    match scope {
        OF_ALL if action == Action::List => Ok(Ok(None)),
        OF_ALL => Ok(require_of_labels(conn, caller, None, action).await?.map(|()| None)),
        OF_PROJECT if project > 0 => {
            let permission = permission(Resource::Label, action);
            let key = project.to_string();
            let found = permitted_project(conn, caller, permission, &key, false).await?;
            Ok(found.map(|project| Some(project.id)))
        }
        OF_PROJECT => Err(Failure::bad_request("labels of a project need its project_id")),
        _ => Err(Failure::bad_request("scope must be g or p")),
    }
}

async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let query = ListQuery::parse(&query.unwrap_or_default())?;
    let project = match query.get("project_id") {
        None | Some("") => 0,
        Some(text) => {
            text.parse().map_err(|_| Failure::unprocessable("project_id must be a whole number"))?
        }
    };
    let mut order = sorting(&query, COLUMNS)?;
    if order.is_empty() {
        order.push((NAME, false));
    }
    order.push(("l.id", false));
    let mut conditions = filters(&query, COLUMNS)?.conditions;
    if let Some(name) = query.get("name").filter(|name| !name.is_empty()) {
        conditions.push(Condition { column: NAME, test: Test::Contains(name.to_owned()) });
    }
    let scope = query.get("scope").unwrap_or_default();
    let mut conn = api.db.read().await?;
    let place = place(&mut conn, &caller, Action::List, scope, project).await?;
    let place = place.map_err(Failure::refused)?;
    let total = label::count(&mut conn, place, &conditions).await?;
    let (limit, offset) = (query.limit(), query.offset());
    let found = label::list(&mut conn, place, &conditions, &order, limit, offset).await?;
    let answers: Vec<LabelAnswer> = found.into_iter().map(LabelAnswer::from).collect();
    Ok(query.answer(uri.path(), total, &answers))
}

async fn create(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Body(request): Body<LabelReq>,
) -> Result<Response, Failure> {
    let mut conn = api.db.read().await?;
    let (scope, project) = (request.scope.as_str(), request.project_id);
    let place = place(&mut conn, &caller, Action::Create, scope, project).await?;
    // Writing a refusal down takes a connection.
    drop(conn);
    let project = match place {
        Ok(project) => project,
        Err(refusal) => {
            let path = format!("{BASE}/labels");
            return Err(refuse(&api, &caller, &Method::POST, &path, refusal).await);
        }
    };
    let text = request.checked()?;
    let now = api.clock.now();
    let mut tx = api.db.begin().await?;
    let made = label::insert(&mut tx, project, text, now).await;
    let id = made.map_err(|error| conflict(error, text.name))?;
    record(&mut tx, &caller, project, text.name, "create", now).await?;
    tx.commit().await?;
    let location = format!("{BASE}/labels/{id}");
    Ok((StatusCode::CREATED, [(LOCATION, location)]).into_response())
}

fn conflict(error: StorageError, name: &str) -> Failure {
    match error {
        StorageError::Conflict => Failure::conflict(format!("there is a label {name} already")),
        StorageError::Reference => Failure::not_found("the project is gone"),
        other => other.into(),
    }
}

fn gone(id: i64) -> Failure {
    Failure::not_found(format!("label {id} not found"))
}

async fn get(Extension(label): Extension<Label>) -> Json<LabelAnswer> {
    Json(label.into())
}

async fn update(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(before): Extension<Label>,
    Body(request): Body<LabelReq>,
) -> Result<StatusCode, Failure> {
    let text = request.checked()?;
    let now = api.clock.now();
    let mut tx = api.db.begin().await?;
    let changed = label::update(&mut tx, before.id, text, now).await;
    if !changed.map_err(|error| conflict(error, text.name))? {
        return Err(gone(before.id));
    }
    record(&mut tx, &caller, before.project, text.name, "update", now).await?;
    tx.commit().await?;
    Ok(StatusCode::OK)
}

async fn delete(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(before): Extension<Label>,
) -> Result<StatusCode, Failure> {
    let now = api.clock.now();
    let mut tx = api.db.begin().await?;
    if !label::remove(&mut tx, before.id).await? {
        return Err(gone(before.id));
    }
    record(&mut tx, &caller, before.project, &before.name, "delete", now).await?;
    tx.commit().await?;
    Ok(StatusCode::OK)
}

async fn record(
    tx: &mut Tx,
    caller: &Caller,
    project: Option<ProjectId>,
    name: &str,
    operation: &'static str,
    now: Timestamp,
) -> Result<(), Failure> {
    let event = Event { project, ..Event::of("label", name, operation) };
    Ok(audit::record(tx, caller.actor(), event, now).await?)
}
