//! What was attempted and refused, for the audit log.
//!
//! Anonymous callers, and tokens that say too little, are sent to fetch a token: that is how every
//! push begins, and leaves nothing. Somebody who is known and may not, or whom a rule forbids it,
//! leaves an event.

use http::Method;
use roadstead_auth::Caller;
use roadstead_model::{Reference, RepositoryName};
use roadstead_storage::tables::audit::{self, Event};
use roadstead_storage::tables::project;

use super::Wire;
use super::endpoint::Operation;
use crate::error::Result;
use crate::events::{self, Refused};

/// A request that would change something.
#[derive(Debug)]
pub(super) struct Attempt {
    name: RepositoryName,
    method: Method,
    operation: &'static str,
    resource_type: &'static str,
    resource: String,
    /// Of the manifest, if it is about one.
    reference: Option<Reference>,
}

impl Attempt {
    /// None for requests that change nothing.
    pub(super) fn of(operation: &Operation, method: &Method) -> Option<Self> {
        let (name, _action) = operation.permission().filter(|_| !method.is_safe())?;
        let (verb, resource_type, resource) = match operation {
            Operation::PutManifest(_, reference) => ("create", "artifact", of(name, reference)),
            Operation::DeleteManifest(_, Reference::Tag(tag)) => {
                ("delete", "tag", format!("{name}:{tag}"))
            }
            Operation::DeleteManifest(_, reference) => ("delete", "artifact", of(name, reference)),
            Operation::DeleteBlob(_, digest) => ("delete", "blob", format!("{name}@{digest}")),
            _ => ("create", "blob", name.to_string()),
        };
        let reference = match operation {
            Operation::PutManifest(_, reference) => Some(reference.clone()),
            _ => None,
        };
        let (name, method) = (name.clone(), method.clone());
        Some(Self { name, method, operation: verb, resource_type, resource, reference })
    }

    /// Writes that it was refused, and why.
    pub(super) async fn note(&self, wire: &Wire, caller: &Caller, why: &str) -> Result<()> {
        self.note_forbidden(wire, caller, why, false).await
    }

    /// The same of what a rule forbids; whoever wants to hear of a full project does.
    pub(super) async fn note_forbidden(
        &self,
        wire: &Wire,
        caller: &Caller,
        why: &str,
        over_quota: bool,
    ) -> Result<()> {
        let description = format!("{}: {why}", self.method);
        let event = Event::of(self.resource_type, &self.resource, self.operation);
        let event = event.described(&description).refused();
        let registry = &wire.registry;
        let mut tx = registry.db.begin().await?;
        let place = project::place(&mut tx, &self.name).await?;
        let event = Event { project: place.map(|place| place.project), ..event };
        let now = registry.clock.now();
        if let Some(project) = event.project.filter(|_| over_quota) {
            let refused = Refused { name: &self.name, reference: self.reference.as_ref(), why };
            events::quota_exceeded(&mut tx, caller, project, refused, now).await?;
        }
        audit::record(&mut tx, caller.actor(), event, now).await?;
        Ok(tx.commit().await?)
    }
}

fn of(name: &RepositoryName, reference: &Reference) -> String {
    match reference {
        Reference::Tag(tag) => format!("{name}:{tag}"),
        Reference::Digest(digest) => format!("{name}@{digest}"),
    }
}
