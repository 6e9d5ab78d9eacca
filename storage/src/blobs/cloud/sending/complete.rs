//! The end of a multipart upload, which may succeed unseen.

use std::time::Duration;

use object_store::multipart::PartId;
use object_store::{Error as ObjectError, ObjectStoreExt as _};

use super::Sending;
use crate::error::{Error, Result};

/// How often completing is tried.
const ATTEMPTS: u32 = 3;

const PAUSE: Duration = Duration::from_millis(300);

/// What stores say when the parts are not there, or not those that were acknowledged.
const LOST: [&str; 5] =
    ["NoSuchUpload", "InvalidPart", "InvalidBlockList", "InvalidBlockId", "EntityTooSmall"];

impl Sending {
    /// Makes the parts one object. The answer may be lost, or come as an error behind a 200, and
    /// still the object be there: whether it is decides.
    pub(super) async fn complete(&self) -> Result<()> {
        let multipart = self.layout.multipart.clone().unwrap_or_default();
        let id = |part: &String| PartId { content_id: part.clone() };
        let mut failure = None;
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                tokio::time::sleep(PAUSE * attempt).await;
            }
            let parts = self.layout.parts.iter().map(id).collect();
            let completed = self.cloud.0.store.complete_multipart(&self.path, &multipart, parts);
            let Err(error) = self.cloud.try_ask(completed).await? else {
                return Ok(());
            };
            tracing::warn!(%error, key = %self.key, "completing an upload: it is looked up");
            if self.is_complete().await? {
                return Ok(());
            }
            if is_lost(&error) {
                return Err(Error::damaged(&self.key, "its parts are not those that were sent"));
            }
            failure = Some(error);
        }
        Err(failure.map_or(Error::StoreResting, Error::store("complete an upload")))
    }

    /// Whether the object is there, with the right size.
    async fn is_complete(&self) -> Result<bool> {
        match self.cloud.try_ask(self.cloud.0.store.head(&self.path)).await? {
            Ok(object) => Ok(object.size == self.offset),
            Err(ObjectError::NotFound { .. }) => Ok(false),
            Err(error) => Err(Error::store("look up an object")(error)),
        }
    }
}

fn is_lost(error: &ObjectError) -> bool {
    let text = error.to_string();
    matches!(error, ObjectError::NotFound { .. }) || LOST.iter().any(|code| text.contains(code))
}
