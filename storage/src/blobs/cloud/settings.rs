//! What an administrator says of an object store, and the client that comes of it.

mod azure;
mod google;
mod s3;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use object_store::path::Path;
use object_store::{BackoffConfig, Certificate, ClientOptions, RetryConfig};

use super::breaker::Breaker;
use super::memory::Memory;
use super::{Backend, Parts};
use crate::error::{Error, Result};

/// The smallest part that every store takes.
const SMALLEST_PART: u64 = 5 << 20;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);

/// How long the store may send nothing; a part must be on its way in that time.
const SILENCE: Duration = Duration::from_secs(30);

/// For how long a request is repeated. Whoever waits is told to come back after that.
const RETRIES: Duration = Duration::from_secs(15);

/// Where an object store is, and how to get in. What is empty comes from where the store's own
/// tools would take it: the variables `AWS_*`, `GOOGLE_*` and `AZURE_*`, or the machine's role.
#[derive(Clone, Default)]
pub struct StoreSettings {
    /// `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`.
    pub url: String,
    /// Where the store is, when it is not the provider's own.
    pub endpoint: String,
    /// By which address clients reach the store when they are sent there.
    pub public_endpoint: String,
    /// The region that requests are signed for.
    pub region: String,
    /// Whether the bucket is in the path; otherwise it is in the host. By default only where an
    /// endpoint is set.
    pub path_style: Option<bool>,
    /// The id of a key of S3.
    pub access_key_id: String,
    /// The key.
    pub secret_access_key: String,
    /// The token that goes with a temporary key.
    pub session_token: String,
    /// A profile of the AWS tools.
    pub profile: String,
    /// Certificates to trust as well, in PEM.
    pub ca_cert: Option<PathBuf>,
    /// A file with credentials of Google, in JSON.
    pub google_credentials: Option<PathBuf>,
    /// The account of Azure.
    pub account: String,
    /// Its key.
    pub account_key: String,
    /// A shared access signature instead of the key.
    pub sas_token: String,
    /// How large the parts of uploads are, in bytes.
    pub part_size: u64,
    /// How much memory all uploads take together, in bytes.
    pub upload_memory: u64,
}

/// Without anything that could be a secret.
impl fmt::Debug for StoreSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreSettings")
            .field("url", &self.url)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

impl StoreSettings {
    /// Makes the clients; asks nothing of the store.
    pub(super) fn connect(&self) -> Result<Parts> {
        if self.part_size < SMALLEST_PART {
            return Err(invalid("storage_part_size must be at least 5 MiB"));
        }
        let (scheme, bucket, prefix) = split(&self.url)?;
        let (provider, store) = self.client(scheme, bucket, &self.endpoint)?;
        let signer = match self.public_endpoint.as_str() {
            "" => store.clone(),
            endpoint => self.client(scheme, bucket, endpoint)?.1,
        };
        Ok(Parts {
            store,
            signer,
            provider,
            bucket: format!("{scheme}://{bucket}"),
            prefix,
            part_size: self.part_size,
            memory: Memory::new(self.upload_memory.max(self.part_size)),
            breaker: Breaker::default(),
        })
    }

    fn client(
        &self,
        scheme: &str,
        bucket: &str,
        endpoint: &str,
    ) -> Result<(&'static str, Arc<dyn Backend>)> {
        let plain = endpoint.starts_with("http://");
        if !plain && !endpoint.is_empty() && !endpoint.starts_with("https://") {
            return Err(invalid("storage_endpoint must begin with https:// or http://"));
        }
        let options = self.client_options(plain)?;
        Ok(match scheme {
            "s3" => ("s3", self.s3(bucket, endpoint, options)?),
            "gs" => ("gcs", self.google(bucket, endpoint, options)?),
            _ => ("azure", self.azure(bucket, endpoint, options)?),
        })
    }

    fn client_options(&self, plain: bool) -> Result<ClientOptions> {
        let mut options = ClientOptions::new()
            .with_connect_timeout(CONNECT)
            // A download takes as long as its client does.
            .with_timeout_disabled()
            .with_read_timeout(SILENCE)
            .with_allow_http(plain);
        if let Some(path) = &self.ca_cert {
            let shown = path.display();
            let pem = std::fs::read(path).map_err(Error::io(format!("read {shown}")))?;
            let certificates = Certificate::from_pem_bundle(&pem);
            let certificates = certificates
                .map_err(|error| invalid(format!("storage_ca_cert {shown}: {error}")))?;
            if certificates.is_empty() {
                return Err(invalid(format!("storage_ca_cert {shown}: no certificate is in it")));
            }
            for certificate in certificates {
                options = options.with_root_certificate(certificate);
            }
        }
        Ok(options)
    }
}

fn retries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(3),
            base: 2.0,
        },
        max_retries: 8,
        retry_timeout: RETRIES,
    }
}

fn invalid(what: impl Into<String>) -> Error {
    Error::StoreSettings(what.into())
}

/// What a client's builder has against the settings.
fn unusable(error: &object_store::Error) -> Error {
    invalid(format!("the settings of the object store: {error}"))
}

/// Scheme, bucket and prefix.
fn split(url: &str) -> Result<(&str, &str, Path)> {
    let form = || {
        invalid(
            "storage_url must be file:<path>, s3://<bucket>/<prefix>, gs://<bucket>/<prefix> or \
             az://<container>/<prefix>",
        )
    };
    let (scheme, rest) = url.split_once("://").ok_or_else(form)?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/');
    if !["s3", "gs", "az"].contains(&scheme) || bucket.is_empty() || !rest.chars().all(plain) {
        return Err(form());
    }
    let prefix = Path::parse(prefix.trim_matches('/')).map_err(|_| form())?;
    Ok((scheme, bucket, prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> StoreSettings {
        StoreSettings {
            url: url.to_owned(),
            access_key_id: "AK".to_owned(),
            secret_access_key: "canary".to_owned(),
            account: "account".to_owned(),
            account_key: "Y2FuYXJ5".to_owned(),
            part_size: SMALLEST_PART,
            upload_memory: 1,
            ..StoreSettings::default()
        }
    }

    #[test]
    fn an_address_names_a_bucket_and_a_prefix() {
        for (url, bucket, prefix) in [
            ("s3://bucket", "bucket", ""),
            ("s3://bucket/", "bucket", ""),
            ("gs://bucket/a/b/", "bucket", "a/b"),
            ("az://container/a", "container", "a"),
        ] {
            let (_, found, below) = split(url).unwrap();
            assert_eq!((found, below.as_ref()), (bucket, prefix), "{url}");
        }
        for url in ["s3:bucket", "s3://", "ftp://x/y", "s3://a?b", "s3://a/../b", "s3://u:p@h/x"] {
            assert!(split(url).is_err(), "{url}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let shown = format!("{:?}", settings("s3://bucket"));
        assert!(!shown.contains("canary"), "{shown}");
    }

    #[test]
    fn parts_that_no_store_takes_are_refused() {
        let small = StoreSettings { part_size: SMALLEST_PART - 1, ..settings("s3://bucket") };
        assert!(small.connect().is_err());
        assert!(settings("s3://bucket").connect().is_ok());
        assert!(settings("az://container").connect().is_ok());
    }
}
