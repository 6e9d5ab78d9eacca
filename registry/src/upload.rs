//! Uploading a blob: bytes are hashed while they are written under a fresh key, made durable,
//! and linked to the repository by one short transaction.

use roadstead_auth::Grant;
use roadstead_model::{
    Algorithm, BlobId, Digest, ObjectKey, PrincipalId, RepositoryId, Timestamp, UploadId,
};
use roadstead_storage::tables::blob::{self, State};
use roadstead_storage::tables::upload::{self, Owner, Upload};
use roadstead_storage::tables::{link, repository, tombstone};
use roadstead_storage::{ContentHash, Error as StorageError, Tx};

use crate::Registry;
use crate::audit::{self, Change};
use crate::error::{Error, Progress, Result};
use crate::sessions::Writing;

mod receive;

pub(crate) use receive::{Bodies, Cut};
use receive::{Received, receive};

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

/// A session that was looked up, with its owner.
struct Session {
    row: Upload,
    owner: Owner,
}

/// A task that ends with this.
struct KeepAlive(tokio::task::JoinHandle<()>);

impl Drop for KeepAlive {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Session {
    fn progress(&self) -> Progress {
        Progress { id: self.row.id, received: self.row.received }
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

    async fn session(&self, grant: &Grant, id: UploadId) -> Result<Option<Session>> {
        let (Some(repository), Some(principal)) = (grant.repository(), grant.principal()) else {
            return Ok(None);
        };
        let owner = Owner { repository, principal };
        let mut conn = self.db.read().await?;
        let row = upload::find(&mut conn, id, owner, self.clock.now()).await?;
        Ok(row.map(|row| Session { row, owner }))
    }

    /// The session, and the right to write to it. Looked up after entering, so that no other
    /// writer moves it any more; whoever does not own it learns nothing.
    ///
    /// # Errors
    /// [`Error::UploadBusy`] while another request writes to it.
    async fn enter(&self, grant: &Grant, id: UploadId) -> Result<Option<(Session, Writing)>> {
        let writing = self.sessions.enter(id);
        match (self.session(grant, id).await?, writing) {
            (Some(session), Some(writing)) => Ok(Some((session, writing))),
            (Some(session), None) => Err(Error::UploadBusy(session.progress())),
            (None, _) => Ok(None),
        }
    }

    async fn abandon(&self, session: &Session) -> Result<()> {
        let mut tx = self.db.begin().await?;
        if !upload::remove(&mut tx, session.row.id, session.owner).await? {
            return Err(Error::UploadUnknown);
        }
        self.bury(&mut tx, &session.row.key).await?;
        Ok(tx.commit().await?)
    }

    /// Marks a key whose row goes away in this transaction for deletion.
    pub(crate) async fn bury(&self, tx: &mut Tx, key: &ObjectKey) -> Result<()> {
        let not_before = self.clock.now().after(self.limits.grace);
        Ok(tombstone::insert(tx, key, not_before, &self.db_epoch).await?)
    }

    /// The running hash of a session, for a digest of `algorithm`. The saved state is used where
    /// it can be; otherwise the bytes are read once more.
    async fn hash_of(&self, row: &Upload, algorithm: Algorithm) -> Result<ContentHash> {
        let saved = (row.algorithm == algorithm)
            .then(|| ContentHash::restore(algorithm, &row.hash_state))
            .flatten();
        if let Some(hash) = saved {
            return Ok(hash);
        }
        if row.received == 0 {
            // There may be no object yet.
            return Ok(ContentHash::new(algorithm));
        }
        let hash = ContentHash::new(algorithm);
        Ok(self.blobs.hash(&row.key, row.received, hash).await?)
    }

    /// Writes a body behind what the session has. When that fails, its bytes are given back at
    /// once: on a full disk others need them.
    async fn take_in(
        &self,
        session: &Session,
        algorithm: Algorithm,
        body: impl Bodies,
        expected: Option<u64>,
    ) -> Result<Received> {
        let row = &session.row;
        let opened = async {
            let hash = self.hash_of(row, algorithm).await?;
            Ok::<_, Error>(self.blobs.stage(&row.key, row.received, hash).await?)
        };
        let staged = match opened.await {
            Err(Error::Storage(error @ StorageError::Damaged { .. })) => {
                // What was acknowledged is gone; the client has to begin again.
                tracing::error!(%error, "an upload session lost its bytes");
                self.abandon(session).await?;
                return Err(Error::UploadUnknown);
            }
            opened => opened?,
        };
        let alive = self.keep_alive(row.id);
        let received = receive(&self.blobs, staged, body, expected).await;
        drop(alive);
        if received.is_err()
            && let Err(error) = self.blobs.cut(&row.key, row.received).await
        {
            tracing::warn!(%error, key = %row.key, "the bytes of a failed write stay for now");
        }
        received
    }

    /// Moves a session's end on while its bytes arrive, until dropped.
    fn keep_alive(&self, id: UploadId) -> KeepAlive {
        let (registry, expiry) = (self.clone(), self.limits.upload_expiry);
        let task = tokio::spawn(async move {
            loop {
                tokio::time::sleep(expiry / 4).await;
                let extended = async {
                    let mut tx = registry.db.begin().await?;
                    let expires_at = registry.clock.now().after(expiry);
                    upload::extend(&mut tx, id, expires_at).await?;
                    tx.commit().await
                };
                if let Err(error) = extended.await {
                    tracing::warn!(%error, upload = %id, "a session could not be extended");
                }
            }
        });
        KeepAlive(task)
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
        self.blobs.require_space(expected.unwrap_or(0)).await?;
        let received = self.take_in(&session, session.row.algorithm, body, expected).await?;
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
        self.blobs.require_space(expected.unwrap_or(0)).await?;
        let algorithm = digest.algorithm();
        let staged = match self.take_in(&session, algorithm, body, expected).await? {
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
        self.link_upload(grant, &session, digest, size).await
    }

    /// After a failed sync nobody knows what the disk holds, and a second sync would claim success
    /// without proving it: the session ends and its key is never used again.
    async fn poison<T>(&self, session: &Session, error: StorageError) -> Result<T> {
        if let Err(error) = self.abandon(session).await {
            tracing::warn!(%error, "a session with unsynced bytes stays until it expires");
        }
        Err(error.into())
    }

    async fn finished_before(&self, grant: &Grant, digest: &Digest) -> Result<()> {
        let repository = grant.repository().ok_or(Error::UploadUnknown)?;
        let mut conn = self.db.read().await?;
        let linked = blob::linked(&mut conn, repository, digest).await?;
        linked.map(drop).ok_or(Error::UploadUnknown)
    }

    /// The session's object becomes the blob's, or, when the blob is there already, goes away.
    async fn link_upload(
        &self,
        grant: &Grant,
        session: &Session,
        digest: &Digest,
        size: u64,
    ) -> Result<()> {
        let damaged = self.damaged_object_of(digest).await?;
        loop {
            let now = self.clock.now();
            let mut tx = self.db.begin().await?;
            if !upload::remove(&mut tx, session.row.id, session.owner).await? {
                return Err(Error::UploadUnknown);
            }
            let key = &session.row.key;
            let Some(id) = self.adopt(&mut tx, digest, size, key, damaged.as_ref()).await? else {
                // Collected between the two statements; the next round inserts it.
                continue;
            };
            let lease = now.after(self.limits.lease);
            let repository = session.owner.repository;
            let warning = link::put(&mut tx, grant.project(), repository, id, lease).await?;
            audit::warn_of_quota(&mut tx, grant, warning, now).await?;
            let which = format!("@{digest}");
            let change = Change { resource_type: "blob", which: &which, operation: "create" };
            audit::record(&mut tx, grant, change, now).await?;
            return Ok(tx.commit().await?);
        }
    }

    /// The blob's id, with `key` as its object if it has none that is whole.
    async fn adopt(
        &self,
        tx: &mut Tx,
        digest: &Digest,
        size: u64,
        key: &ObjectKey,
        damaged: Option<&ObjectKey>,
    ) -> Result<Option<BlobId>> {
        let now = self.clock.now();
        if let Some(id) = blob::insert(tx, digest, size, key, now).await? {
            return Ok(Some(id));
        }
        let Some(existing) = blob::hold(tx, digest).await? else {
            return Ok(None);
        };
        if existing.state != State::Ok || damaged == Some(&existing.key) {
            blob::replace_object(tx, existing.id, size, key, now).await?;
            self.bury(tx, &existing.key).await?;
        } else {
            self.bury(tx, key).await?;
        }
        Ok(Some(existing.id))
    }

    /// The key of the digest's present object, if that is missing or has another length.
    async fn damaged_object_of(&self, digest: &Digest) -> Result<Option<ObjectKey>> {
        let existing = blob::find(&mut self.db.read().await?, digest).await?;
        let Some(existing) = existing else {
            return Ok(None);
        };
        let found = self.blobs.size(&existing.key).await?;
        Ok((found != Some(existing.size)).then_some(existing.key))
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
