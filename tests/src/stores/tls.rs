//! TLS in front of a store, with a certificate of an authority that nobody knows.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// A listener that ends TLS for a store; its authority's files go with it.
#[derive(Debug)]
pub struct Tls {
    directory: TempDir,
    port: u16,
}

impl Tls {
    /// Listens in front of a store at `behind` (`http://host:port`), for as long as the process
    /// lives.
    pub fn start(behind: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let acceptor = make_certificate(directory.path());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        listener.set_nonblocking(true).expect("a listener for a runtime");
        let behind = behind.trim_start_matches("http://").to_owned();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(accept(listener, acceptor, behind));
        });
        Self { directory, port }
    }

    /// Where it listens.
    pub fn endpoint(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// The authority's certificate, in PEM.
    pub fn authority(&self) -> PathBuf {
        self.directory.path().join("authority.pem")
    }
}

async fn accept(listener: std::net::TcpListener, acceptor: TlsAcceptor, behind: String) {
    let listener = TcpListener::from_std(listener).expect("a listener");
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        let (acceptor, behind) = (acceptor.clone(), behind.clone());
        tokio::spawn(async move {
            // Whoever does not trust the certificate goes away.
            let mut inside = acceptor.accept(stream).await?;
            let mut store = TcpStream::connect(behind).await?;
            copy_bidirectional(&mut inside, &mut store).await
        });
    }
}

/// An authority, and a certificate of it for 127.0.0.1.
fn make_certificate(directory: &Path) -> TlsAcceptor {
    let new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
    let openssl = |arguments: &[&str]| {
        let mut command = Command::new("openssl");
        let made = command.args(["req", "-x509"]).args(new).args(arguments).current_dir(directory);
        let made = made.output().expect("openssl is missing: run `make test`");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    };
    openssl(&[
        "-subj",
        "/CN=tests",
        "-addext",
        "keyUsage=critical,keyCertSign",
        "-keyout",
        "authority.key",
        "-out",
        "authority.pem",
    ]);
    openssl(&[
        "-subj",
        "/CN=store",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
        "-CA",
        "authority.pem",
        "-CAkey",
        "authority.key",
        "-keyout",
        "store.key",
        "-out",
        "store.pem",
    ]);
    let certificate = CertificateDer::from_pem_file(directory.join("store.pem"));
    let key = PrivateKeyDer::from_pem_file(directory.join("store.key"));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.expect("a certificate")], key.expect("a key"))
        .expect("a certificate with its key");
    TlsAcceptor::from(Arc::new(config))
}
