//! Uploading a blob: bytes are hashed while they are written under a fresh key, made durable,
//! and linked to the repository by one short transaction.

use roadstead_auth::Grant;
use roadstead_model::{
    Algorithm, Digest, ObjectKey, PrincipalId, RepositoryId, Timestamp, UploadId,
};
use roadstead_storage::blobs::Layout;
use roadstead_storage::tables::upload::{self, Owner, Upload, at_once};
use roadstead_storage::tables::{blob, project, repository, usage};
use roadstead_storage::{ContentHash, Error as StorageError, Turn, Tx};

use crate::Registry;
use crate::error::{Error, Progress, Result};

mod advance;
mod held;
mod link;
mod pen;
mod publish;
mod receive;
mod session;
mod unlimited;

use receive::Received;
pub(crate) use receive::{Bodies, Cut};
pub(crate) use unlimited::Unlimited;

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
        self.writes.require()?;
        self.blobs.require_space(announced).await?;
        let principal = writer(grant)?;
        let now = self.clock.now();
        let row = Upload {
            id: UploadId::random(),
            key: ObjectKey::fresh(),
            received: 0,
            layout: Layout::default(),
            algorithm,
            hash_state: ContentHash::new(algorithm).save(),
        };
        let expires_at = now.after(self.limits.upload_expiry);
        let (progress, times) = (Progress { id: row.id, received: 0 }, (now, expires_at));
        let most = self.limits.uploads_per_principal;
        if let Some(repository) = grant.repository() {
            let owner = Owner { repository, principal };
            if at_once::open(&self.db, &row, owner, grant.project(), most, times).await? {
                self.remember(row, owner, now, expires_at);
                return Ok(progress);
            }
        }
        usage::require_any_room(&mut self.db.read().await?, grant.project()).await?;
        let mut tx = self.db.begin_turn(Turn::Uploads(principal)).await?;
        project::share(&mut tx, grant.project()).await?;
        if upload::count_of(&mut tx, principal).await? >= most {
            return Err(Error::TooManyUploads);
        }
        let repository = repository_of(&mut tx, grant, now).await?;
        let owner = Owner { repository, principal };
        upload::insert(&mut tx, &row, owner, now, expires_at).await?;
        tx.commit().await?;
        self.remember(row, owner, now, expires_at);
        Ok(progress)
    }

    /// Requires that the project has room for a blob that is known by its digest and length.
    pub(crate) async fn require_room(
        &self,
        grant: &Grant,
        digest: &Digest,
        announced: u64,
    ) -> Result<()> {
        let bytes = i64::try_from(announced).unwrap_or(i64::MAX);
        self.require_room_in(grant.project(), bytes, Some(digest)).await.map(drop)
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
        let hash = self.hash_of(&session, session.row.algorithm).await?;
        let Some(hash) = hash else {
            // Another version of the program hashed the first bytes, and they cannot be read yet.
            self.abandon(&session).await?;
            return Err(Error::UploadUnknown);
        };
        let received = self.take_in(&session, None, hash, body, expected).await?;
        let (staged, cut) = match received {
            Received::Whole(staged) => (staged, None),
            // A cut stream keeps what arrived: its client may ask how far it came and go on.
            Received::Cut(staged, cut) if chunk.range.is_none() => (staged, Some(cut)),
            Received::Cut(_, cut) => return Err(cut.into()),
        };
        // Who sends chunks with their ranges means to go on with them whatever happens.
        if cut.is_none()
            && chunk.range.is_none()
            && let Some(progress) = self.hold(&session, &staged)
        {
            return Ok(progress);
        }
        let staged = self.settle(&session, staged).await?;
        let progress = self.advance(&session, &staged).await?;
        drop(writing);
        cut.map_or(Ok(progress), |cut| Err(cut.into()))
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
        let known = self.hash_of(&session, digest.algorithm()).await?;
        let is_known = known.is_some();
        let hash = known.unwrap_or_else(|| ContentHash::new(digest.algorithm()));
        let staged = match self.take_in(&session, Some(digest), hash, body, expected).await? {
            Received::Whole(staged) => staged,
            Received::Cut(_, cut) => return Err(cut.into()),
        };
        let size = staged.offset();
        let key = if is_known {
            self.publish_verified(&session, staged, digest).await?
        } else {
            self.publish_unverified(&session, staged, digest).await?
        };
        match self.link_upload(grant, &session, digest, size, &key).await {
            Err(error @ Error::Storage(StorageError::OverQuota { .. })) => {
                self.abandon(&session).await?;
                Err(error)
            }
            Ok(()) => {
                self.sessions.ended(id);
                Ok(())
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
