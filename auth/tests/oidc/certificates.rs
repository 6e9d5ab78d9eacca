//! A provider over TLS is believed when its certificate is.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use axum::Router;
use axum::serve::Listener;
use roadstead_auth::oidc::{Error, Provider, Settings};
use roadstead_model::SystemClock;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;

use crate::forger::document;

/// Makes a certificate for 127.0.0.1 that is its own authority, and its key, both in PEM.
fn make_certificate(directory: &Path) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(directory)
        .output();
    assert!(made.is_ok_and(|made| made.status.success()), "openssl is missing");
}

struct Tls {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.listener.accept().await.unwrap();
            // Clients that do not trust us break off here.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Serves discovery and an empty key set; returns the issuer.
async fn serve(directory: &Path) -> String {
    let certificate = CertificateDer::from_pem_file(directory.join("cert.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(directory.join("key.pem")).unwrap();
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![certificate], key).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("https://{}", listener.local_addr().unwrap());
    let document = axum::Json(document(&issuer));
    let router = Router::new()
        .route("/.well-known/openid-configuration", axum::routing::get(async || document))
        .route("/jwks", axum::routing::get(async || axum::Json(json!({"keys": []}))));
    let tls = Tls { listener, acceptor: TlsAcceptor::from(Arc::new(config)) };
    tokio::spawn(async move { axum::serve(tls, router).await.unwrap() });
    issuer
}

#[tokio::test]
async fn a_certificate_counts_when_its_authority_is_trusted_or_nobody_looks() {
    let directory = tempfile::tempdir().unwrap();
    make_certificate(directory.path());
    let issuer = serve(directory.path()).await;
    let settings = Settings::new(&issuer, "registry", "secret", "https://here/c/oidc/callback");
    let discover = async |settings: &Settings| {
        Provider::discover(settings.clone(), Arc::new(SystemClock)).await.map(drop)
    };
    let unknown = discover(&settings).await;
    assert!(matches!(unknown, Err(Error::Unavailable(_))), "{unknown:?}");
    let pem = std::fs::read_to_string(directory.path().join("cert.pem")).unwrap();
    let trusting = Settings { ca_certificate: Some(pem), ..settings.clone() };
    assert_eq!(discover(&trusting).await, Ok(()));
    let careless = Settings { verify_cert: false, ..settings.clone() };
    assert_eq!(discover(&careless).await, Ok(()));
    for nonsense in ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
    {
        let settings = Settings { ca_certificate: Some(nonsense.to_owned()), ..settings.clone() };
        assert!(matches!(discover(&settings).await, Err(Error::Settings(_))), "{nonsense:?}");
    }
}
