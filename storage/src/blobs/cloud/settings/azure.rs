//! Azure Blob Storage.

use std::sync::Arc;

use object_store::ClientOptions;
use object_store::azure::{AzureConfigKey as Key, MicrosoftAzureBuilder};

use super::{StoreSettings, retries, unusable};
use crate::blobs::cloud::Backend;
use crate::error::Result;

impl StoreSettings {
    /// A key or a signature that is set, or what `AZURE_*` says (workload identity among it), or
    /// the machine's managed identity.
    pub(super) fn azure(
        &self,
        container: &str,
        endpoint: &str,
        options: ClientOptions,
    ) -> Result<Arc<dyn Backend>> {
        let mut builder = MicrosoftAzureBuilder::from_env();
        for (key, value) in [
            (Key::AccountName, self.account.as_str()),
            (Key::AccessKey, &self.account_key),
            (Key::SasKey, &self.sas_token),
            (Key::Endpoint, endpoint),
        ] {
            if !value.is_empty() {
                builder = builder.with_config(key, value);
            }
        }
        let store = builder
            .with_container_name(container)
            .with_client_options(options)
            .with_retry(retries())
            .build()
            .map_err(|error| unusable(&error))?;
        Ok(Arc::new(store))
    }
}
