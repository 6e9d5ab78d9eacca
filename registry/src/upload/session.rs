//! An upload session: who may write to it, where its bytes go, how it ends.

use bytes::Bytes;
use roadstead_auth::Grant;
use roadstead_model::{Algorithm, Digest, ProjectId, Timestamp, UploadId};
use roadstead_storage::blobs;
use roadstead_storage::tables::tombstone::Grave;
use roadstead_storage::tables::upload::{self, Owner, Upload};
use roadstead_storage::tables::{tombstone, usage};
use roadstead_storage::{ContentHash, Error as StorageError, Tx};

use super::receive::{Bodies, Received, Room, receive};
use crate::Registry;
use crate::error::{Error, Progress, Result};
use crate::sessions::{Held, Writing};

/// A session that was looked up, with its owner.
pub(super) struct Session {
    pub(super) row: Upload,
    pub(super) owner: Owner,
    pub(super) project: ProjectId,
    /// What is held behind the bytes of the row.
    pub(super) held: Option<Bytes>,
}

/// A task that ends with this.
struct KeepAlive(tokio::task::JoinHandle<()>);

impl Drop for KeepAlive {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Session {
    pub(super) fn of(
        (row, held): (Upload, Option<Held>),
        owner: Owner,
        project: ProjectId,
    ) -> Self {
        Self { row, owner, project, held: held.map(|held| held.bytes) }
    }

    pub(super) fn progress(&self) -> Progress {
        Progress { id: self.row.id, received: self.row.received + self.held_bytes() }
    }

    fn held_bytes(&self) -> u64 {
        self.held.as_ref().map_or(0, Bytes::len) as u64
    }
}

impl Registry {
    pub(super) async fn session(&self, grant: &Grant, id: UploadId) -> Result<Option<Session>> {
        let (Some(repository), Some(principal)) = (grant.repository(), grant.principal()) else {
            return Ok(None);
        };
        let owner = Owner { repository, principal };
        let mut row = self.sessions.held(id, owner);
        if row.is_none() {
            let mut conn = self.db.read().await?;
            let found = upload::find(&mut conn, id, owner, self.clock.now()).await?;
            row = found.map(|row| (row, None));
        }
        Ok(row.map(|row| Session::of(row, owner, grant.project())))
    }

    /// The session as the request before this one left it, where nobody else can have changed it.
    fn recall(&self, grant: &Grant, id: UploadId) -> Option<Session> {
        let owner = Owner { repository: grant.repository()?, principal: grant.principal()? };
        let row = self.sessions.recall(id, owner, self.clock.now())?;
        Some(Session::of(row, owner, grant.project()))
    }

    /// Keeps a session's row, as it was just written, for the next request.
    pub(super) fn remember(&self, row: Upload, owner: Owner, now: Timestamp, ends: Timestamp) {
        if !self.db.is_shared() {
            self.sessions.remember(row, owner, now, ends);
        }
    }

    /// The session, and the right to write to it. Looked up after entering, so that no other
    /// writer moves it any more; whoever does not own it learns nothing.
    ///
    /// # Errors
    /// [`Error::UploadBusy`] while another request writes to it.
    pub(super) async fn enter(
        &self,
        grant: &Grant,
        id: UploadId,
    ) -> Result<Option<(Session, Writing)>> {
        let writing = self.sessions.enter(id);
        let known = writing.as_ref().and_then(|_| self.recall(grant, id));
        let session = match known {
            Some(session) => Some(session),
            None => self.session(grant, id).await?,
        };
        match (session, writing) {
            (Some(session), Some(writing)) => Ok(Some((session, writing))),
            (Some(session), None) => Err(Error::UploadBusy(session.progress())),
            (None, _) => Ok(None),
        }
    }

    pub(super) async fn abandon(&self, session: &Session) -> Result<()> {
        self.sessions.ended(session.row.id);
        let mut tx = self.db.begin().await?;
        let graves = upload::remove(&mut tx, session.row.id, session.owner).await?;
        for grave in graves.ok_or(Error::UploadUnknown)? {
            self.bury(&mut tx, grave).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Marks a key whose row goes away in this transaction for deletion.
    pub(crate) async fn bury(&self, tx: &mut Tx, grave: impl Into<Grave>) -> Result<()> {
        let not_before = self.clock.now().after(self.limits.grace);
        Ok(tombstone::insert(tx, grave, not_before, &self.db_epoch).await?)
    }

    /// The running hash of a session, for a digest of `algorithm`. The saved state is used where
    /// it can be; otherwise the bytes are read once more, or None where they cannot be read before
    /// they are one object.
    pub(super) async fn hash_of(
        &self,
        session: &Session,
        algorithm: Algorithm,
    ) -> Result<Option<ContentHash>> {
        let row = &session.row;
        let saved = (row.algorithm == algorithm)
            .then(|| ContentHash::restore(algorithm, &row.hash_state))
            .flatten();
        if saved.is_some() {
            return Ok(saved);
        }
        let hash = ContentHash::new(algorithm);
        if row.received == 0 {
            // There may be no object yet.
            return Ok(Some(hash));
        }
        if self.blobs.is_remote() {
            return Ok(None);
        }
        match self.blobs.hash(&row.key, row.received, hash).await {
            Ok(hash) => Ok(Some(hash)),
            Err(error) => self.give_up(session, error).await,
        }
    }

    /// Writes a body behind what the session has. When that fails, its bytes are given back at
    /// once: on a full disk others need them.
    pub(super) async fn take_in(
        &self,
        session: &Session,
        digest: Option<&Digest>,
        hash: ContentHash,
        body: impl Bodies,
        expected: Option<u64>,
    ) -> Result<Received> {
        let row = &session.row;
        let room = self.room(session, digest, expected).await?;
        let (key, received, layout) = (&row.key, row.received, &row.layout);
        let place = blobs::Session { key, received, layout, expected };
        let staged = self.blobs.stage(place, hash).write(session.held.iter().cloned().collect());
        let staged = staged.await?;
        let alive = self.keep_alive(row.id);
        let received = receive(&room, staged, body, expected).await;
        drop(alive);
        if received.is_err()
            && let Err(error) = self.blobs.cut(&row.key, row.received).await
        {
            tracing::warn!(%error, key = %row.key, "the bytes of a failed write stay for now");
        }
        match received {
            Err(Error::Storage(error)) => self.give_up(session, error).await,
            received => received,
        }
    }

    /// Ends a session whose acknowledged bytes are gone: the client has to begin again. It lives
    /// on through any other trouble.
    async fn give_up<T>(&self, session: &Session, error: StorageError) -> Result<T> {
        if !matches!(error, StorageError::Damaged { .. }) {
            self.note_failure(&error);
            return Err(error.into());
        }
        tracing::error!(%error, "an upload session lost its bytes");
        self.abandon(session).await?;
        Err(Error::UploadUnknown)
    }

    /// Notes that writing to the disk failed. An object store has a breaker of its own.
    fn note_failure(&self, error: &StorageError) {
        if !self.blobs.is_remote() {
            self.writes.failed(error);
        }
    }

    /// Where the body of a request goes, which has room for what is announced. What is not known
    /// beforehand is looked at while it arrives, and when it is linked.
    async fn room(
        &self,
        session: &Session,
        digest: Option<&Digest>,
        expected: Option<u64>,
    ) -> Result<Room> {
        self.writes.require()?;
        self.blobs.require_space(expected.unwrap_or(0)).await?;
        let (project, before) = (session.project, session.progress().received);
        let bytes = before.saturating_add(expected.unwrap_or(0));
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        let limited = self.require_room_in(project, bytes, digest).await?;
        // With a digest it was just decided whether this blob is a new one.
        let asks = limited && digest.is_none();
        let quota = asks.then(|| (self.db.clone(), project, before));
        let row = Some((self.db.clone(), session.row.id));
        Ok(Room { blobs: self.blobs.clone(), row, quota })
    }

    /// Requires room for a blob of at least `bytes` bytes, as far as can be known before it is
    /// linked. Returns whether the project has a limit at all; that it has none is remembered for
    /// a moment.
    pub(super) async fn require_room_in(
        &self,
        project: ProjectId,
        bytes: i64,
        digest: Option<&Digest>,
    ) -> Result<bool> {
        if self.unlimited.has(project) {
            return Ok(false);
        }
        let mut conn = self.db.read().await?;
        let limited = usage::require_room(&mut conn, project, bytes, digest).await?;
        if !limited {
            self.unlimited.note(project);
        }
        Ok(limited)
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

    /// What becomes of a session whose bytes could not be made durable. After a failed sync nobody
    /// knows what the disk holds, and a second sync would claim success without proving it: the
    /// session ends and its key is never used again. An object store says what it has.
    pub(super) async fn poison<T>(&self, session: &Session, error: StorageError) -> Result<T> {
        if self.blobs.is_remote() || matches!(error, StorageError::Damaged { .. }) {
            return self.give_up(session, error).await;
        }
        self.note_failure(&error);
        if let Err(error) = self.abandon(session).await {
            tracing::warn!(%error, "a session with unsynced bytes stays until it expires");
        }
        Err(error.into())
    }
}
