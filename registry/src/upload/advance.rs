//! Acknowledging bytes: durable first, then in the session's row, which one writer wins.

use roadstead_model::{ObjectKey, Timestamp};
use roadstead_storage::Staged;
use roadstead_storage::tables::upload::{self, Advance, Registered, Upload, at_once};

use super::session::Session;
use crate::Registry;
use crate::error::{Error, Progress, Result};

impl Registry {
    /// Makes what is staged durable.
    pub(super) async fn settle(&self, session: &Session, staged: Staged) -> Result<Staged> {
        let tail =
            if staged.needs_tail() { Some(self.register_tail(session).await?) } else { None };
        match staged.flush(tail.as_ref()).await {
            Ok(staged) => {
                self.writes.worked();
                Ok(staged)
            }
            Err(error) => self.poison(session, error).await,
        }
    }

    /// A key for what does not fill a part, which the row knows before it is written.
    async fn register_tail(&self, session: &Session) -> Result<ObjectKey> {
        let key = ObjectKey::fresh();
        let mut tx = self.db.begin().await?;
        match upload::register_tail(&mut tx, &session.row, &key).await? {
            Registered::No => {
                drop(tx);
                return Err(self.moved(session).await?);
            }
            Registered::Yes(Some(abandoned)) => self.bury(&mut tx, &abandoned).await?,
            Registered::Yes(None) => {}
        }
        tx.commit().await?;
        Ok(key)
    }

    /// Notes in the row how far the session is.
    pub(super) async fn advance(&self, session: &Session, staged: &Staged) -> Result<Progress> {
        let now = self.clock.now();
        let expires_at = now.after(self.limits.upload_expiry);
        let (layout, hash_state) = (staged.layout(), staged.hash().save());
        let received = staged.offset();
        let to = Advance { received, hash_state: &hash_state, layout: &layout };
        if !at_once::advance(&self.db, &session.row, to, expires_at).await? {
            self.advance_slowly(session, to, expires_at).await?;
        }
        let row = Upload { received, layout, hash_state, ..session.row.clone() };
        self.remember(row, session.owner, now, expires_at);
        Ok(Progress { id: session.row.id, received })
    }

    async fn advance_slowly(
        &self,
        session: &Session,
        to: Advance<'_>,
        expires_at: Timestamp,
    ) -> Result<()> {
        let mut tx = self.db.begin().await?;
        if !upload::advance(&mut tx, &session.row, to, expires_at).await? {
            drop(tx);
            return Err(self.moved(session).await?);
        }
        if let Some(replaced) = &session.row.layout.tail
            && to.layout.tail.as_ref() != Some(replaced)
        {
            self.bury(&mut tx, replaced).await?;
        }
        Ok(tx.commit().await?)
    }

    /// What to say to a writer who was overtaken by another, on this replica or elsewhere.
    pub(super) async fn moved(&self, session: &Session) -> Result<Error> {
        let (id, owner) = (session.row.id, session.owner);
        let mut conn = self.db.read().await?;
        let row = upload::find(&mut conn, id, owner, self.clock.now()).await?;
        Ok(row.map_or(Error::UploadUnknown, |row| {
            Error::OutOfOrder(Progress { id, received: row.received })
        }))
    }
}
