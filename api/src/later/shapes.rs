//! Harbor's shapes of what comes later, so that clients that are generated have them already.

#![expect(dead_code, reason = "there are none of these yet")]

use std::collections::BTreeMap;

use utoipa::ToSchema;

/// Harbor's `Registry`.
#[derive(ToSchema)]
pub(super) struct Registry {
    id: i64,
    url: Option<String>,
    name: Option<String>,
    credential: Option<RegistryCredential>,
    #[schema(rename = "type")]
    kind: Option<String>,
    insecure: Option<bool>,
    ca_certificate: Option<String>,
    description: Option<String>,
    status: Option<String>,
    creation_time: String,
    update_time: String,
}

/// Harbor's `RegistryCredential`.
#[derive(ToSchema)]
struct RegistryCredential {
    #[schema(rename = "type")]
    kind: Option<String>,
    access_key: Option<String>,
    access_secret: Option<String>,
}

/// Harbor's `RegistryProviderInfo`.
#[derive(ToSchema)]
pub(super) struct RegistryProviderInfo {
    endpoint_pattern: Option<RegistryProviderEndpointPattern>,
    credential_pattern: Option<RegistryProviderCredentialPattern>,
}

/// Harbor's `RegistryProviderEndpointPattern`.
#[derive(ToSchema)]
struct RegistryProviderEndpointPattern {
    endpoint_type: Option<String>,
    #[schema(required = true)]
    endpoints: Option<Vec<RegistryEndpoint>>,
}

/// Harbor's `RegistryEndpoint`.
#[derive(ToSchema)]
struct RegistryEndpoint {
    key: Option<String>,
    value: Option<String>,
}

/// Harbor's `RegistryProviderCredentialPattern`.
#[derive(ToSchema)]
#[expect(clippy::struct_field_names, reason = "the names are Harbor's")]
struct RegistryProviderCredentialPattern {
    access_key_type: Option<String>,
    access_key_data: Option<String>,
    access_secret_type: Option<String>,
    access_secret_data: Option<String>,
}

/// Harbor's `ReplicationPolicy`.
#[derive(ToSchema)]
pub(super) struct ReplicationPolicy {
    id: Option<i64>,
    name: Option<String>,
    description: Option<String>,
    src_registry: Option<Registry>,
    dest_registry: Option<Registry>,
    dest_namespace: Option<String>,
    dest_namespace_replace_count: Option<i8>,
    trigger: Option<ReplicationTrigger>,
    #[schema(required = true)]
    filters: Option<Vec<ReplicationFilter>>,
    replicate_deletion: Option<bool>,
    deletion: Option<bool>,
    #[schema(rename = "override")]
    overrides: Option<bool>,
    enabled: Option<bool>,
    creation_time: String,
    update_time: String,
    speed: Option<i32>,
    copy_by_chunk: Option<bool>,
    single_active_replication: Option<bool>,
}

/// Harbor's `ReplicationTrigger`.
#[derive(ToSchema)]
struct ReplicationTrigger {
    #[schema(rename = "type")]
    kind: Option<String>,
    trigger_settings: Option<ReplicationTriggerSettings>,
}

/// Harbor's `ReplicationTriggerSettings`.
#[derive(ToSchema)]
struct ReplicationTriggerSettings {
    cron: Option<String>,
}

/// Harbor's `ReplicationFilter`; a value is a text, or for labels several.
#[derive(ToSchema)]
struct ReplicationFilter {
    #[schema(rename = "type")]
    kind: Option<String>,
    value: Option<serde_json::Value>,
    decoration: Option<String>,
}

/// Harbor's `ReplicationExecution`.
#[derive(ToSchema)]
pub(super) struct ReplicationExecution {
    id: Option<i64>,
    policy_id: Option<i64>,
    status: Option<String>,
    trigger: Option<String>,
    start_time: String,
    end_time: String,
    status_text: String,
    total: i64,
    failed: i64,
    succeed: i64,
    in_progress: i64,
    stopped: i64,
}

/// Harbor's `ScannerRegistration`.
#[derive(ToSchema)]
#[expect(clippy::struct_excessive_bools, reason = "they are what clients get")]
pub(super) struct ScannerRegistration {
    uuid: Option<String>,
    name: Option<String>,
    description: String,
    url: Option<String>,
    disabled: bool,
    is_default: bool,
    auth: String,
    access_credential: String,
    #[schema(rename = "skip_certVerify")]
    skip_cert_verify: bool,
    use_internal_addr: bool,
    create_time: String,
    update_time: String,
    adapter: Option<String>,
    vendor: Option<String>,
    version: Option<String>,
    health: Option<String>,
    capabilities: Option<BTreeMap<String, serde_json::Value>>,
}

/// Harbor's `VulnerabilityItem`.
#[derive(ToSchema)]
pub(super) struct VulnerabilityItem {
    project_id: Option<i64>,
    repository_name: Option<String>,
    digest: Option<String>,
    #[schema(required = true)]
    tags: Option<Vec<String>>,
    cve_id: Option<String>,
    severity: Option<String>,
    status: Option<String>,
    cvss_v3_score: Option<f32>,
    package: Option<String>,
    version: Option<String>,
    fixed_version: Option<String>,
    desc: Option<String>,
    #[schema(required = true)]
    links: Option<Vec<String>>,
}

/// Harbor's `Metadata` of a kind of preheat instances.
#[derive(ToSchema)]
#[schema(as = Metadata)]
pub(super) struct PreheatMetadata {
    id: Option<String>,
    name: Option<String>,
    icon: Option<String>,
    #[schema(required = true)]
    maintainers: Option<Vec<String>>,
    version: Option<String>,
    source: Option<String>,
}

/// Harbor's `Instance`.
#[derive(ToSchema)]
#[schema(as = Instance)]
pub(super) struct PreheatInstance {
    id: Option<i64>,
    name: Option<String>,
    description: Option<String>,
    vendor: Option<String>,
    endpoint: Option<String>,
    auth_mode: Option<String>,
    auth_info: Option<BTreeMap<String, String>>,
    status: Option<String>,
    enabled: bool,
    #[schema(rename = "default")]
    is_default: bool,
    insecure: bool,
    setup_timestamp: Option<i64>,
}

/// Harbor's `PreheatPolicy`.
#[derive(ToSchema)]
pub(super) struct PreheatPolicy {
    id: Option<i64>,
    name: Option<String>,
    description: Option<String>,
    project_id: Option<i64>,
    provider_id: Option<i64>,
    provider_name: Option<String>,
    filters: Option<String>,
    trigger: Option<String>,
    enabled: bool,
    extra_attrs: Option<String>,
    creation_time: String,
    update_time: String,
}

/// Harbor's `ProviderUnderProject`.
#[derive(ToSchema)]
pub(super) struct ProviderUnderProject {
    id: Option<i64>,
    provider: Option<String>,
    enabled: Option<bool>,
    #[schema(rename = "default")]
    is_default: Option<bool>,
}

/// Harbor's `ScanDataExportExecutionList`.
#[derive(ToSchema)]
pub(super) struct ScanDataExportExecutionList {
    items: Vec<ScanDataExportExecution>,
}

/// Harbor's `ScanDataExportExecution`.
#[derive(ToSchema)]
struct ScanDataExportExecution {
    id: Option<i64>,
    user_id: Option<i64>,
    status: Option<String>,
    trigger: Option<String>,
    start_time: String,
    end_time: String,
    status_text: String,
    user_name: String,
    file_present: bool,
}

/// What is read of Harbor's `ScanDataExportRequest`.
#[derive(ToSchema)]
#[schema(example = json!({"projects": [1]}))]
pub(super) struct ScanDataExportRequest {
    /// The id of one project.
    #[schema(min_items = 1, max_items = 1)]
    projects: Vec<i64>,
}
