//! One connection to a directory; every step ends within the limit.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapResult, SearchEntry, SearchOptions};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;

use super::error::{Error, Result};
use super::settings::{Address, Scope, Security, Settings};

/// The result codes that are looked at (RFC 4511, appendix A.1).
pub(super) mod code {
    pub(crate) const SUCCESS: u32 = 0;
    pub(crate) const SIZE_LIMIT_EXCEEDED: u32 = 4;
    pub(crate) const REFERRAL: u32 = 10;
    pub(crate) const CONSTRAINT_VIOLATION: u32 = 19;
    pub(crate) const NO_SUCH_OBJECT: u32 = 32;
    pub(crate) const INVALID_DN_SYNTAX: u32 = 34;
    pub(crate) const INAPPROPRIATE_AUTHENTICATION: u32 = 48;
    pub(crate) const INVALID_CREDENTIALS: u32 = 49;
    pub(crate) const INSUFFICIENT_ACCESS_RIGHTS: u32 = 50;
    pub(crate) const UNWILLING_TO_PERFORM: u32 = 53;
}

/// How to reach the directory.
#[derive(Clone, Debug)]
pub(super) struct Dial {
    address: Address,
    /// None when certificates are not verified, and without TLS.
    tls: Option<Arc<ClientConfig>>,
    limit: Duration,
}

impl Dial {
    /// Reads the address and the certificates; the system's come from its files.
    pub(super) fn new(settings: &Settings) -> Result<Self> {
        let address = Address::parse(&settings.url)?;
        if settings.timeout.is_zero() {
            return Err(Error::setting("ldap_timeout", "must be more than 0 seconds"));
        }
        let verified = address.security != Security::Plain && settings.verify_cert;
        let tls = if verified { Some(trusting(settings.ca_certificate.as_deref())?) } else { None };
        Ok(Self { address, tls, limit: settings.timeout })
    }

    /// Opens a connection, with TLS when the address says so.
    pub(super) async fn open(&self) -> Result<Connection> {
        let settings =
            LdapConnSettings::new().set_starttls(self.address.security == Security::StartTls);
        let settings = match &self.tls {
            Some(config) => settings.set_config(Arc::clone(config)),
            // Without TLS this has no effect.
            None => settings.set_no_tls_verify(true),
        };
        let opening = LdapConnAsync::with_settings(settings, &self.address.url);
        let (driver, handle) = self.step("connect", opening).await?;
        // The driver ends when the last handle is dropped, and with it the connection.
        tokio::spawn(async move {
            if let Err(error) = driver.drive().await {
                tracing::debug!(%error, "a connection to the directory broke off");
            }
        });
        Ok(Connection { dial: self.clone(), handle })
    }

    /// Waits for one step. The client library panics on some malformed answers, which must not
    /// end more than the step.
    async fn step<T>(
        &self,
        step: &'static str,
        work: impl Future<Output = ldap3::result::Result<T>>,
    ) -> Result<T> {
        let server = || self.address.url.clone();
        match timeout(self.limit, AssertUnwindSafe(work).catch_unwind()).await {
            Err(_) => Err(Error::Timeout { server: server(), step, limit: self.limit }),
            Ok(Err(_)) => Err(Error::Malformed { server: server(), step }),
            Ok(Ok(done)) => {
                done.map_err(|error| Error::from_client(error, &self.address.url, step))
            }
        }
    }
}

/// TLS that trusts the certificates in `pem`, or else the system's.
pub(super) fn trusting(pem: Option<&str>) -> Result<Arc<ClientConfig>> {
    const SETTING: &str = "ldap_ca_certificate";
    let mut roots = RootCertStore::empty();
    if let Some(pem) = pem {
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            // The errors would repeat parts of the text, which may be a key put in by mistake.
            let certificate =
                certificate.map_err(|_| Error::setting(SETTING, "is not readable as PEM"))?;
            let added = roots.add(certificate);
            added.map_err(|_| Error::setting(SETTING, "holds a certificate that is none"))?;
        }
        if roots.is_empty() {
            return Err(Error::setting(SETTING, "holds no certificate in PEM"));
        }
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::setting("ldap_url", error.to_string()))?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// What a search asks for.
pub(super) struct Search<'a> {
    pub(super) base: &'a str,
    pub(super) scope: Scope,
    pub(super) filter: &'a str,
    pub(super) attributes: Vec<&'a str>,
    /// How many entries are wanted at most.
    pub(super) limit: usize,
}

/// An open connection. Searches of several callers may run on it at the same time.
#[derive(Debug)]
pub(super) struct Connection {
    dial: Dial,
    handle: Ldap,
}

impl Connection {
    /// A simple bind; the result says whether the password is right.
    pub(super) async fn bind(&self, dn: &str, password: &str) -> Result<LdapResult> {
        let mut handle = self.handle.clone();
        self.dial.step("log in", handle.simple_bind(dn, password)).await
    }

    /// Binds as the search account.
    ///
    /// # Errors
    /// [`Error::SearchAccount`] when the directory refuses that.
    pub(super) async fn bind_search_account(&self, settings: &Settings) -> Result<()> {
        let result = self.bind(&settings.search_dn, &settings.search_password).await?;
        if result.rc == code::SUCCESS {
            return Ok(());
        }
        let server = self.dial.address.url.clone();
        Err(Error::SearchAccount { server, reason: result.to_string() })
    }

    /// The error for an answer that is none of those expected of `step`.
    pub(super) fn refused(&self, step: &'static str, result: &LdapResult) -> Error {
        let server = self.dial.address.url.clone();
        Error::Refused { server, step, code: result.rc, reason: result.to_string() }
    }

    /// The entries that match, at most `search.limit`. Referrals to other directories are passed
    /// over, not followed.
    pub(super) async fn search(&self, search: &Search<'_>) -> Result<Vec<SearchEntry>> {
        let step = "search";
        let (entries, result) = self.dial.step(step, self.collect(search)).await?;
        match result {
            Some(result)
                if result.rc != code::SUCCESS && result.rc != code::SIZE_LIMIT_EXCEEDED =>
            {
                Err(self.refused(step, &result))
            }
            _ => Ok(entries),
        }
    }

    /// The entries, and the result unless there were more entries than wanted.
    async fn collect(
        &self,
        search: &Search<'_>,
    ) -> ldap3::result::Result<(Vec<SearchEntry>, Option<LdapResult>)> {
        let mut handle = self.handle.clone();
        let options = SearchOptions::new().sizelimit(i32::try_from(search.limit).unwrap_or(0));
        let mut stream = handle
            .with_search_options(options)
            .streaming_search(
                search.base,
                search.scope.into(),
                search.filter,
                search.attributes.clone(),
            )
            .await?;
        let mut entries = Vec::new();
        while let Some(item) = stream.next().await? {
            if item.is_ref() || item.is_intermediate() {
                continue;
            }
            // A directory that does not honour the limit is cut off.
            if entries.len() == search.limit {
                return Ok((entries, None));
            }
            entries.push(SearchEntry::construct(item));
        }
        Ok((entries, Some(stream.finish().await)))
    }
}
