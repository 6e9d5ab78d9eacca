//! A certificate of our own, for servers and for the client that trusts it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A certificate for 127.0.0.1.
pub(crate) struct Certificate {
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
    connector: TlsConnector,
}

impl Certificate {
    /// Makes one, with a key as most servers have it today (ECDSA, P-256), in this directory.
    pub(crate) fn make(directory: &Path) -> anyhow::Result<Self> {
        let (chain, key) = (directory.join("chain.pem"), directory.join("key.pem"));
        let output = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
            .args(["-nodes", "-days", "2", "-subj", "/CN=bench"])
            .args(["-addext", "subjectAltName=IP:127.0.0.1"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&chain)
            .output()
            .context("openssl, which `make bench` installs")?;
        ensure!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
        let mut trusted = RootCertStore::empty();
        trusted.add(CertificateDer::from_pem_file(&chain).context("the certificate")?)?;
        let config = ClientConfig::builder_with_provider(Arc::new(
            rustls::crypto::aws_lc_rs::default_provider(),
        ))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(trusted)
        .with_no_client_auth();
        Ok(Self { chain, key, connector: TlsConnector::from(Arc::new(config)) })
    }

    pub(super) async fn connect(&self, stream: TcpStream) -> anyhow::Result<TlsStream<TcpStream>> {
        let name = ServerName::IpAddress(std::net::Ipv4Addr::LOCALHOST.into());
        self.connector.connect(name, stream).await.context("TLS")
    }
}
