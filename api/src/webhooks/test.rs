//! Trying a webhook out: a made-up event for its targets. Not Harbor's.

use std::collections::HashMap;

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use http::{HeaderMap, Method, StatusCode};
use roadstead_auth::Caller;
use roadstead_model::webhook::{Artifact, Event, EventData, EventType, Repository, Retention};
use roadstead_model::{Action, Timestamp};
use roadstead_storage::tables::audit;
use roadstead_storage::tables::project::{self, Project};
use roadstead_storage::tables::webhook_delivery::{self, Listener};
use roadstead_storage::tables::webhook_policy::{self, Policy};
use roadstead_storage::tables::webhook_target;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{POLICY, access, missing, policy_of};
use crate::Api;
use crate::body::OptionalBody;
use crate::failure::Failure;
use crate::guard::Routes;
use crate::openapi::Description;

/// What requests of webhooks carry.
const DELIVERY: &str = "x-roadstead-delivery";

pub(super) fn register(routes: &mut Routes) {
    let path = format!("{POLICY}/test");
    let description =
        Description::new("TestWebhookPolicyOfProject", "webhook", "Tell a made-up event");
    routes
        .add(&Method::POST, &path, access(Action::Update), test, description)
        .may_accept::<WebhookTest>()
        .answers::<WebhookTested>()
        .status(202)
        .fails(&[412]);
}

/// What is to be told.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(example = json!({"event_type": "PUSH_ARTIFACT"}))]
struct WebhookTest {
    /// The first of the policy's own when it is left out.
    event_type: Option<String>,
}

/// What will be told.
#[derive(Serialize, ToSchema)]
struct WebhookTested {
    execution_ids: Vec<i64>,
}

/// Whether the policy is enabled does not matter, so that it can be tried out before.
async fn test(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(project): Extension<Project>,
    Path(path): Path<HashMap<String, String>>,
    headers: HeaderMap,
    OptionalBody(request): OptionalBody<WebhookTest>,
) -> Result<Response, Failure> {
    if headers.contains_key(DELIVERY) {
        // A webhook that leads here would go round for ever.
        return Err(Failure::bad_request("a webhook cannot ask for a test"));
    }
    if !api.auth.configuration().await?.is_on("notification_enable") {
        return Err(Failure::precondition("webhooks are switched off (notification_enable)"));
    }
    let policy = policy_of(&api, &project, &path).await?;
    let kind = event_type(&policy, request.unwrap_or_default())?;
    let now = api.clock.now();
    let event = sample(kind, &project, &caller, now);
    let mut tx = api.db.begin().await?;
    project::share(&mut tx, project.id).await?;
    if webhook_policy::find(&mut tx, project.id, policy.id).await?.is_none() {
        return Err(missing(policy.id));
    }
    let targets = webhook_target::of(&mut tx, &[policy.id]).await?;
    let listeners: Vec<Listener> = targets
        .into_iter()
        .map(|target| Listener { policy: policy.id, target: target.id, kind: target.kind })
        .collect();
    let execution_ids = webhook_delivery::insert(&mut tx, &listeners, &[event], now).await?;
    let name = format!("{}/{}", project.name, policy.name);
    let told = audit::Event::of("webhook_policy", &name, "test").in_project(project.id);
    audit::record(&mut tx, caller.actor(), told.described(kind.name()), now).await?;
    tx.commit().await?;
    Ok((StatusCode::ACCEPTED, Json(WebhookTested { execution_ids })).into_response())
}

fn event_type(policy: &Policy, request: WebhookTest) -> Result<EventType, Failure> {
    let asked = request.event_type.or_else(|| policy.event_types.first().cloned());
    let found = asked.as_deref().and_then(EventType::raised);
    found.ok_or_else(|| Failure::bad_request("event_type must be one that webhooks can tell"))
}

fn sample(kind: EventType, project: &Project, caller: &Caller, now: Timestamp) -> Event {
    let retention = (kind == EventType::TagRetention).then(|| Retention {
        project_name: project.name.clone(),
        result: "SUCCESS".to_owned(),
        ..Retention::default()
    });
    let digest = format!("sha256:{}", "0".repeat(64));
    let tag = "test".to_owned();
    let details = "This is a test of the webhook.".to_owned();
    Event {
        kind,
        occur_at: now.seconds(),
        operator: caller.name().to_owned(),
        request_id: caller.origin().request_id.to_string(),
        event_data: EventData {
            resources: vec![Artifact { digest, tag, resource_url: String::new() }],
            repository: Some(Repository {
                date_created: now.seconds(),
                name: "test-webhook".to_owned(),
                namespace: project.name.clone(),
                repo_full_name: format!("{}/test-webhook", project.name),
                repo_type: if project.public { "public" } else { "private" }.to_owned(),
            }),
            custom_attributes: [("Details".to_owned(), details)].into(),
            retention,
        },
    }
}
