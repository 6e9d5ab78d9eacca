//! Webhooks on the wire.

use std::collections::BTreeSet;

use roadstead_model::webhook::EventType;
use roadstead_model::{ProjectId, Timestamp};
use roadstead_storage::tables::webhook_policy::Policy;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::targets::{Wanted, WebhookTargetObject, WebhookTargetUpdate};
use crate::body::null_as_default;
use crate::failure::Failure;

/// The longest name and the longest description, in bytes.
const LONGEST_NAME: usize = 256;
const LONGEST_DESCRIPTION: usize = 4096;
/// How many targets a policy may have.
const MOST_TARGETS: usize = 16;

/// Kinds of targets.
pub(super) const KINDS: [&str; 2] = ["http", "slack"];
/// What `http` targets can be sent; the first unless they choose.
pub(super) const FORMATS: [&str; 2] = ["Default", "CloudEvents"];

/// Harbor's `WebhookPolicy`, as it is sent.
#[derive(Deserialize, ToSchema)]
#[schema(as = WebhookPolicyUpdate)]
#[schema(example = json!({
    "name": "ci", "enabled": true, "event_types": ["PUSH_ARTIFACT"],
    "targets": [{"type": "http", "address": "https://ci.example.com/hook"}],
}))]
pub(super) struct WebhookPolicy {
    #[serde(default, deserialize_with = "null_as_default")]
    name: String,
    #[serde(default, deserialize_with = "null_as_default")]
    description: String,
    #[serde(default, deserialize_with = "null_as_default")]
    targets: Vec<WebhookTargetUpdate>,
    #[serde(default, deserialize_with = "null_as_default")]
    event_types: Vec<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    enabled: bool,
}

impl WebhookPolicy {
    /// The policy and its targets, when they make sense.
    pub(super) fn checked(
        self,
        project: ProjectId,
        creator: &str,
        now: Timestamp,
    ) -> Result<(Policy, Vec<Wanted>), Failure> {
        let bad = |message: String| Err(Failure::bad_request(message));
        let name = self.name.trim();
        if name.is_empty() || name.len() > LONGEST_NAME || name.contains('\0') {
            return bad(format!("a policy needs a name of at most {LONGEST_NAME} bytes"));
        }
        if self.description.len() > LONGEST_DESCRIPTION || self.description.contains('\0') {
            return bad(format!("a description has at most {LONGEST_DESCRIPTION} bytes"));
        }
        if self.targets.is_empty() || self.targets.len() > MOST_TARGETS {
            return bad(format!("a policy needs targets, at most {MOST_TARGETS}"));
        }
        if self.event_types.is_empty() {
            return bad("a policy needs event_types".to_owned());
        }
        let mut types = BTreeSet::new();
        for event in &self.event_types {
            match EventType::known(event) {
                Some(event) => types.insert(event),
                None => return bad(format!("there are no events of the type {event:?} here")),
            };
        }
        let targets = self.targets.into_iter().map(WebhookTargetUpdate::checked);
        let targets = targets.collect::<Result<_, _>>()?;
        let policy = Policy {
            id: 0,
            project,
            name: name.to_owned(),
            description: self.description,
            event_types: types.into_iter().map(|event| event.name().to_owned()).collect(),
            enabled: self.enabled,
            creator: creator.to_owned(),
            created_at: now,
            updated_at: now,
        };
        Ok((policy, targets))
    }
}

/// Harbor's `WebhookPolicy`.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookPolicy)]
pub(super) struct WebhookPolicyAnswer {
    id: i64,
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    project_id: i64,
    targets: Vec<WebhookTargetObject>,
    event_types: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    creator: String,
    creation_time: String,
    update_time: String,
    enabled: bool,
}

impl WebhookPolicyAnswer {
    pub(super) fn new(policy: Policy, targets: Vec<WebhookTargetObject>) -> Self {
        Self {
            id: policy.id,
            name: policy.name,
            description: policy.description,
            project_id: policy.project.0,
            targets,
            event_types: policy.event_types,
            creator: policy.creator,
            creation_time: policy.created_at.rfc3339(),
            update_time: policy.updated_at.rfc3339(),
            enabled: policy.enabled,
        }
    }
}

/// Harbor's `SupportedWebhookEventTypes`.
#[derive(Serialize, ToSchema)]
pub(super) struct SupportedWebhookEventTypes {
    event_type: Vec<&'static str>,
    notify_type: Vec<&'static str>,
    payload_formats: Vec<PayloadFormat>,
}

/// Harbor's `PayloadFormat`.
#[derive(Serialize, ToSchema)]
struct PayloadFormat {
    notify_type: &'static str,
    formats: Vec<&'static str>,
}

impl SupportedWebhookEventTypes {
    pub(super) fn all() -> Self {
        Self {
            event_type: EventType::RAISED.iter().map(|event| event.name()).collect(),
            notify_type: KINDS.to_vec(),
            payload_formats: vec![PayloadFormat {
                notify_type: KINDS[0],
                formats: FORMATS.to_vec(),
            }],
        }
    }
}
