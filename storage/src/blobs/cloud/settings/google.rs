//! Google Cloud Storage.

use std::path::Path;
use std::sync::Arc;

use object_store::ClientOptions;
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey as Key};

use super::{StoreSettings, invalid, retries, unusable};
use crate::blobs::cloud::Backend;
use crate::error::{Error, Result};

impl StoreSettings {
    /// A file with credentials, or what `GOOGLE_*` says, or the machine's service account.
    pub(super) fn google(
        &self,
        bucket: &str,
        endpoint: &str,
        options: ClientOptions,
    ) -> Result<Arc<dyn Backend>> {
        let mut builder = GoogleCloudStorageBuilder::from_env();
        if let Some(path) = &self.google_credentials {
            let key =
                if is_account(path)? { Key::ServiceAccount } else { Key::ApplicationCredentials };
            builder = builder.with_config(key, path.to_string_lossy());
        }
        if !endpoint.is_empty() {
            builder = builder.with_config(Key::BaseUrl, endpoint);
        }
        let store = builder
            .with_bucket_name(bucket)
            .with_client_options(options)
            .with_retry(retries())
            .build()
            .map_err(|error| unusable(&error))?;
        Ok(Arc::new(store))
    }
}

/// Whether a file has the key of a service account; the other kind is what a person got who logged
/// in.
fn is_account(path: &Path) -> Result<bool> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(Error::io(format!("read {shown}")))?;
    let json: serde_json::Value = serde_json::from_str(&text)
        .map_err(|_| invalid(format!("storage_google_credentials {shown}: it is no JSON")))?;
    Ok(json["type"].as_str().is_none_or(|kind| kind == "service_account"))
}
