//! Copying an artifact to another repository: its blobs are linked there, and it is pushed there as
//! a client would push it, what belongs to it after it.

use roadstead_auth::Grant;
use roadstead_model::{Digest, Reference, RepositoryId, Tag};
use roadstead_storage::tables::artifact::{self, Accessories};
use roadstead_storage::tables::manifest::{self, Manifest};
use roadstead_storage::tables::{blob, tag};
use roadstead_storage::{Conn, Error as StorageError};

use crate::Registry;
use crate::error::{Error, Result};
use crate::events::{self, Refused};
use crate::manifest::Manifest as Reading;
use crate::mount::Mounted;
use crate::push::{Condition, Push};

/// How many accessories of one artifact are copied.
const MOST_ACCESSORIES: i64 = 1000;

/// A manifest that is to be copied, and what it names.
struct Piece {
    manifest: Manifest,
    bytes: Vec<u8>,
    blobs: Vec<Digest>,
    children: Vec<Digest>,
    tags: Vec<Tag>,
}

impl Registry {
    /// Copies an artifact of `source`, which the caller may read, with its tags, with what it names
    /// and with what belongs to it. What is there already stays as it is.
    pub async fn copy_artifact(
        &self,
        grant: &Grant,
        source: RepositoryId,
        digest: &str,
    ) -> Result<()> {
        let unknown = |_| Error::ManifestUnknown(digest.to_owned());
        let digest: Digest = digest.parse().map_err(unknown)?;
        let copied = self.copy_all(grant, source, digest.clone()).await;
        if let Err(error @ Error::Storage(StorageError::OverQuota { .. })) = &copied {
            self.tell_that_it_is_full(grant, digest, &error.to_string()).await?;
        }
        copied
    }

    /// Whoever wants to hear of a full project does.
    async fn tell_that_it_is_full(&self, grant: &Grant, digest: Digest, why: &str) -> Result<()> {
        let reference = Reference::Digest(digest);
        let refused = Refused { name: grant.name(), reference: Some(&reference), why };
        let mut tx = self.db.begin().await?;
        let now = self.clock.now();
        events::quota_exceeded(&mut tx, grant.caller(), grant.project(), refused, now).await?;
        Ok(tx.commit().await?)
    }

    async fn copy_all(&self, grant: &Grant, source: RepositoryId, root: Digest) -> Result<()> {
        let mut waiting = vec![root];
        while let Some(next) = waiting.pop() {
            Box::pin(self.copy_tree(grant, source, &next)).await?;
            waiting.extend(self.belonging_to(source, &next).await?);
        }
        Ok(())
    }

    async fn copy_tree(&self, grant: &Grant, source: RepositoryId, root: &Digest) -> Result<()> {
        let piece = self.piece(source, root).await?;
        for child in &piece.children {
            Box::pin(self.copy_tree(grant, source, child)).await?;
        }
        for blob in &piece.blobs {
            if self.link_from(grant, blob, source).await? != Mounted::Yes {
                return Err(Error::BlobUnknown(blob.clone()));
            }
        }
        let push = Push {
            reference: Reference::Digest(piece.manifest.digest.clone()),
            tags: piece.tags,
            condition: Condition::Always,
            content_type: piece.manifest.media_type,
            bytes: piece.bytes.into(),
        };
        self.push_manifest(grant, push).await?;
        Ok(())
    }

    /// Reads a manifest and finds which of what it names its repository has: a foreign layer may
    /// be missing there, too.
    async fn piece(&self, source: RepositoryId, digest: &Digest) -> Result<Piece> {
        let unknown = || Error::ManifestUnknown(digest.to_string());
        let mut conn = self.db.read().await?;
        let found = manifest::find(&mut conn, source, digest).await?.ok_or_else(unknown)?;
        let bytes = manifest::bytes(&mut conn, found.id).await?.ok_or_else(unknown)?;
        let read = Reading::parse(&found.media_type, &bytes, self.limits.manifest_entries);
        let read = read.map_err(Error::ManifestInvalid)?;
        let tags = tag::of_manifests(&mut conn, &[found.id]).await?;
        let tags = tags.into_iter().filter_map(|tag| tag.name.parse().ok()).collect();
        let (mut blobs, mut children) = (Vec::new(), Vec::new());
        for named in read.names {
            match what(&mut conn, source, &named.digest, read.is_index).await? {
                Some(true) => children.push(named.digest),
                Some(false) => blobs.push(named.digest),
                None => {}
            }
        }
        Ok(Piece { manifest: found, bytes, blobs, children, tags })
    }

    async fn belonging_to(&self, source: RepositoryId, digest: &Digest) -> Result<Vec<Digest>> {
        let wanted = Accessories {
            repository: source,
            of: digest.as_str(),
            conditions: &[],
            order: &[("m.id", false)],
        };
        let mut conn = self.db.read().await?;
        let found = artifact::accessories(&mut conn, wanted, MOST_ACCESSORIES, 0).await?;
        Ok(found.into_iter().filter_map(|found| found.digest.parse().ok()).collect())
    }
}

/// Whether what is named is a manifest of the repository (true) or a blob (false).
async fn what(
    conn: &mut Conn,
    source: RepositoryId,
    digest: &Digest,
    may_be_manifest: bool,
) -> Result<Option<bool>> {
    if may_be_manifest && manifest::find(conn, source, digest).await?.is_some() {
        return Ok(Some(true));
    }
    Ok(blob::linked(conn, source, digest).await?.map(|_| false))
}
