//! Mounting: linking a blob of another repository instead of sending it again.

use roadstead_auth::{Caller, Grant, Refusal};
use roadstead_model::{Action, Digest, RepositoryId, RepositoryName};
use roadstead_storage::tables::audit::{self, Event};
use roadstead_storage::tables::blob::{self, State};
use roadstead_storage::tables::link;

use crate::Registry;
use crate::error::Result;
use crate::upload::repository_of;

/// How an attempt to mount ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mounted {
    /// The blob is linked.
    Yes,
    /// It is not, for whatever reason; the client is told to upload. Not there and not allowed
    /// look alike.
    No,
    /// The caller may pull from the source, but the token at hand does not say so.
    TokenLacksSource,
}

impl Registry {
    /// Links a blob from `from`, or, without one, from any repository that the caller may pull.
    pub(crate) async fn mount(
        &self,
        grant: &Grant,
        digest: &Digest,
        from: Option<&RepositoryName>,
    ) -> Result<Mounted> {
        let source = match from {
            Some(from) => match self.source(grant.caller(), from).await? {
                Ok(source) => source,
                Err(Refusal::TokenLacks) => return Ok(Mounted::TokenLacksSource),
                Err(_) => None,
            },
            None => self.any_source(grant.caller(), digest).await?,
        };
        let Some(source) = source else {
            return Ok(Mounted::No);
        };
        self.link_from(grant, digest, source).await
    }

    async fn source(
        &self,
        caller: &Caller,
        from: &RepositoryName,
    ) -> Result<Result<Option<RepositoryId>, Refusal>> {
        let mut conn = self.db.read().await?;
        let grant = caller.require(&mut conn, from, Action::Pull).await?;
        Ok(grant.map(|grant| grant.repository()))
    }

    async fn any_source(&self, caller: &Caller, digest: &Digest) -> Result<Option<RepositoryId>> {
        let mut conn = self.db.read().await?;
        Ok(link::source(&mut conn, digest, caller.id(), caller.is_sysadmin()).await?)
    }

    async fn link_from(
        &self,
        grant: &Grant,
        digest: &Digest,
        source: RepositoryId,
    ) -> Result<Mounted> {
        // A damaged object is not worth a link; an upload heals it.
        let found = blob::linked(&mut self.db.read().await?, source, digest).await?;
        let Some(found) = found else {
            return Ok(Mounted::No);
        };
        let whole = self.blobs.size(&found.key).await? == Some(found.size);
        if found.state != State::Ok || !whole {
            return Ok(Mounted::No);
        }
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        // Held until the commit, so that the link is made to a row that is there.
        if blob::hold(&mut tx, digest).await?.is_none()
            || blob::linked(&mut tx, source, digest).await?.is_none()
        {
            return Ok(Mounted::No);
        }
        let repository = repository_of(&mut tx, grant, now).await?;
        let lease = now.after(self.limits.lease);
        link::put(&mut tx, grant.project(), repository, found.id, lease).await?;
        let resource = format!("{}@{digest}", grant.name());
        let event = Event {
            project: Some(grant.project()),
            resource_type: "blob",
            resource: &resource,
            operation: "create",
        };
        audit::record(&mut tx, grant.caller().actor(), event, now).await?;
        tx.commit().await?;
        Ok(Mounted::Yes)
    }
}
