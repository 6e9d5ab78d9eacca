//! What of Harbor's API is not there yet, answered truthfully: lists are empty, nothing that
//! could be named exists, and what would have to be done is refused. Never is something said to be
//! done that is not.
//!
//! Each operation is a line of a table, with Harbor's id and the permission that Harbor asks for.

mod answer;
mod artifacts;
mod exports;
mod preheat;
mod registries;
mod scanners;
mod security;
mod shapes;

use std::collections::HashMap;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, Method, Uri};
use roadstead_auth::Caller;
use roadstead_model::{Action, RepositoryName, Resource};

use crate::Api;
use crate::failure::Failure;
use crate::guard::{Access, Routes, permission};
use crate::openapi::Description;

use answer::{Answer, Asked};

/// What Harbor itself calls deprecated.
const DEPRECATED: &str = "getLatestScheduledScanAllMetrics";

/// An operation that is not there yet.
struct Operation {
    method: &'static Method,
    path: &'static str,
    /// Harbor's name of it.
    id: &'static str,
    /// One line for people, of what Harbor does.
    summary: &'static str,
    access: Access,
    answer: Answer,
}

/// An operation that needs a permission on the system.
const fn of_system(
    (method, path): (&'static Method, &'static str),
    [id, summary]: [&'static str; 2],
    (resource, action): (Resource, Action),
    answer: Answer,
) -> Operation {
    let access = Access::System(permission(resource, action));
    Operation { method, path, id, summary, access, answer }
}

/// An operation that needs a permission in the project of its path.
const fn of_project(
    (method, path): (&'static Method, &'static str),
    [id, summary]: [&'static str; 2],
    (resource, action): (Resource, Action),
    answer: Answer,
) -> Operation {
    let access = Access::Project(permission(resource, action));
    Operation { method, path, id, summary, access, answer }
}

const GROUPS: &[(&str, &[Operation])] = &[
    ("artifact", artifacts::ADDITIONS),
    ("scan", artifacts::SCANS),
    ("scan data export", exports::OPERATIONS),
    ("preheat", preheat::OPERATIONS),
    ("registry", registries::REGISTRIES),
    ("replication", registries::REPLICATION),
    ("scanner", scanners::SCANNERS),
    ("scanAll", scanners::SCAN_ALL),
    ("project", scanners::OF_PROJECTS),
    ("securityhub", security::OPERATIONS),
    ("icon", security::ICONS),
];

pub(crate) fn register(routes: &mut Routes) {
    for (tag, operations) in GROUPS {
        for operation in *operations {
            operation.register(tag, routes);
        }
    }
}

impl Operation {
    fn register(&'static self, tag: &'static str, routes: &mut Routes) {
        let handler = async |State(api): State<Api>,
                             Extension(caller): Extension<Caller>,
                             repository: Option<Extension<RepositoryName>>,
                             Path(path): Path<HashMap<String, String>>,
                             uri: Uri,
                             headers: HeaderMap,
                             body: axum::body::Bytes|
               -> Result<Response, Failure> {
            let repository = repository.map(|Extension(name)| name);
            let asked = Asked { caller, repository, path, uri, headers, body };
            self.answer.give(&api, &asked).await
        };
        let description = Description::new(self.id, tag, self.summary);
        let description = routes.add(self.method, self.path, self.access, handler, description);
        if self.id == DEPRECATED {
            description.deprecated();
        }
        self.answer.describe(description.later());
    }
}
