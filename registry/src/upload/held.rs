//! Small bodies, which wait in memory for the request that finishes their session.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use roadstead_model::UploadId;
use roadstead_storage::tables::upload::Owner;
use roadstead_storage::{Staged, blobs};

use super::session::Session;
use crate::Registry;
use crate::error::{Error, Progress, Result};
use crate::sessions::Held;

/// How often is looked for what is held too long.
const LOOKS: Duration = Duration::from_millis(500);

impl Registry {
    /// Holds the bytes of a session of which none is written yet, if there are few, and nobody
    /// but this process can be asked for them; returns how far the session is with them.
    pub(super) fn hold(&self, session: &Session, staged: &Staged) -> Option<Progress> {
        if self.db.is_shared() || self.blobs.is_remote() {
            return None;
        }
        let bytes = alone(staged.held()?);
        let (project, since) = (session.project, self.clock.now());
        let held = Held { bytes, project, since };
        if self.sessions.hold(session.row.clone(), session.owner, held)? {
            tokio::spawn(self.clone().settle_what_is_overdue());
        }
        Some(Progress { id: session.row.id, received: staged.offset() })
    }

    /// Settles what is held too long, until nothing is held any more.
    async fn settle_what_is_overdue(self) {
        loop {
            tokio::time::sleep(LOOKS).await;
            let Some(overdue) = self.sessions.overdue(Some(self.clock.now())) else {
                return;
            };
            self.settle_all(overdue).await;
        }
    }

    /// Makes every acknowledged byte durable, before the process ends.
    pub async fn settle_uploads(&self) {
        if let Some(all) = self.sessions.overdue(None) {
            self.settle_all(all).await;
        }
    }

    async fn settle_all(&self, sessions: Vec<(UploadId, Owner)>) {
        for (id, owner) in sessions {
            match self.settle_held(id, owner).await {
                // It was cancelled, or went with its repository.
                Err(Error::UploadUnknown | Error::OutOfOrder(_)) => self.sessions.ended(id),
                Err(error) => {
                    tracing::warn!(%error, upload = %id, "a small upload stays in memory");
                }
                Ok(()) => {}
            }
        }
    }

    /// Writes what a session holds, unless somebody goes on with it just now.
    async fn settle_held(&self, id: UploadId, owner: Owner) -> Result<()> {
        let Some(_writing) = self.sessions.enter(id) else {
            return Ok(());
        };
        let Some((row, Some(held))) = self.sessions.held(id, owner) else {
            return Ok(());
        };
        let (bytes, project) = (held.bytes.clone(), held.project);
        let session = Session::of((row, Some(held)), owner, project);
        let Some(hash) = self.hash_of(&session, session.row.algorithm).await? else {
            return Ok(());
        };
        let (key, received, layout) = (&session.row.key, session.row.received, &session.row.layout);
        let place = blobs::Session { key, received, layout, expected: None };
        let staged = self.blobs.stage(place, hash).write(vec![bytes]).await?;
        let staged = self.settle(&session, staged).await?;
        self.advance(&session, &staged).await.map(drop)
    }
}

/// The same bytes without the buffers that they arrived in, which may be much larger.
fn alone(pieces: &[Bytes]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
    for piece in pieces {
        bytes.extend_from_slice(piece);
    }
    bytes.freeze()
}
