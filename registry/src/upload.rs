//! Uploading a blob: bytes are hashed while they are written under a fresh key, made durable,
//! and linked to the repository by one short transaction.

use roadstead_auth::Grant;
use roadstead_model::{
    Algorithm, Digest, ObjectKey, PrincipalId, RepositoryId, Timestamp, UploadId,
};
use roadstead_storage::tables::upload::{self, Owner, Upload};
use roadstead_storage::tables::{blob, repository, usage};
use roadstead_storage::{ContentHash, Error as StorageError, Tx};

use crate::Registry;
use crate::error::{Error, Progress, Result};

mod link;
mod receive;
mod session;

use receive::Received;
pub(crate) use receive::{Bodies, Cut};
use session::Session;

/// What a request says about the bytes it carries.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Chunk {
    /// First and last byte, as `Content-Range` has them.
    pub(crate) range: Option<(u64, u64)>,
    /// `Content-Length`.
    pub(crate) length: Option<u64>,
}

impl Chunk {
    /// The number of bytes that must come, where it was announced.
    fn expected(self) -> Result<Option<u64>> {
        let Some((first, last)) = self.range else {
            return Ok(self.length);
        };
        let range = last.checked_sub(first).and_then(|n| n.checked_add(1));
        match (range, self.length) {
            (Some(range), Some(length)) if range != length => Err(Error::SizeInvalid(format!(
                "Content-Range covers {range} bytes and Content-Length is {length}"
            ))),
            (None, _) => Err(Error::UploadInvalid("Content-Range ends before it begins")),
            (range, _) => Ok(range),
        }
    }

    fn begins_at(self, progress: Progress) -> Result<()> {
        match self.range {
            Some((first, _)) if first != progress.received => Err(Error::OutOfOrder(progress)),
            _ => Ok(()),
        }
    }
}

impl Registry {
    /// Opens an upload session, whose bytes will be hashed with `algorithm`. `announced` is the
    /// number of bytes that are known to come.
    pub(crate) async fn start_upload(
        &self,
        grant: &Grant,
        algorithm: Algorithm,
        announced: u64,
    ) -> Result<Progress> {
        self.blobs.require_space(announced).await?;
        usage::require_any_room(&mut self.db.read().await?, grant.project()).await?;
        let principal = writer(grant)?;
        let now = self.clock.now();
        let row = Upload {
            id: UploadId::random(),
            key: ObjectKey::fresh(),
            received: 0,
            algorithm,
            hash_state: ContentHash::new(algorithm).save(),
        };
        let mut tx = self.db.begin().await?;
        if upload::count_of(&mut tx, principal).await? >= self.limits.uploads_per_principal {
            return Err(Error::TooManyUploads);
        }
        let repository = repository_of(&mut tx, grant, now).await?;
        let owner = Owner { repository, principal };
        let expires_at = now.after(self.limits.upload_expiry);
        upload::insert(&mut tx, &row, owner, now, expires_at).await?;
        tx.commit().await?;
        Ok(Progress { id: row.id, received: 0 })
    }

    /// Requires that the project has room for a blob that is known by its digest and length.
    pub(crate) async fn require_room(
        &self,
        grant: &Grant,
        digest: &Digest,
        announced: u64,
    ) -> Result<()> {
        let bytes = i64::try_from(announced).unwrap_or(i64::MAX);
        let mut conn = self.db.read().await?;
        Ok(usage::require_room(&mut conn, grant.project(), bytes, Some(digest)).await?)
    }

    /// How far a session is.
    pub(crate) async fn upload_progress(&self, grant: &Grant, id: UploadId) -> Result<Progress> {
        let session = self.session(grant, id).await?.ok_or(Error::UploadUnknown)?;
        Ok(session.progress())
    }

    /// Cancels a session.
    pub(crate) async fn cancel_upload(&self, grant: &Grant, id: UploadId) -> Result<()> {
        let (session, _writing) = self.enter(grant, id).await?.ok_or(Error::UploadUnknown)?;
        self.abandon(&session).await
    }

    /// Appends a chunk (with a range: all of it or nothing) or a stream (whatever arrives).
    pub(crate) async fn append(
        &self,
        grant: &Grant,
        id: UploadId,
        chunk: Chunk,
        body: impl Bodies,
    ) -> Result<Progress> {
        let expected = chunk.expected()?;
        let (session, writing) = self.enter(grant, id).await?.ok_or(Error::UploadUnknown)?;
        chunk.begins_at(session.progress())?;
        let received = self.take_in(&session, None, body, expected).await?;
        let (staged, cut) = match received {
            Received::Whole(staged) => (staged, None),
            // A cut stream keeps what arrived: its client may ask how far it came and go on.
            Received::Cut(staged, cut) if chunk.range.is_none() => (staged, Some(cut)),
            Received::Cut(_, cut) => return Err(cut.into()),
        };
        let staged = match staged.flush().await {
            Ok(staged) => staged,
            Err(error) => return self.poison(&session, error).await,
        };
        let progress = Progress { id, received: staged.offset() };
        self.advance(&session, progress, staged.hash()).await?;
        drop(writing);
        cut.map_or(Ok(progress), |cut| Err(cut.into()))
    }

    async fn advance(&self, session: &Session, to: Progress, hash: &ContentHash) -> Result<()> {
        let expires_at = self.clock.now().after(self.limits.upload_expiry);
        let mut tx = self.db.begin().await?;
        let state = hash.save();
        if !upload::advance(&mut tx, &session.row, to.received, &state, expires_at).await? {
            return Err(Error::UploadUnknown);
        }
        Ok(tx.commit().await?)
    }

    /// Appends the last bytes, compares the digest and links the blob to the repository.
    ///
    /// A session that is gone while the repository has the blob was finished before, and its
    /// answer was lost: the same answer is given again.
    pub(crate) async fn finish_upload(
        &self,
        grant: &Grant,
        id: UploadId,
        digest: &Digest,
        chunk: Chunk,
        body: impl Bodies,
    ) -> Result<()> {
        let expected = chunk.expected()?;
        let Some((session, _writing)) = self.enter(grant, id).await? else {
            return self.finished_before(grant, digest).await;
        };
        chunk.begins_at(session.progress())?;
        let staged = match self.take_in(&session, Some(digest), body, expected).await? {
            Received::Whole(staged) => staged,
            Received::Cut(_, cut) => return Err(cut.into()),
        };
        let (size, computed) = (staged.offset(), staged.hash().clone().finish());
        if computed != *digest {
            self.abandon(&session).await?;
            return Err(Error::DigestMismatch { claimed: digest.clone(), computed });
        }
        if let Err(error) = self.blobs.publish(&session.row.key, staged, digest).await {
            return self.poison(&session, error).await;
        }
        match self.link_upload(grant, &session, digest, size).await {
            Err(error @ Error::Storage(StorageError::OverQuota { .. })) => {
                self.abandon(&session).await?;
                Err(error)
            }
            result => result,
        }
    }

    async fn finished_before(&self, grant: &Grant, digest: &Digest) -> Result<()> {
        let repository = grant.repository().ok_or(Error::UploadUnknown)?;
        let mut conn = self.db.read().await?;
        let linked = blob::linked(&mut conn, repository, digest).await?;
        linked.map(drop).ok_or(Error::UploadUnknown)
    }
}

/// Uploads belong to somebody; nobody anonymous may push.
fn writer(grant: &Grant) -> Result<PrincipalId> {
    grant.principal().ok_or(Error::UploadUnknown)
}

/// The repository that a push goes to, made with its first push.
pub(crate) async fn repository_of(
    tx: &mut Tx,
    grant: &Grant,
    now: Timestamp,
) -> Result<RepositoryId> {
    match grant.repository() {
        Some(id) => Ok(id),
        None => Ok(repository::ensure(tx, grant.project(), grant.name(), now).await?),
    }
}
