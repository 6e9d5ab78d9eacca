//! Storage limits of projects. A quota's id is its project's.

use std::collections::{BTreeMap, HashMap};

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use axum::{Extension, Json};
use http::{Method, StatusCode};
use roadstead_auth::Caller;
use roadstead_model::{Action, ProjectId, Resource};
use roadstead_storage::tables::audit::{self, Event};
use roadstead_storage::tables::usage::{self, Usage};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::Type;

use crate::body::Body;
use crate::failure::Failure;
use crate::filter::{Column, Kind, sorting};
use crate::guard::{Access, Routes, number, permission};
use crate::openapi::Description;
use crate::page::ListQuery;
use crate::{Api, BASE};

/// A limit that is none.
pub(crate) const UNLIMITED: i64 = -1;
/// The highest limit, 1 PiB, in bytes.
const MOST_BYTES: i64 = 1 << 50;
/// The only resource that is counted.
const STORAGE: &str = "storage";

const COLUMNS: &[Column] = &[
    Column::new("hard.storage", "u.quota", Kind::Integer),
    Column::new("used.storage", "u.used", Kind::Integer),
    Column::new("id", "u.project_id", Kind::Integer),
    Column::new("creation_time", "p.created_at", Kind::Time),
];

pub(crate) fn register(routes: &mut Routes) {
    let one = "/quotas/{id}";
    let access = |action| Access::System(permission(Resource::Quota, action));
    let about = |id, summary| Description::new(id, "quota", summary);
    let description = about("listQuotas", "List the storage limits of projects");
    routes
        .add(&Method::GET, "/quotas", access(Action::List), list, description)
        .paged()
        .query("sort", Type::String)
        .query("reference", Type::String)
        .query("reference_id", Type::String)
        .answers_list::<Quota>();
    let description = about("getQuota", "Find the storage limit of a project");
    routes.add(&Method::GET, one, access(Action::Read), get, description).answers::<Quota>();
    let description = about("updateQuota", "Change the storage limit of a project");
    routes
        .add(&Method::PUT, one, access(Action::Update), update, description)
        .accepts::<QuotaUpdateReq>();
}

/// Harbor's `ResourceList` of storage, in bytes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ResourceList)]
pub(crate) struct Storage {
    storage: i64,
}

impl Storage {
    /// So many bytes.
    pub(crate) const fn of(storage: i64) -> Self {
        Self { storage }
    }
}

/// Harbor's `Quota`.
#[derive(Debug, Serialize, ToSchema)]
struct Quota {
    id: i64,
    #[serde(rename = "ref")]
    reference: QuotaRefObject,
    hard: Storage,
    used: Storage,
    creation_time: String,
    update_time: String,
}

/// Harbor's `QuotaRefObject` of a project.
#[derive(Debug, Serialize, ToSchema)]
struct QuotaRefObject {
    id: i64,
    name: String,
    owner_name: String,
}

/// Harbor's `QuotaUpdateReq`: bytes by resource, of which there is `storage`; -1 is unlimited.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(example = json!({"hard": {"storage": 10_737_418_240_i64}}))]
struct QuotaUpdateReq {
    hard: BTreeMap<String, i64>,
}

impl From<Usage> for Quota {
    fn from(usage: Usage) -> Self {
        let id = usage.project.0;
        let (name, owner_name) = (usage.project_name, usage.owner_name);
        Self {
            id,
            reference: QuotaRefObject { id, name, owner_name },
            hard: Storage::of(usage.quota),
            used: Storage::of(usage.used),
            creation_time: usage.created_at.rfc3339(),
            update_time: usage.updated_at.rfc3339(),
        }
    }
}

/// A limit that can be set, in bytes.
pub(crate) fn checked(bytes: i64) -> Result<i64, Failure> {
    match bytes {
        UNLIMITED | 1..=MOST_BYTES => Ok(bytes),
        _ => Err(Failure::bad_request(format!(
            "the limit of storage must be -1, or 1 to {MOST_BYTES} bytes"
        ))),
    }
}

async fn list(State(api): State<Api>, RawQuery(query): RawQuery) -> Result<Response, Failure> {
    let query = ListQuery::parse(&query.unwrap_or_default())?;
    let path = format!("{BASE}/quotas");
    let mut order = sorting(&query, COLUMNS)?;
    order.push(("u.project_id", false));
    let asked = |key| query.get(key).filter(|text| !text.is_empty());
    let project = asked("reference_id").map(str::parse).transpose();
    let Ok(project) = project else {
        return Ok(query.answer::<Quota>(&path, 0, &[]));
    };
    if asked("reference").is_some_and(|reference| reference != "project") {
        return Ok(query.answer::<Quota>(&path, 0, &[]));
    }
    let project = project.map(ProjectId);
    let mut conn = api.db.read().await?;
    let total = usage::count(&mut conn, project).await?;
    let usages = usage::list(&mut conn, project, &order, query.limit(), query.offset()).await?;
    let answers: Vec<Quota> = usages.into_iter().map(Quota::from).collect();
    Ok(query.answer(&path, total, &answers))
}

fn missing(id: ProjectId) -> Failure {
    Failure::not_found(format!("quota {id} not found"))
}

async fn get(
    State(api): State<Api>,
    Path(path): Path<HashMap<String, String>>,
) -> Result<Json<Quota>, Failure> {
    let id = ProjectId(number(&path, "id")?);
    let found = usage::find(&mut api.db.read().await?, id).await?;
    Ok(Json(found.ok_or_else(|| missing(id))?.into()))
}

async fn update(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<HashMap<String, String>>,
    Body(request): Body<QuotaUpdateReq>,
) -> Result<StatusCode, Failure> {
    let id = ProjectId(number(&path, "id")?);
    let mut hard = request.hard;
    let bytes =
        hard.remove(STORAGE).ok_or_else(|| Failure::bad_request("hard.storage required"))?;
    if let Some(other) = hard.keys().next() {
        return Err(Failure::bad_request(format!("there is no resource {other:?} to limit")));
    }
    let bytes = checked(bytes)?;
    let now = api.clock.now();
    let mut tx = api.db.begin().await?;
    let before = usage::find(&mut tx, id).await?.ok_or_else(|| missing(id))?;
    usage::set_quota(&mut tx, id, bytes, now).await?;
    let words = format!("from {} to {bytes} bytes", before.quota);
    let event = Event::of("quota", &before.project_name, "update").in_project(id);
    audit::record(&mut tx, caller.actor(), event.described(&words), now).await?;
    tx.commit().await?;
    Ok(StatusCode::OK)
}
