//! Somebody who is told things over HTTP: remembers all of them, and answers as a test says.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// How long something may take to be told, on a busy machine.
const LIMIT: Duration = Duration::from_mins(1);

/// A request that was heard.
#[derive(Clone, Debug)]
pub struct Heard {
    /// The request's first line.
    pub line: String,
    /// The headers, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
    /// When it was there.
    pub at: Instant,
}

impl Heard {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body, which must be JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// What the receiver knows.
#[derive(Debug, Default)]
struct State {
    heard: Vec<Heard>,
    answers: VecDeque<String>,
    always: Option<String>,
}

/// A running receiver; it ends with the test's runtime.
#[derive(Clone, Debug)]
pub struct Receiver {
    address: SocketAddr,
    scheme: &'static str,
    state: Arc<Mutex<State>>,
}

/// An answer with a status, more header lines (each ends with `\r\n`), and a body.
pub fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

impl Receiver {
    /// Listens on a free port of 127.0.0.1 and says 200 to everybody.
    pub async fn start() -> Self {
        Self::on("127.0.0.1:0").await
    }

    /// The same at this address.
    pub async fn on(address: &str) -> Self {
        Self::serve(address, None).await
    }

    /// The same with TLS and the certificate in these files.
    pub async fn tls(certificate: &str, key: &str) -> Self {
        let chain = CertificateDer::pem_file_iter(Path::new(certificate)).expect("a certificate");
        let chain = chain.collect::<Result<Vec<_>, _>>().expect("certificates");
        let key = PrivateKeyDer::from_pem_file(Path::new(key)).expect("a key");
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("a certificate with its key");
        Self::serve("127.0.0.1:0", Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn serve(address: &str, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(address).await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let scheme = if tls.is_some() { "https" } else { "http" };
        let receiver = Self { address, scheme, state: Arc::default() };
        let serving = receiver.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (it, tls) = (serving.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => it.hear(stream).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => it.hear(stream).await,
                            Err(_) => None,
                        },
                    }
                });
            }
        });
        receiver
    }

    /// The URL of a path, which begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers the next request that has no answer yet like this.
    pub fn answer_next(&self, answer: String) {
        self.state().answers.push_back(answer);
    }

    /// Answers every request like this from now on.
    pub fn answer_always(&self, answer: String) {
        self.state().always = Some(answer);
    }

    /// What was heard so far.
    pub fn heard(&self) -> Vec<Heard> {
        self.state().heard.clone()
    }

    /// Waits until so many requests were heard.
    pub async fn wait_for(&self, count: usize) -> Vec<Heard> {
        let since = Instant::now();
        loop {
            let heard = self.heard();
            if heard.len() >= count {
                return heard;
            }
            let lines: Vec<_> = heard.iter().map(|heard| &heard.body).collect();
            assert!(since.elapsed() < LIMIT, "{} of {count}: {lines:?}", heard.len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn hear(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Option<()> {
        let mut bytes = Vec::new();
        let (head, length) = loop {
            if stream.read_buf(&mut bytes).await.ok()? == 0 {
                return None;
            }
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if let Some((head, _)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| {
                    let (name, value) = line.split_once(':')?;
                    let length = name.eq_ignore_ascii_case("content-length");
                    length.then(|| value.trim().parse::<usize>().ok())?
                });
                break (head.to_owned(), length.unwrap_or(0));
            }
        };
        let start = head.len() + 4;
        while bytes.len() < start + length {
            if stream.read_buf(&mut bytes).await.ok()? == 0 {
                return None;
            }
        }
        let mut lines = head.lines();
        let line = lines.next().unwrap_or_default().to_owned();
        let headers = lines.filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        });
        let body = String::from_utf8_lossy(&bytes[start..start + length]).into_owned();
        let request = Heard { line, headers: headers.collect(), body, at: Instant::now() };
        let text = {
            let mut state = self.state();
            state.heard.push(request);
            let always = state.always.clone();
            state.answers.pop_front().or(always).unwrap_or_else(|| answer("200 OK", "", ""))
        };
        stream.write_all(text.as_bytes()).await.ok()?;
        stream.shutdown().await.ok()
    }
}
