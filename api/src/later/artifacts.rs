//! What scanners would say of artifacts.

use http::Method;
use roadstead_model::{Action, Resource};

use super::{Answer, Operation};
use crate::guard::{Access, permission};

macro_rules! below_artifact {
    ($rest:literal) => {
        concat!(
            "/projects/{project_name}/repositories/{repository_name}/artifacts/{reference}/",
            $rest
        )
    };
}

const fn of_artifact(
    (method, path): (&'static Method, &'static str),
    [id, summary]: [&'static str; 2],
    access: Access,
    answer: Answer,
) -> Operation {
    Operation { method, path, id, summary, access, answer }
}

const fn reads(resource: Resource) -> Access {
    Access::Repository(permission(resource, Action::Read))
}

/// Vulnerabilities and bills of materials have permissions of their own.
const fn scans(action: Action) -> Access {
    Access::EitherInRepository(
        permission(Resource::Scan, action),
        permission(Resource::Sbom, action),
    )
}

pub(super) const ADDITIONS: &[Operation] = &[of_artifact(
    (&Method::GET, below_artifact!("additions/vulnerabilities")),
    ["getVulnerabilitiesAddition", "Read the vulnerabilities of an artifact"],
    reads(Resource::ArtifactAddition),
    Answer::EmptyMapOfArtifact,
)];

pub(super) const SCANS: &[Operation] = &[
    of_artifact(
        (&Method::POST, below_artifact!("scan")),
        ["scanArtifact", "Scan an artifact"],
        scans(Action::Create),
        Answer::ArtifactLacks("there is no scanner"),
    ),
    of_artifact(
        (&Method::POST, below_artifact!("scan/stop")),
        ["stopScanArtifact", "Stop scanning an artifact"],
        scans(Action::Stop),
        Answer::NoneOfArtifact("scan that runs"),
    ),
    of_artifact(
        (&Method::GET, below_artifact!("scan/{report_id}/log")),
        ["getReportLog", "Read what a scan did"],
        reads(Resource::Scan),
        Answer::NoneOfArtifact("such report"),
    ),
];
