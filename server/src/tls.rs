//! TLS, with one crypto library for everything (aws-lc-rs).

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::config::TlsFiles;

/// Loads a certificate chain and its key. TLS 1.2 and 1.3, HTTP/2 where the client wants it.
pub(crate) fn acceptor(files: &TlsFiles) -> anyhow::Result<TlsAcceptor> {
    let named = |path: &Path| path.display().to_string();
    let chain = CertificateDer::pem_file_iter(&files.cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| named(&files.cert))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).with_context(|| named(&files.key))?;
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .with_context(|| format!("{} and {}", named(&files.cert), named(&files.key)))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Reads a file with certificates that everybody may see.
pub(crate) fn public_certificate(path: &Path) -> anyhow::Result<Arc<str>> {
    let named = || format!("ca_cert = {:?}", path.display());
    let text = std::fs::read_to_string(path).with_context(named)?;
    let certificates = CertificateDer::pem_slice_iter(text.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .with_context(named)?;
    if certificates.is_empty() {
        bail!("{}: there is no certificate in PEM in it", named());
    }
    // A file with both would be served to everybody.
    if text.contains("PRIVATE KEY") {
        bail!("{}: there is a private key in it, and it is for everybody to read", named());
    }
    Ok(text.into())
}
