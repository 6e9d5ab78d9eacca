//! Harbor's shapes of artifacts.

use std::collections::BTreeMap;

use roadstead_model::{ManifestId, Timestamp};
use roadstead_storage::tables::artifact::Artifact;
use roadstead_storage::tables::tag::Tagging;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::labels::LabelAnswer;

/// What Harbor writes for a time that never was.
const NEVER: &str = "0001-01-01T00:00:00.000Z";

/// Harbor's `Artifact`. What is null was not asked for, or is not there.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Artifact)]
pub(crate) struct ArtifactAnswer {
    pub(super) id: i64,
    #[serde(rename = "type")]
    kind: String,
    media_type: String,
    manifest_media_type: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    artifact_type: String,
    project_id: i64,
    repository_id: i64,
    repository_name: String,
    digest: String,
    size: i64,
    push_time: String,
    pull_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(super) extra_attrs: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    annotations: Option<Box<RawValue>>,
    #[schema(required = true)]
    pub(super) references: Option<Vec<ReferenceAnswer>>,
    #[schema(required = true)]
    pub(super) tags: Option<Vec<TagAnswer>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) addition_links: BTreeMap<&'static str, AdditionLink>,
    #[schema(required = true)]
    pub(super) labels: Option<Vec<LabelAnswer>>,
    #[schema(required = true)]
    pub(super) accessories: Option<Vec<AccessoryAnswer>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) inherited_accessories: Option<Vec<AccessoryAnswer>>,
}

/// Harbor's `AdditionLink`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AdditionLink {
    pub(super) href: String,
    pub(super) absolute: bool,
}

/// JSON that was kept; None when it says nothing.
pub(super) fn raw(text: &str) -> Option<Box<RawValue>> {
    let says = !matches!(text, "" | "{}" | "null");
    says.then(|| RawValue::from_string(text.to_owned()).ok()).flatten()
}

impl ArtifactAnswer {
    /// What its row says; the rest is added.
    pub(super) fn of(found: &Artifact) -> Self {
        let unknown = || "UNKNOWN".to_owned();
        Self {
            id: found.id.0,
            kind: Some(found.kind.clone()).filter(|kind| !kind.is_empty()).unwrap_or_else(unknown),
            media_type: found.config_media_type.clone().unwrap_or_else(|| found.media_type.clone()),
            manifest_media_type: found.media_type.clone(),
            artifact_type: found.artifact_type.clone().unwrap_or_default(),
            project_id: found.project.0,
            repository_id: found.repository.0,
            repository_name: found.repository_name.clone(),
            digest: found.digest.clone(),
            size: found.size,
            push_time: found.pushed_at.rfc3339(),
            pull_time: found.pulled_at.map_or_else(|| NEVER.to_owned(), Timestamp::rfc3339),
            extra_attrs: None,
            annotations: found.annotations.as_deref().and_then(raw),
            references: None,
            tags: None,
            addition_links: BTreeMap::new(),
            labels: None,
            accessories: None,
            inherited_accessories: None,
        }
    }
}

/// Harbor's `Tag`. Ours have no number of their own.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Tag)]
pub(crate) struct TagAnswer {
    repository_id: i64,
    artifact_id: i64,
    name: String,
    push_time: String,
    pull_time: String,
    immutable: bool,
}

impl TagAnswer {
    pub(super) fn of(repository: i64, tag: Tagging) -> Self {
        Self {
            repository_id: repository,
            artifact_id: tag.manifest.0,
            name: tag.name,
            push_time: tag.pushed_at.rfc3339(),
            pull_time: tag.pulled_at.map_or_else(|| NEVER.to_owned(), Timestamp::rfc3339),
            immutable: tag.immutable,
        }
    }
}

/// Harbor's `Accessory`.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Accessory)]
pub(crate) struct AccessoryAnswer {
    id: i64,
    artifact_id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject_artifact_id: Option<i64>,
    subject_artifact_digest: String,
    subject_artifact_repo: String,
    size: i64,
    digest: String,
    #[serde(rename = "type")]
    kind: String,
    icon: String,
    creation_time: String,
}

impl AccessoryAnswer {
    /// What belongs to the artifact `subject`.
    pub(super) fn of(subject: Option<ManifestId>, found: &Artifact) -> Self {
        Self {
            id: found.id.0,
            artifact_id: found.id.0,
            subject_artifact_id: subject.map(|id| id.0),
            subject_artifact_digest: found.accessory_of.clone().unwrap_or_default(),
            subject_artifact_repo: found.repository_name.clone(),
            size: found.size,
            digest: found.digest.clone(),
            kind: found.accessory_type.clone().unwrap_or_default(),
            icon: String::new(),
            creation_time: found.pushed_at.rfc3339(),
        }
    }
}

/// Harbor's `Reference`: what an index names.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Reference)]
pub(crate) struct ReferenceAnswer {
    pub(super) parent_id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) child_id: Option<i64>,
    pub(super) child_digest: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) platform: Option<Platform>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: BTreeMap<String, String>,
    #[schema(required = true)]
    pub(super) urls: Option<Vec<String>>,
}

/// What an index says of the platform of what it names.
#[derive(Debug, Deserialize)]
pub(super) struct NamedPlatform {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    #[serde(default, rename = "os.version")]
    os_version: String,
    #[serde(default, rename = "os.features")]
    os_features: Option<Vec<String>>,
    #[serde(default)]
    variant: String,
}

/// Harbor's `Platform`, with the two names that Harbor's encoder makes of `os.version` and
/// `os.features`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Platform {
    #[serde(skip_serializing_if = "String::is_empty")]
    architecture: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    os: String,
    #[serde(rename = "OsVersion", skip_serializing_if = "String::is_empty")]
    os_version: String,
    #[serde(rename = "OsFeatures")]
    #[schema(required = true)]
    os_features: Option<Vec<String>>,
    #[serde(skip_serializing_if = "String::is_empty")]
    variant: String,
}

impl From<NamedPlatform> for Platform {
    fn from(named: NamedPlatform) -> Self {
        let NamedPlatform { architecture, os, os_version, os_features, variant } = named;
        Self { architecture, os, os_version, os_features, variant }
    }
}
