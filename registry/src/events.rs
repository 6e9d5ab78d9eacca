//! What webhooks tell of content. One call for each thing that happens; the rows are written in its
//! transaction, for those who want to be told, so that nothing is lost and nothing is told of what
//! was rolled back. Pulls write nothing themselves: [`Pulls`].
//!
//! Each caller shares or has the project's row before.

use std::collections::BTreeMap;

use roadstead_auth::{Caller, Grant};
use roadstead_model::webhook::{Artifact, Event, EventData, EventType};
use roadstead_model::{
    Digest, ManifestId, ProjectId, Reference, RepositoryId, RepositoryName, Tag, Timestamp,
};
use roadstead_storage::Tx;
use roadstead_storage::tables::{project, webhook_delivery};

use crate::error::Result;

mod pulls;

pub(crate) use pulls::Pulls;

/// A manifest was pushed, also one that was there.
pub(crate) async fn pushed(
    tx: &mut Tx,
    grant: &Grant,
    digest: &Digest,
    tags: &[Tag],
    now: Timestamp,
) -> Result<()> {
    let artifact = artifact(digest.as_str(), tags.first().map(Tag::as_str));
    let happened = Happened::of(EventType::PushArtifact, grant.caller(), vec![artifact]);
    happened.raise(tx, grant.project(), grant.name(), now).await
}

/// The manifests of a repository, or one of them, are about to be deleted with their tags; an event
/// for each.
pub(crate) async fn deleted(
    tx: &mut Tx,
    grant: &Grant,
    repository: RepositoryId,
    one: Option<ManifestId>,
    now: Timestamp,
) -> Result<()> {
    let kind = EventType::DeleteArtifact;
    let listeners = webhook_delivery::listeners(tx, grant.project(), kind).await?;
    if listeners.is_empty() {
        return Ok(());
    }
    let described = webhook_delivery::repository(tx, grant.name()).await?;
    let found = webhook_delivery::artifacts(tx, repository, one).await?;
    let events: Vec<Event> = found
        .into_iter()
        .map(|(digest, tag)| {
            let artifact = artifact(&digest, tag.as_deref());
            let happened = Happened::of(kind, grant.caller(), vec![artifact]);
            let mut event = happened.event(now);
            event.event_data.repository = Some(described.clone());
            event
        })
        .collect();
    webhook_delivery::insert(tx, &listeners, &events, now).await?;
    Ok(())
}

/// A push brought a project near its quota.
pub(crate) async fn quota_nearly_full(
    tx: &mut Tx,
    grant: &Grant,
    text: &str,
    now: Timestamp,
) -> Result<()> {
    let happened = Happened::of(EventType::QuotaWarning, grant.caller(), Vec::new());
    happened.saying(text).raise(tx, grant.project(), grant.name(), now).await
}

/// A push that was refused because the project is full.
pub(crate) struct Refused<'a> {
    pub(crate) name: &'a RepositoryName,
    /// Of the manifest, if it was one.
    pub(crate) reference: Option<&'a Reference>,
    pub(crate) why: &'a str,
}

/// A push was refused because the project is full.
pub(crate) async fn quota_exceeded(
    tx: &mut Tx,
    caller: &Caller,
    project: ProjectId,
    refused: Refused<'_>,
    now: Timestamp,
) -> Result<()> {
    project::share(tx, project).await?;
    let resources = refused.reference.map(|reference| match reference {
        Reference::Tag(tag) => Artifact { tag: tag.to_string(), ..Artifact::default() },
        Reference::Digest(digest) => artifact(digest.as_str(), None),
    });
    let resources = resources.into_iter().collect();
    let happened = Happened::of(EventType::QuotaExceed, caller, resources);
    happened.saying(refused.why).raise(tx, project, refused.name, now).await
}

/// What happened, as far as it is known without the database.
struct Happened {
    kind: EventType,
    operator: String,
    request_id: String,
    data: EventData,
}

impl Happened {
    fn of(kind: EventType, caller: &Caller, resources: Vec<Artifact>) -> Self {
        Self {
            kind,
            operator: operator(caller).to_owned(),
            request_id: caller.origin().request_id.to_string(),
            data: EventData { resources, ..EventData::default() },
        }
    }

    fn saying(mut self, details: &str) -> Self {
        let details = ("Details".to_owned(), details.to_owned());
        self.data.custom_attributes = BTreeMap::from([details]);
        self
    }

    fn event(self, now: Timestamp) -> Event {
        let Self { kind, operator, request_id, data } = self;
        Event { kind, occur_at: now.seconds(), operator, request_id, event_data: data }
    }

    /// The repository is looked up when somebody wants to be told.
    async fn raise(
        self,
        tx: &mut Tx,
        project: ProjectId,
        name: &RepositoryName,
        now: Timestamp,
    ) -> Result<()> {
        let listeners = webhook_delivery::listeners(tx, project, self.kind).await?;
        if listeners.is_empty() {
            return Ok(());
        }
        let mut event = self.event(now);
        event.event_data.repository = Some(webhook_delivery::repository(tx, name).await?);
        webhook_delivery::insert(tx, &listeners, &[event], now).await?;
        Ok(())
    }
}

/// The name as it logged in, without the token that it used.
fn operator(caller: &Caller) -> &str {
    if caller.id().is_none() { "anonymous" } else { caller.name() }
}

/// A manifest as Harbor describes it: without a tag, the digest stands for it.
fn artifact(digest: &str, tag: Option<&str>) -> Artifact {
    Artifact {
        digest: digest.to_owned(),
        tag: tag.unwrap_or(digest).to_owned(),
        resource_url: String::new(),
    }
}
