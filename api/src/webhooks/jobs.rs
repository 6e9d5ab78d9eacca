//! What Harbor had before executions: the same in older shapes.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::{Extension, Json};
use http::{Method, Uri};
use roadstead_model::{Action, Timestamp};
use roadstead_storage::tables::project::Project;
use roadstead_storage::tables::webhook_delivery::{self, Delivery};
use roadstead_storage::tables::webhook_policy;
use roadstead_storage::{Condition, Operand, Test};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::Type;

use super::deliveries::{COLUMNS, payload};
use super::{access, missing};
use crate::Api;
use crate::failure::Failure;
use crate::filter::{filters, sorting};
use crate::guard::Routes;
use crate::openapi::Description;
use crate::page::ListQuery;

/// What Harbor prints for no time.
const NO_TIME: Timestamp = Timestamp(-62_135_596_800_000_000);

pub(super) fn register(routes: &mut Routes) {
    let path = "/projects/{project_name_or_id}/webhook/lasttrigger";
    let about = |id, tag, summary| Description::new(id, tag, summary);
    let description = about("LastTrigger", "webhook", "List when webhooks last told something");
    routes
        .add(&Method::GET, path, access(Action::Read), last_trigger, description)
        .answers_list::<WebhookLastTrigger>()
        .deprecated();
    let path = "/projects/{project_name_or_id}/webhook/jobs";
    let description = about("ListWebhookJobs", "webhookjob", "List what a webhook told");
    routes
        .add(&Method::GET, path, access(Action::List), jobs, description)
        .needs_query("policy_id", Type::Integer)
        .query("status", Type::String)
        .listed()
        .answers_list::<WebhookJob>()
        .deprecated();
}

/// Harbor's `WebhookLastTrigger`.
#[derive(Serialize, ToSchema)]
struct WebhookLastTrigger {
    policy_name: String,
    event_type: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    enabled: bool,
    creation_time: String,
    last_trigger_time: String,
}

/// Harbor's `WebhookJob`.
#[derive(Serialize, ToSchema)]
struct WebhookJob {
    id: i64,
    policy_id: i64,
    event_type: String,
    notify_type: String,
    status: String,
    job_detail: String,
    creation_time: String,
    update_time: String,
}

impl WebhookJob {
    fn new(api: &Api, found: Delivery) -> Self {
        Self {
            id: found.id,
            policy_id: found.policy,
            job_detail: payload(api, &found),
            event_type: found.event_type,
            notify_type: found.kind,
            status: found.status,
            creation_time: found.created_at.rfc3339(),
            update_time: found.updated_at.rfc3339(),
        }
    }
}

async fn last_trigger(
    State(api): State<Api>,
    Extension(project): Extension<Project>,
) -> Result<Json<Vec<WebhookLastTrigger>>, Failure> {
    let mut conn = api.db.read().await?;
    let order = [("p.created_at", true), ("p.id", true)];
    let policies = webhook_policy::list(&mut conn, project.id, &[], &order, i64::MAX, 0).await?;
    let triggers = webhook_delivery::last_triggers(&mut conn, project.id).await?;
    let last = |policy: i64, event: &str| {
        let found = triggers.iter().find(|(id, name, _)| *id == policy && name == event);
        found.map_or(NO_TIME, |(_, _, at)| *at).rfc3339()
    };
    let of_policy = |policy: webhook_policy::Policy| {
        let one = |event: &String| WebhookLastTrigger {
            policy_name: policy.name.clone(),
            event_type: event.clone(),
            enabled: policy.enabled,
            creation_time: policy.created_at.rfc3339(),
            last_trigger_time: last(policy.id, event),
        };
        policy.event_types.iter().map(one).collect::<Vec<_>>()
    };
    Ok(Json(policies.into_iter().flat_map(of_policy).collect()))
}

async fn jobs(
    State(api): State<Api>,
    Extension(project): Extension<Project>,
    uri: Uri,
    RawQuery(text): RawQuery,
) -> Result<Response, Failure> {
    let text = text.unwrap_or_default();
    let query = ListQuery::parse(&text)?;
    let policy = query.get("policy_id").and_then(|id| id.parse().ok());
    let policy: i64 =
        policy.ok_or_else(|| Failure::unprocessable("policy_id must be a whole number"))?;
    let mut order = sorting(&query, COLUMNS)?;
    if order.is_empty() {
        order.push(("d.created_at", true));
    }
    order.push(("d.id", true));
    let mut conditions = filters(&query, COLUMNS)?.conditions;
    // Some clients repeat it, some write commas.
    let statuses: Vec<Operand> = form_urlencoded::parse(text.as_bytes())
        .filter(|(key, _)| key == "status")
        .flat_map(|(_, value)| value.split(',').map(str::to_owned).collect::<Vec<_>>())
        .map(Operand::Text)
        .collect();
    if !statuses.is_empty() {
        conditions.push(Condition { column: "d.status", test: Test::AnyOf(statuses) });
    }
    let mut conn = api.db.read().await?;
    if webhook_policy::find(&mut conn, project.id, policy).await?.is_none() {
        return Err(missing(policy));
    }
    let total = webhook_delivery::count(&mut conn, policy, &conditions).await?;
    let (limit, offset) = (query.limit(), query.offset());
    let found =
        webhook_delivery::list(&mut conn, policy, &conditions, &order, limit, offset).await?;
    let answers: Vec<WebhookJob> = found.into_iter().map(|it| WebhookJob::new(&api, it)).collect();
    Ok(query.answer(uri.path(), total, &answers))
}
