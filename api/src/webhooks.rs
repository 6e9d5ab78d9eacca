//! Webhooks: what a project wants to be told, and to whom.

use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use http::header::LOCATION;
use http::{Method, StatusCode, Uri};
use roadstead_auth::Caller;
use roadstead_model::{Action, Resource, Timestamp};
use roadstead_storage::tables::audit::{self, Event};
use roadstead_storage::tables::project::Project;
use roadstead_storage::tables::webhook_policy::{self, Policy};
use roadstead_storage::tables::webhook_target;
use roadstead_storage::{Error as StorageError, Tx};
use std::collections::HashMap;

use crate::Api;
use crate::body::Body;
use crate::failure::Failure;
use crate::filter::{Column, Kind, filters, sorted_or};
use crate::guard::{Access, Routes, number, permission};
use crate::openapi::Description;
use crate::page::ListQuery;

mod deliveries;
mod jobs;
mod shapes;
mod targets;
mod test;

use shapes::{SupportedWebhookEventTypes, WebhookPolicy, WebhookPolicyAnswer};

const COLUMNS: &[Column] = &[
    Column::new("id", "p.id", Kind::Integer),
    Column::new("name", "p.name", Kind::Text),
    Column::new("description", "p.description", Kind::Text),
    Column::new("creator", "p.creator", Kind::Text),
    Column::new("enabled", "p.enabled", Kind::Boolean),
    Column::new("event_types", "p.event_types", Kind::Text),
    Column::new("creation_time", "p.created_at", Kind::Time),
    Column::new("update_time", "p.updated_at", Kind::Time),
];

const POLICIES: &str = "/projects/{project_name_or_id}/webhook/policies";
const POLICY: &str = "/projects/{project_name_or_id}/webhook/policies/{webhook_policy_id}";

fn access(action: Action) -> Access {
    Access::Project(permission(Resource::NotificationPolicy, action))
}

pub(crate) fn register(routes: &mut Routes) {
    let about = |id, summary| Description::new(id, "webhook", summary);
    let description = about("ListWebhookPoliciesOfProject", "List the webhooks of a project");
    routes
        .add(&Method::GET, POLICIES, access(Action::List), list, description)
        .listed()
        .answers_list::<WebhookPolicyAnswer>();
    let description = about("CreateWebhookPolicyOfProject", "Make a webhook");
    routes
        .add(&Method::POST, POLICIES, access(Action::Create), create, description)
        .accepts::<WebhookPolicy>()
        .status(201)
        .fails(&[409]);
    let description = about("GetWebhookPolicyOfProject", "Find a webhook");
    routes
        .add(&Method::GET, POLICY, access(Action::Read), get, description)
        .answers::<WebhookPolicyAnswer>();
    let description = about("UpdateWebhookPolicyOfProject", "Change a webhook");
    routes
        .add(&Method::PUT, POLICY, access(Action::Update), update, description)
        .accepts::<WebhookPolicy>()
        .fails(&[409]);
    let description = about("DeleteWebhookPolicyOfProject", "Delete a webhook");
    routes.add(&Method::DELETE, POLICY, access(Action::Delete), delete, description);
    let path = "/projects/{project_name_or_id}/webhook/events";
    let description = about("GetSupportedEventTypes", "List what webhooks can tell, and how");
    routes
        .add(&Method::GET, path, access(Action::Read), events, description)
        .answers::<SupportedWebhookEventTypes>();
    test::register(routes);
    deliveries::register(routes);
    jobs::register(routes);
}

async fn events() -> Json<SupportedWebhookEventTypes> {
    Json(SupportedWebhookEventTypes::all())
}

/// The policy that the path names.
async fn policy_of(
    api: &Api,
    project: &Project,
    path: &HashMap<String, String>,
) -> Result<Policy, Failure> {
    let id = number(path, "webhook_policy_id")?;
    let found = webhook_policy::find(&mut api.db.read().await?, project.id, id).await?;
    found.ok_or_else(|| missing(id))
}

fn missing(id: i64) -> Failure {
    Failure::not_found(format!("webhook policy {id} not found"))
}

/// Policies with their targets. What is sent as `Authorization` is for those who may change it.
async fn answers(
    api: &Api,
    caller: &Caller,
    project: &Project,
    policies: Vec<Policy>,
) -> Result<Vec<WebhookPolicyAnswer>, Failure> {
    let mut conn = api.db.read().await?;
    let update = permission(Resource::NotificationPolicy, Action::Update);
    let trusted = caller.require_in_project(&mut conn, project, update).await?.is_ok();
    let ids: Vec<i64> = policies.iter().map(|policy| policy.id).collect();
    let targets = webhook_target::of(&mut conn, &ids).await?;
    drop(conn);
    let sealer = trusted.then(|| api.auth.webhooks());
    Ok(policies
        .into_iter()
        .map(|policy| {
            let of_policy = targets.iter().filter(|target| target.policy == policy.id);
            let shown = of_policy.map(|target| targets::answer(target, sealer.as_ref())).collect();
            WebhookPolicyAnswer::new(policy, shown)
        })
        .collect())
}

async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(project): Extension<Project>,
    uri: Uri,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let query = ListQuery::parse(&query.unwrap_or_default())?;
    let usual = [("p.created_at", true), ("p.id", true)];
    let order = sorted_or(&query, COLUMNS, usual)?;
    let conditions = filters(&query, COLUMNS)?.conditions;
    let mut conn = api.db.read().await?;
    let total = webhook_policy::count(&mut conn, project.id, &conditions).await?;
    let (limit, offset) = (query.limit(), query.offset());
    let found =
        webhook_policy::list(&mut conn, project.id, &conditions, &order, limit, offset).await?;
    drop(conn);
    Ok(query.answer(uri.path(), total, &answers(&api, &caller, &project, found).await?))
}

async fn get(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(project): Extension<Project>,
    Path(path): Path<HashMap<String, String>>,
) -> Result<Json<WebhookPolicyAnswer>, Failure> {
    let found = policy_of(&api, &project, &path).await?;
    let id = found.id;
    let answer = answers(&api, &caller, &project, vec![found]).await?.pop();
    Ok(Json(answer.ok_or_else(|| missing(id))?))
}

async fn create(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(project): Extension<Project>,
    uri: Uri,
    Body(request): Body<WebhookPolicy>,
) -> Result<Response, Failure> {
    let now = api.clock.now();
    let (mut policy, targets) = request.checked(project.id, caller.name(), now)?;
    let mut tx = api.db.begin().await?;
    let made = webhook_policy::insert(&mut tx, &policy).await;
    policy.id = made.map_err(|error| conflict(error, &project))?;
    targets::put(&api, &mut tx, policy.id, targets, now).await?;
    record(&mut tx, &caller, &project, &policy, "create", now).await?;
    tx.commit().await?;
    let location = format!("{}/{}", uri.path().trim_end_matches('/'), policy.id);
    Ok((StatusCode::CREATED, [(LOCATION, location)]).into_response())
}

fn conflict(error: StorageError, project: &Project) -> Failure {
    match error {
        StorageError::Conflict => {
            Failure::conflict("the project has a webhook policy of this name already")
        }
        StorageError::Reference => Failure::not_found(format!("{} not found", project.name)),
        other => other.into(),
    }
}

async fn update(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(project): Extension<Project>,
    Path(path): Path<HashMap<String, String>>,
    Body(request): Body<WebhookPolicy>,
) -> Result<StatusCode, Failure> {
    let id = policy_of(&api, &project, &path).await?.id;
    let now = api.clock.now();
    let (wanted, targets) = request.checked(project.id, caller.name(), now)?;
    let policy = Policy { id, ..wanted };
    let mut tx = api.db.begin().await?;
    let changed = webhook_policy::update(&mut tx, &policy).await;
    if !changed.map_err(|error| conflict(error, &project))? {
        return Err(missing(id));
    }
    targets::put(&api, &mut tx, id, targets, now).await?;
    record(&mut tx, &caller, &project, &policy, "update", now).await?;
    tx.commit().await?;
    Ok(StatusCode::OK)
}

async fn delete(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(project): Extension<Project>,
    Path(path): Path<HashMap<String, String>>,
) -> Result<StatusCode, Failure> {
    let policy = policy_of(&api, &project, &path).await?;
    let now = api.clock.now();
    let mut tx = api.db.begin().await?;
    if !webhook_policy::remove(&mut tx, project.id, policy.id, now).await? {
        return Err(missing(policy.id));
    }
    record(&mut tx, &caller, &project, &policy, "delete", now).await?;
    tx.commit().await?;
    Ok(StatusCode::OK)
}

/// Addresses are left out: those of Slack are secrets.
async fn record(
    tx: &mut Tx,
    caller: &Caller,
    project: &Project,
    policy: &Policy,
    operation: &'static str,
    now: Timestamp,
) -> Result<(), Failure> {
    let state = if policy.enabled { "" } else { ", disabled" };
    let text = format!("{}{state}", policy.event_types.join(", "));
    let name = format!("{}/{}", project.name, policy.name);
    let event = Event::of("webhook_policy", &name, operation).in_project(project.id);
    Ok(audit::record(tx, caller.actor(), event.described(&text), now).await?)
}
