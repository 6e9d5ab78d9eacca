//! Exports of what scanners have found.

use http::{HeaderValue, Method};
use roadstead_model::{Action, Resource};
use serde_json::{Map, Value};

use super::Operation;
use super::answer::{Answer, Asked};
use crate::Api;
use crate::failure::Failure;
use crate::guard::{self, Access, permission, permitted_project};

/// What can be exported.
const REPORT: &str = "application/vnd.security.vulnerability.report; version=1.1";

const fn export(
    (method, path): (&'static Method, &'static str),
    [id, summary]: [&'static str; 2],
    answer: Answer,
) -> Operation {
    Operation { method, path, id, summary, access: Access::Login, answer }
}

pub(super) const OPERATIONS: &[Operation] = &[
    export(
        (&Method::POST, "/export/cve"),
        ["exportScanData", "Export the vulnerabilities of a project"],
        Answer::NewExport,
    ),
    export(
        (&Method::GET, "/export/cve/executions"),
        ["getScanDataExportExecutionList", "List the caller's exports"],
        Answer::Exports,
    ),
    export(
        (&Method::GET, "/export/cve/execution/{execution_id}"),
        ["getScanDataExportExecution", "Find an export"],
        Answer::NotFound("export", "execution_id"),
    ),
    export(
        (&Method::GET, "/export/cve/download/{execution_id}"),
        ["downloadScanData", "Read what an export has found"],
        Answer::NotFound("export", "execution_id"),
    ),
];

/// As in Harbor, up to the point where something would be exported.
pub(super) async fn refuse(api: &Api, asked: &Asked) -> Failure {
    match wanted(asked) {
        Ok(project) => match require(api, asked, project).await {
            Ok(()) => Failure::not_found("nothing has been scanned that could be exported"),
            Err(failure) => failure,
        },
        Err(failure) => failure,
    }
}

fn wanted(asked: &Asked) -> Result<i64, Failure> {
    match asked.headers.get("x-scan-data-type").map(HeaderValue::as_bytes) {
        None => return Err(Failure::unprocessable("X-Scan-Data-Type is missing")),
        Some(kind) if kind != REPORT.as_bytes() => {
            return Err(Failure::bad_request(format!("X-Scan-Data-Type must be {REPORT}")));
        }
        Some(_) => {}
    }
    let wanted: Map<String, Value> = serde_json::from_slice(&asked.body)
        .map_err(|_| Failure::unprocessable("the body must be a JSON object with projects"))?;
    let projects = wanted.get("projects").and_then(Value::as_array).map(Vec::as_slice);
    let project = match projects {
        Some([project]) => project.as_i64(),
        _ => None,
    };
    project.ok_or_else(|| Failure::bad_request("projects must have the id of one project"))
}

async fn require(api: &Api, asked: &Asked, project: i64) -> Result<(), Failure> {
    let permission = permission(Resource::ExportCve, Action::Create);
    let mut conn = api.db.read().await?;
    let key = project.to_string();
    let found = permitted_project(&mut conn, &asked.caller, permission, &key, false).await?;
    // Writing a refusal down takes a connection.
    drop(conn);
    let Err(refusal) = found else {
        return Ok(());
    };
    Err(guard::refuse(api, &asked.caller, &Method::POST, asked.uri.path(), refusal).await)
}
