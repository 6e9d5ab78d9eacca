//! Forwarding to collectors that come and go.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use roadstead_tests::free_port;
use roadstead_tests::http::Person;
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::stage::{Stage, configure, number, until};

/// What a collector understood of a message.
#[derive(Clone, Debug)]
struct Message {
    id: i64,
    resource: String,
    request_id: String,
}

type Received = Arc<Mutex<Vec<Message>>>;

/// A collector on a port, until it is killed with whatever it has not read.
struct Sink(JoinHandle<()>);

impl Sink {
    async fn start(port: u16, received: Received, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        Self(tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (received, tls) = (received.clone(), tls.clone());
                connections.spawn(async move {
                    match tls {
                        None => read(stream, received).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                read(stream, received).await;
                            }
                        }
                    }
                });
            }
        }))
    }

    async fn kill(mut self) {
        self.0.abort();
        let _ = (&mut self.0).await;
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Reads messages slowly enough that something is always unread, and closes at the end.
async fn read(mut stream: impl AsyncRead + AsyncWrite + Unpin, received: Received) {
    let (mut unread, mut piece) = (Vec::new(), [0; 700]);
    loop {
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => break,
            Ok(length) => unread.extend_from_slice(&piece[..length]),
        }
        while let Some((message, rest)) = frame(&unread) {
            received.lock().unwrap().push(parse(&message));
            unread = rest;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let _ = stream.shutdown().await;
}

/// The first whole frame (RFC 6587, 3.4.1), and what is behind it.
fn frame(bytes: &[u8]) -> Option<(String, Vec<u8>)> {
    let digits = bytes.iter().position(|b| *b == b' ')?;
    assert!((1..=4).contains(&digits) && bytes[0] != b'0', "{bytes:?}");
    assert!(bytes[..digits].iter().all(u8::is_ascii_digit), "{bytes:?}");
    let length: usize = std::str::from_utf8(&bytes[..digits]).unwrap().parse().unwrap();
    let message = bytes.get(digits + 1..digits + 1 + length)?;
    let message = String::from_utf8(message.to_vec()).unwrap();
    Some((message, bytes[digits + 1 + length..].to_vec()))
}

/// Reads a message by the letter of RFC 5424, section 6.
fn parse(message: &str) -> Message {
    assert!(!message.chars().any(char::is_control), "{message:?}");
    let rest = message.strip_prefix("<110>1 ").or(message.strip_prefix("<108>1 "));
    let (header, rest) = rest.expect("a priority").split_once(" [roadstead@32473 ").unwrap();
    let header: Vec<&str> = header.split(' ').collect();
    let [time, host, application, process, kind] = header[..] else { panic!("{header:?}") };
    assert!(time.len() == 24 && time.ends_with('Z') && &time[10..11] == "T", "{time}");
    assert!(!host.is_empty() && application == "audit", "{header:?}");
    assert!(process.bytes().all(|b| b.is_ascii_digit()), "{process}");
    assert!(kind.contains('_') && kind.len() <= 32, "{kind}");
    let mut values = std::collections::BTreeMap::new();
    let mut rest = rest;
    loop {
        let (name, value) = rest.split_once("=\"").unwrap();
        let end = value
            .char_indices()
            .scan(false, |escaped, (at, c)| {
                let ends = c == '"' && !*escaped;
                *escaped = c == '\\' && !*escaped;
                Some((at, ends))
            })
            .find(|(_, ends)| *ends)
            .unwrap()
            .0;
        assert_eq!(values.insert(name.to_owned(), value[..end].to_owned()), None, "{name} twice");
        rest = &value[end + 1..];
        match rest.strip_prefix(' ') {
            Some(more) => rest = more,
            None => break,
        }
    }
    assert!(rest.starts_with("] "), "{rest}");
    assert!(matches!(values["result"].as_str(), "success" | "failure"));
    let text = |name: &str| values.get(name).cloned().unwrap_or_default();
    Message {
        id: values["id"].parse().unwrap(),
        resource: text("resource"),
        request_id: text("request_id"),
    }
}

/// Makes projects one after the other, also while the server is away for a moment.
async fn make_projects(admin: Person, count: u32) {
    for n in 0..count {
        let body = json!({"project_name": format!("forwarded-{n:03}")});
        loop {
            let request = admin.send("POST", "/api/v2.0/projects").json(&body);
            match request.send().await.map(|answer| answer.status().as_u16()) {
                Ok(201 | 409) => break,
                Ok(503) | Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                Ok(status) => panic!("{status}"),
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn waiting(stage: &Stage) -> i64 {
    number(&stage.server, "SELECT COUNT(*) FROM audit_log WHERE pending").await
}

/// Every event of these projects was received, none before one that is older.
async fn assert_received(stage: &Stage, received: &Received, count: u32) {
    let events = stage.events("q=resource%3D~forwarded-&sort=id&page_size=0").await;
    assert_eq!(events.len(), count as usize);
    let received = received.lock().unwrap().clone();
    let mut first: Vec<&Message> = Vec::new();
    for message in &received {
        if first.iter().all(|known| known.id != message.id) {
            first.push(message);
        }
    }
    assert!(first.is_sorted_by_key(|message| message.id), "out of order");
    for event in &events {
        let id = event["id"].as_i64().unwrap();
        let message = first.iter().find(|message| message.id == id);
        let message = message.unwrap_or_else(|| panic!("{event} did not arrive"));
        assert_eq!(message.resource, event["resource"].as_str().unwrap());
        assert_eq!(message.request_id, event["request_id"].as_str().unwrap());
    }
    println!("{} messages of {} events", received.len(), first.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_arrives_whoever_is_restarted() {
    const PROJECTS: u32 = 200;
    let mut stage = Stage::new();
    let (port, received) = (free_port(), Received::default());
    configure(&stage.server, "audit_log_forward_endpoint", &format!("127.0.0.1:{port}")).await;
    let making = tokio::spawn(make_projects(stage.server.admin(), PROJECTS));
    for round in 0..4 {
        let sink = Sink::start(port, received.clone(), None).await;
        tokio::time::sleep(Duration::from_millis(900)).await;
        match round {
            1 => {
                stage.server.terminate();
                assert_eq!(stage.server.wait(), Some(0));
                stage.server.start();
            }
            2 => {
                stage.server.kill();
                stage.server.start();
            }
            _ => {}
        }
        sink.kill().await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    making.await.unwrap();
    let _sink = Sink::start(port, received.clone(), None).await;
    until("forwarding", async || waiting(&stage).await == 0).await;
    assert_received(&stage, &received, PROJECTS).await;
}

/// A collector's certificate for `localhost`, which is its own authority.
fn certificate(directory: &Path) -> (TlsAcceptor, String) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-days", "2"])
        .args(["-keyout", "key.pem", "-out", "certificate.pem"])
        .current_dir(directory)
        .output();
    assert!(made.is_ok_and(|made| made.status.success()), "openssl is missing: run `make test`");
    let certificate = CertificateDer::from_pem_file(directory.join("certificate.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(directory.join("key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let pem = std::fs::read_to_string(directory.join("certificate.pem")).unwrap();
    (TlsAcceptor::from(Arc::new(config)), pem)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_with_tls_gets_nothing_before_it_is_trusted() {
    let stage = Stage::new();
    let (acceptor, pem) = certificate(stage.server.scratch());
    let (port, received) = (free_port(), Received::default());
    let sink = Sink::start(port, received.clone(), Some(acceptor.clone())).await;
    let endpoint = format!("tls://localhost:{port}");
    configure(&stage.server, "audit_log_forward_endpoint", &endpoint).await;
    make_projects(stage.server.admin(), 20).await;
    until("an attempt", async || stage.server.log().contains("audit events wait")).await;
    assert_eq!(waiting(&stage).await, 20);
    assert_eq!(received.lock().unwrap().len(), 0);
    configure(&stage.server, "audit_log_forward_ca_certificate", &pem).await;
    until("forwarding", async || waiting(&stage).await == 0).await;
    assert_received(&stage, &received, 20).await;
    // A collector that was away.
    sink.kill().await;
    stage.admin.create_project("late", false).await;
    let _sink = Sink::start(port, received.clone(), Some(acceptor)).await;
    until("the late one", async || {
        received.lock().unwrap().iter().any(|message| message.resource == "late")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_kept_by_the_collector_alone_where_that_is_wanted_and_wait_for_nobody() {
    let stage = Stage::new();
    let (port, received) = (free_port(), Received::default());
    configure(&stage.server, "audit_log_forward_endpoint", &format!("127.0.0.1:{port}")).await;
    configure(&stage.server, "skip_audit_log_database", "true").await;
    stage.admin.create_project("skipped", false).await;
    // Nobody listens yet, and here it stays.
    assert_eq!(stage.events("q=resource%3Dskipped").await.len(), 1);
    let sink = Sink::start(port, received.clone(), None).await;
    until("forwarding", async || stage.events("q=resource%3Dskipped").await.is_empty()).await;
    assert!(received.lock().unwrap().iter().any(|message| message.resource == "skipped"));
    sink.kill().await;
    stage.admin.create_project("kept", false).await;
    configure(&stage.server, "skip_audit_log_database", "false").await;
    configure(&stage.server, "audit_log_forward_endpoint", "").await;
    until("the end of waiting", async || waiting(&stage).await == 0).await;
    assert_eq!(stage.events("q=resource%3Dkept").await.len(), 1);
}
