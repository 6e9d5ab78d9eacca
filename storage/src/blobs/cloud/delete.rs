//! Deleting objects, with what belongs to them.

use futures_util::stream::{self, StreamExt as _};
use object_store::path::Path;
use object_store::{Error as ObjectError, ObjectStoreExt as _, PutPayload};
use roadstead_model::ObjectKey;

use super::Cloud;
use crate::error::{Error, Result};
use crate::tables::tombstone::Grave;

/// How many objects are deleted at once. Each by a request of its own: not every store that calls
/// itself compatible takes lists.
const AT_ONCE: usize = 16;

impl Cloud {
    /// Aborts multipart uploads, deletes objects and their labels. Returns what is to be tried
    /// again.
    pub(in crate::blobs) async fn delete(&self, graves: &[Grave]) -> Result<Vec<ObjectKey>> {
        let deleted = stream::iter(graves.to_vec()).map(|grave| {
            let cloud = self.clone();
            async move {
                let deleted = cloud.delete_one(&grave).await;
                deleted.map_err(|error| (grave.key, error)).err()
            }
        });
        let deleted: Vec<_> = deleted.buffer_unordered(AT_ONCE).collect().await;
        let failed = deleted.into_iter().flatten().map(|(key, error)| {
            tracing::warn!(%key, %error, "an object could not be deleted");
            key
        });
        Ok(failed.collect())
    }

    async fn delete_one(&self, grave: &Grave) -> Result<()> {
        let path = self.path(&grave.key);
        if let Some(multipart) = &grave.multipart {
            self.abort(&path, &grave.key, multipart).await?;
        }
        self.delete_path(&path).await?;
        match &grave.digest {
            Some(digest) => self.delete_path(&self.label_path(&grave.key, digest)).await,
            None => Ok(()),
        }
    }

    pub(super) async fn delete_path(&self, path: &Path) -> Result<()> {
        match self.try_ask(self.0.store.delete(path)).await? {
            Ok(()) | Err(ObjectError::NotFound { .. }) => Ok(()),
            Err(error) => Err(Error::store("delete an object")(error)),
        }
    }

    async fn abort(&self, path: &Path, key: &ObjectKey, multipart: &str) -> Result<()> {
        if multipart.is_empty() {
            // Azure has no uploads to abort; what belongs to no object goes when one is written.
            return self.put(path, PutPayload::new()).await;
        }
        let multipart = multipart.to_owned();
        let aborted = self.0.store.abort_multipart(path, &multipart);
        match self.try_ask(aborted).await? {
            Ok(()) | Err(ObjectError::NotFound { .. }) => Ok(()),
            // Not every store has the same words for an upload that was completed.
            Err(_) if self.size(key).await?.is_some() => Ok(()),
            Err(error) => Err(Error::store("abort a multipart upload")(error)),
        }
    }
}
