//! Mounting: linking a blob of another repository instead of sending it again.

use roadstead_auth::{Caller, Grant, Refusal};
use roadstead_model::{Action, BlobId, Digest, RepositoryId, RepositoryName};
use roadstead_storage::tables::blob::{self, State};
use roadstead_storage::tables::{link, project};

use crate::Registry;
use crate::attempts::Attempts;
use crate::audit::{self, Change};
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

    /// With a password, everything that the caller may pull is looked at; with a token, only what
    /// it names, because a token opens nothing else.
    async fn any_source(&self, caller: &Caller, digest: &Digest) -> Result<Option<RepositoryId>> {
        let mut conn = self.db.read().await?;
        if let Some(names) = caller.repositories_of_token() {
            for name in names {
                let grant = caller.require(&mut conn, &name, Action::Pull).await?;
                let source = grant.ok().and_then(|grant| grant.repository());
                let Some(source) = source else { continue };
                if blob::linked(&mut conn, source, digest).await?.is_some() {
                    return Ok(Some(source));
                }
            }
            return Ok(None);
        }
        Ok(link::source(&mut conn, digest, caller.viewer()).await?)
    }

    pub(crate) async fn link_from(
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
        if found.state != State::Ok || !self.is_there(&found).await? {
            return Ok(Mounted::No);
        }
        let mut attempts = Attempts::default();
        loop {
            match self.try_mount(grant, digest, source, found.id).await {
                Err(error) if attempts.may_go_on(&error) => attempts.pause().await,
                result => return result,
            }
        }
    }

    async fn try_mount(
        &self,
        grant: &Grant,
        digest: &Digest,
        source: RepositoryId,
        found: BlobId,
    ) -> Result<Mounted> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        project::share(&mut tx, grant.project()).await?;
        // Held until the commit, so that the link is made to a row that is there.
        if blob::hold(&mut tx, digest).await?.is_none()
            || blob::linked(&mut tx, source, digest).await?.is_none()
        {
            return Ok(Mounted::No);
        }
        let repository = repository_of(&mut tx, grant, now).await?;
        let lease = now.after(self.limits.lease);
        let warning = link::put(&mut tx, grant.project(), repository, found, lease).await?;
        audit::warn_of_quota(&mut tx, grant, warning, now).await?;
        let which = format!("@{digest}");
        let change = Change { resource_type: "blob", which: &which, operation: "create" };
        audit::record(&mut tx, grant, change, now).await?;
        tx.commit().await?;
        Ok(Mounted::Yes)
    }
}
