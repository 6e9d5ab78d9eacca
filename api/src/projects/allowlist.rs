//! Harbor's `CVEAllowlist`: vulnerabilities that a project accepts, or the system.

use std::collections::BTreeSet;

use roadstead_model::{ProjectId, Timestamp};
use roadstead_storage::tables::cve_allowlist::Allowlist;
use roadstead_storage::tables::project::Project;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::executions::NO_TIME;
use crate::failure::Failure;

/// The most entries of a list.
const MOST_ITEMS: usize = 10_000;
/// The longest name of a vulnerability, in bytes.
const LONGEST_NAME: usize = 255;

/// Harbor's `CVEAllowlist`. Its id and its times are read-only.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[schema(as = CVEAllowlist)]
#[serde(default)]
#[schema(example = json!({"items": [{"cve_id": "CVE-2026-1"}]}))]
pub(crate) struct CveAllowlist {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    project_id: Option<i64>,
    /// In seconds since 1970; absent for never.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
    items: Option<Vec<CveItem>>,
    creation_time: Option<String>,
    update_time: Option<String>,
}

/// Harbor's `CVEAllowlistItem`.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[schema(as = CVEAllowlistItem)]
#[serde(default)]
struct CveItem {
    cve_id: String,
}

impl CveAllowlist {
    /// The list of a project; an empty one where it never had one. Its id is the project's.
    pub(crate) fn new(project: &Project, list: Option<Allowlist>) -> Self {
        let list = list.unwrap_or_else(|| Allowlist {
            expires_at: None,
            items: Vec::new(),
            created_at: project.created_at,
            updated_at: project.created_at,
        });
        let id = Some(project.id.0);
        Self { id, project_id: id, ..Self::of_system(Some(list)) }
    }

    /// The list of the system; an empty one where there never was one.
    pub(crate) fn of_system(list: Option<Allowlist>) -> Self {
        let list = list.unwrap_or_else(|| Allowlist {
            expires_at: None,
            items: Vec::new(),
            created_at: NO_TIME,
            updated_at: NO_TIME,
        });
        Self {
            id: None,
            project_id: None,
            expires_at: list.expires_at.map(Timestamp::seconds),
            items: Some(list.items.into_iter().map(|cve_id| CveItem { cve_id }).collect()),
            creation_time: Some(list.created_at.rfc3339()),
            update_time: Some(list.updated_at.rfc3339()),
        }
    }

    /// When the list ends, and what is in it, for `project` (None for a new one, or the system).
    pub(crate) fn checked(
        self,
        project: Option<ProjectId>,
    ) -> Result<(Option<Timestamp>, Vec<String>), Failure> {
        let given = self.project_id.filter(|id| *id != 0).map(ProjectId);
        if given.is_some() && given != project {
            return Err(Failure::bad_request("project_id in cve_allowlist is another project's"));
        }
        let expires_at = match self.expires_at {
            None => None,
            Some(seconds @ 0..=253_402_300_799) => Some(Timestamp(seconds * 1_000_000)),
            Some(_) => {
                return Err(Failure::bad_request("expires_at must be in seconds since 1970"));
            }
        };
        let items = self.items.unwrap_or_default();
        if items.len() > MOST_ITEMS {
            let message = format!("a cve_allowlist has at most {MOST_ITEMS} items");
            return Err(Failure::bad_request(message));
        }
        let mut seen = BTreeSet::new();
        let mut names = Vec::with_capacity(items.len());
        for CveItem { cve_id } in items {
            let plain = !cve_id.is_empty() && cve_id.len() <= LONGEST_NAME;
            if !plain || cve_id.contains(char::is_control) {
                return Err(Failure::bad_request("cve_id must have 1 to 255 plain characters"));
            }
            if !seen.insert(cve_id.clone()) {
                return Err(Failure::bad_request(format!("{cve_id} is in the list twice")));
            }
            names.push(cve_id);
        }
        Ok((expires_at, names))
    }
}
