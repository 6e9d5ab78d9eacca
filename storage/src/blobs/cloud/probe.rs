//! Looking whether a store is there and does what is asked of it, before anybody depends on it.

use object_store::path::Path;
use object_store::{Error as ObjectError, GetOptions, ObjectStore as _, ObjectStoreExt as _};
use roadstead_model::ObjectKey;

use super::Cloud;
use crate::blobs::FORMAT;
use crate::error::{Error, Result};

impl Cloud {
    /// Refuses a store that a newer program wrote. One that says nothing of itself is new.
    pub(super) async fn check_format(&self) -> Result<()> {
        let path = self.below("format");
        match self.get(&path).await {
            Ok(found) if found.as_ref() == FORMAT.as_bytes() => Ok(()),
            Ok(found) => {
                let found = String::from_utf8_lossy(&found).trim().to_owned();
                Err(Error::NewerFormat { found, known: FORMAT.trim() })
            }
            // Who may not list a bucket is not told that an object is missing.
            Err(ObjectError::NotFound { .. } | ObjectError::PermissionDenied { .. }) => Ok(()),
            Err(error) => Err(self.unusable("read", &error)),
        }
    }

    /// Writes an object, reads it and deletes it; then the store says what it is.
    pub(in crate::blobs) async fn probe(&self) -> Result<()> {
        let path = self.below(&format!("probe/{}", ObjectKey::fresh().name()));
        let store = &self.0.store;
        let written = store.put_opts(&path, FORMAT.into(), object_store::PutOptions::default());
        written.await.map_err(|error| self.unusable("write to", &error))?;
        let read = self.get(&path).await.map_err(|error| self.unusable("read", &error))?;
        self.delete_path(&path).await?;
        if read.as_ref() != FORMAT.as_bytes() {
            return Err(Error::StoreSettings(format!(
                "{} does not give back what was written to it",
                self.0.bucket
            )));
        }
        self.check_format().await?;
        self.put(&self.below("format"), FORMAT).await
    }

    /// Asks the store for a sign of life, also while it is left alone; that nothing is there is one.
    pub(in crate::blobs) async fn answers(&self) -> Result<()> {
        let turn = self.0.breaker.look();
        let answer = self.0.store.head(&self.below("format")).await;
        turn.note(answer.as_ref().err());
        match answer {
            Ok(_) | Err(ObjectError::NotFound { .. }) => Ok(()),
            Err(error) => Err(Error::store("look up an object")(error)),
        }
    }

    async fn get(&self, path: &Path) -> object_store::Result<bytes::Bytes> {
        self.0.store.get_opts(path, GetOptions::default()).await?.bytes().await
    }

    /// What an administrator can do about a store that does not work.
    fn unusable(&self, verb: &str, error: &ObjectError) -> Error {
        let bucket = &self.0.bucket;
        let cause = root_cause(error);
        let advice = match error {
            ObjectError::NotFound { .. } => "it does not exist; make it, or change storage_url",
            ObjectError::PermissionDenied { .. } | ObjectError::Unauthenticated { .. } => {
                "access is denied; look at the credentials and at what they may do"
            }
            _ if cause.contains("not valid for") => {
                "its certificate is for another name; is storage_endpoint right?"
            }
            _ if cause.contains("certificate") => {
                "its certificate is not trusted; set storage_ca_cert to that of who signed it"
            }
            _ => "is storage_endpoint right, and can the store be reached from here?",
        };
        Error::StoreSettings(format!("cannot {verb} {bucket}: {advice} ({error}: {cause})"))
    }
}

/// Why it really is: what clients say of themselves ends with "error sending request".
fn root_cause(error: &ObjectError) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
