//! Giving a manifest that is there a tag that is not.

use roadstead_auth::Grant;
use roadstead_model::{Digest, Tag};
use roadstead_storage::tables::tag::{self, NewTag};
use roadstead_storage::tables::{gc_queue, immutable_rule, manifest, project};

use crate::Registry;
use crate::attempts::Attempts;
use crate::audit::{self, Change};
use crate::error::{Error, Result};
use crate::history;
use crate::pull::known;
use crate::push::protects;

impl Registry {
    /// Makes a tag; one of this name is not moved.
    pub async fn create_tag(&self, grant: &Grant, digest: &str, name: &Tag) -> Result<()> {
        let unknown = |_| Error::ManifestUnknown(digest.to_owned());
        let digest: Digest = digest.parse().map_err(unknown)?;
        let mut attempts = Attempts::default();
        loop {
            match self.try_create_tag(grant, &digest, name).await {
                Err(error) if attempts.may_go_on(&error) || attempts.may_look_again(&error) => {
                    attempts.pause().await;
                }
                result => return result,
            }
        }
    }

    async fn try_create_tag(&self, grant: &Grant, digest: &Digest, name: &Tag) -> Result<()> {
        let repository = known(grant)?;
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        let rules = immutable_rule::in_force(&mut tx, grant.project()).await?;
        project::share(&mut tx, grant.project()).await?;
        let found = manifest::hold(&mut tx, repository, digest).await?;
        let found = found.ok_or_else(|| Error::ManifestUnknown(digest.to_string()))?;
        let immutable = protects(&rules, grant, name);
        let new = NewTag { name, manifest: found.id, immutable, strict: false };
        if !tag::insert(&mut tx, repository, new, now).await? {
            return Err(Error::TagTaken(name.clone()));
        }
        history::moved(&mut tx, grant, name, [None, Some(digest.as_str())], now).await?;
        gc_queue::manifests_held(&mut tx, repository, [found.id]).await?;
        let which = format!(":{name}@{digest}");
        let change = Change { resource_type: "tag", which: &which, operation: "create" };
        audit::record(&mut tx, grant, change, now).await?;
        Ok(tx.commit().await?)
    }
}
