//! An upload session: who may write to it, where its bytes go, how it ends.

use roadstead_auth::Grant;
use roadstead_model::{Algorithm, Digest, ObjectKey, ProjectId, UploadId};
use roadstead_storage::tables::upload::{self, Owner, Upload};
use roadstead_storage::tables::{tombstone, usage};
use roadstead_storage::{ContentHash, Error as StorageError, Tx};

use super::receive::{Bodies, Received, Room, receive};
use crate::Registry;
use crate::error::{Error, Progress, Result};
use crate::sessions::Writing;

/// A session that was looked up, with its owner.
pub(super) struct Session {
    pub(super) row: Upload,
    pub(super) owner: Owner,
    project: ProjectId,
}

/// A task that ends with this.
struct KeepAlive(tokio::task::JoinHandle<()>);

impl Drop for KeepAlive {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Session {
    pub(super) fn progress(&self) -> Progress {
        Progress { id: self.row.id, received: self.row.received }
    }
}

impl Registry {
    pub(super) async fn session(&self, grant: &Grant, id: UploadId) -> Result<Option<Session>> {
        let (Some(repository), Some(principal)) = (grant.repository(), grant.principal()) else {
            return Ok(None);
        };
        let owner = Owner { repository, principal };
        let mut conn = self.db.read().await?;
        let row = upload::find(&mut conn, id, owner, self.clock.now()).await?;
        Ok(row.map(|row| Session { row, owner, project: grant.project() }))
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
        match (self.session(grant, id).await?, writing) {
            (Some(session), Some(writing)) => Ok(Some((session, writing))),
            (Some(session), None) => Err(Error::UploadBusy(session.progress())),
            (None, _) => Ok(None),
        }
    }

    pub(super) async fn abandon(&self, session: &Session) -> Result<()> {
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
    pub(super) async fn take_in(
        &self,
        session: &Session,
        digest: Option<&Digest>,
        body: impl Bodies,
        expected: Option<u64>,
    ) -> Result<Received> {
        let row = &session.row;
        let algorithm = digest.map_or(row.algorithm, Digest::algorithm);
        let room = self.room(session, digest, expected).await?;
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
        let received = receive(&room, staged, body, expected).await;
        drop(alive);
        if received.is_err()
            && let Err(error) = self.blobs.cut(&row.key, row.received).await
        {
            tracing::warn!(%error, key = %row.key, "the bytes of a failed write stay for now");
        }
        received
    }

    /// Where the body of a request goes, which has room for what is announced. What is not known
    /// beforehand is looked at while it arrives, and when it is linked.
    async fn room(
        &self,
        session: &Session,
        digest: Option<&Digest>,
        expected: Option<u64>,
    ) -> Result<Room> {
        self.blobs.require_space(expected.unwrap_or(0)).await?;
        let (project, before) = (session.project, session.row.received);
        let bytes = before.saturating_add(expected.unwrap_or(0));
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        usage::require_room(&mut self.db.read().await?, project, bytes, digest).await?;
        // With a digest it was just decided whether this blob is a new one.
        let quota = digest.is_none().then(|| (self.db.clone(), project, before));
        Ok(Room { blobs: self.blobs.clone(), quota })
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

    /// After a failed sync nobody knows what the disk holds, and a second sync would claim success
    /// without proving it: the session ends and its key is never used again.
    pub(super) async fn poison<T>(&self, session: &Session, error: StorageError) -> Result<T> {
        if let Err(error) = self.abandon(session).await {
            tracing::warn!(%error, "a session with unsynced bytes stays until it expires");
        }
        Err(error.into())
    }
}
