use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use roadstead_model::Timestamp;
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::*;

const ENTRY: Entry<'static> = Entry {
    id: 7,
    at: Timestamp(1_767_323_045_678_999),
    actor: "ann",
    address: "10.0.0.9",
    request_id: "r-1",
    project_id: Some(3),
    operation: "create",
    resource_type: "artifact",
    resource: "team/web:1",
    description: "",
    succeeded: true,
};

/// A message as a collector understands it.
#[derive(Debug)]
struct Received {
    priority: u8,
    header: Vec<String>,
    data: Vec<(String, String)>,
    text: String,
}

impl Received {
    fn value(&self, name: &str) -> &str {
        let mut found = self.data.iter().filter(|(own, _)| own == name);
        let (_, value) = found.next().unwrap_or_else(|| panic!("{name} in {self:?}"));
        assert!(found.next().is_none(), "{name} twice");
        value
    }
}

/// Reads frames until the connection ends, by the letter of RFC 6587 and RFC 5424.
async fn frames(mut stream: impl AsyncRead + Unpin) -> Vec<Received> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    let (mut received, mut rest) = (Vec::new(), &bytes[..]);
    while !rest.is_empty() {
        let digits = rest.iter().position(|b| *b == b' ').unwrap();
        assert!(rest[..digits].iter().all(u8::is_ascii_digit) && rest[0] != b'0');
        let length: usize = std::str::from_utf8(&rest[..digits]).unwrap().parse().unwrap();
        assert!(length <= 8192, "{length}");
        let message = &rest[digits + 1..][..length];
        received.push(parse(std::str::from_utf8(message).unwrap()));
        rest = &rest[digits + 1 + length..];
    }
    received
}

fn parse(message: &str) -> Received {
    assert!(!message.chars().any(char::is_control), "{message:?}");
    let (priority, rest) = message.strip_prefix('<').unwrap().split_once('>').unwrap();
    let (header, rest) = rest.split_once(" [roadstead@32473").unwrap();
    let header: Vec<String> = header.split(' ').map(str::to_owned).collect();
    let (longest, fields) = ([3, 32, 255, 48, 128, 32], header.iter());
    assert_eq!((header.len(), header[0].as_str()), (6, "1"), "{header:?}");
    for (field, longest) in fields.zip(longest) {
        assert!((1..=longest).contains(&field.len()), "{field}");
        assert!(field.bytes().all(|b| b.is_ascii_graphic()), "{field}");
    }
    let (mut data, mut rest) = (Vec::new(), rest);
    while let Some(pair) = rest.strip_prefix(' ') {
        let (name, value) = pair.split_once("=\"").unwrap();
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
        let (mut read, mut end, mut characters) = (String::new(), None, value.char_indices());
        while let Some((at, c)) = characters.next() {
            match c {
                '"' => {
                    end = Some(at);
                    break;
                }
                '\\' => {
                    let (_, c) = characters.next().unwrap();
                    assert!(matches!(c, '"' | '\\' | ']'), "{value}");
                    read.push(c);
                }
                ']' => panic!("a bracket that is not escaped: {value}"),
                c => read.push(c),
            }
        }
        data.push((name.to_owned(), read));
        rest = &value[end.unwrap() + 1..];
    }
    let text = rest.strip_prefix("] ").unwrap();
    let plain = text.strip_prefix('\u{feff}');
    assert_eq!(plain.is_none(), text.is_ascii());
    let text = plain.unwrap_or(text).to_owned();
    Received { priority: priority.parse().unwrap(), header, data, text }
}

/// A collector that takes one connection, and what it received in the end.
async fn collector(tls: Option<TlsAcceptor>) -> (u16, JoinHandle<Vec<Received>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let received = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        match tls {
            None => frames(stream).await,
            // A client that does not trust the certificate breaks off here.
            Some(tls) => match tls.accept(stream).await {
                Ok(stream) => frames(stream).await,
                Err(_) => Vec::new(),
            },
        }
    });
    (port, received)
}

fn endpoint(text: &str) -> Endpoint {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_collector_receives_every_entry_with_all_that_the_audit_trail_knows() {
    let (port, received) = collector(None).await;
    let mut forwarder = Forwarder::connect(&endpoint(&format!("127.0.0.1:{port}"))).await.unwrap();
    for id in 1..=200 {
        forwarder.send(&Entry { id, ..ENTRY }).await.unwrap();
    }
    let failed = Entry { succeeded: false, project_id: None, address: "", ..ENTRY };
    forwarder.send(&failed).await.unwrap();
    forwarder.close().await;
    let received = received.await.unwrap();
    let ids: Vec<String> = received.iter().map(|entry| entry.value("id").to_owned()).collect();
    assert_eq!(ids[..200], (1..=200).map(|id| id.to_string()).collect::<Vec<_>>());
    let first = &received[0];
    assert_eq!(first.priority, 13 * 8 + 6);
    assert_eq!(first.header[1], "2026-01-02T03:04:05.678Z");
    assert_eq!(first.header[2], message::hostname());
    assert_eq!((first.header[3].as_str(), first.header[5].as_str()), ("audit", "create_artifact"));
    for (name, value) in [
        ("actor", "ann"),
        ("operation", "create"),
        ("resource_type", "artifact"),
        ("resource", "team/web:1"),
        ("project_id", "3"),
        ("address", "10.0.0.9"),
        ("request_id", "r-1"),
        ("result", "success"),
    ] {
        assert_eq!(first.value(name), value);
    }
    assert_eq!(first.text, "ann create artifact team/web:1");
    let last = &received[200];
    assert_eq!((last.priority, last.value("result")), (13 * 8 + 4, "failure"));
    assert!(!last.data.iter().any(|(name, _)| name == "project_id" || name == "address"));
}

#[tokio::test]
async fn a_name_cannot_pretend_to_be_another_entry() {
    let (port, received) = collector(None).await;
    let mut forwarder =
        Forwarder::connect(&endpoint(&format!("tcp://localhost:{port}"))).await.unwrap();
    let hostile = "x\"] \\\n<110>1 - - - - - -\r\0\u{85}";
    let entry = Entry { actor: hostile, resource: "Grüße", operation: "a b\n", ..ENTRY };
    forwarder.send(&entry).await.unwrap();
    let long = "\\\u{fc}".repeat(5000);
    let entry = Entry { actor: &long, resource: &long, address: &long, ..ENTRY };
    let entry = Entry { request_id: &long, description: &long, ..entry };
    forwarder.send(&entry).await.unwrap();
    forwarder.send(&Entry { operation: "", resource_type: "", ..ENTRY }).await.unwrap();
    forwarder.close().await;
    let received = received.await.unwrap();
    assert_eq!(received.len(), 3);
    assert_eq!(
        received[0].value("actor"),
        "x\"] \\\u{fffd}<110>1 - - - - - -\u{fffd}\u{fffd}\u{fffd}"
    );
    assert_eq!(received[0].value("resource"), "Grüße");
    assert_eq!(received[0].header[5], "ab_artifact");
    assert!(received[1].value("actor").len() > 500 && long.starts_with(received[1].value("actor")));
}

/// A certificate for `localhost` that is its own authority, made by openssl.
fn certificate(directory: &Path) -> (TlsAcceptor, Vec<u8>) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-days", "2"])
        .args(["-keyout", "key.pem", "-out", "certificate.pem"])
        .current_dir(directory)
        .output();
    assert!(made.is_ok_and(|made| made.status.success()), "openssl is missing");
    let certificate = CertificateDer::from_pem_file(directory.join("certificate.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(directory.join("key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let pem = std::fs::read(directory.join("certificate.pem")).unwrap();
    (TlsAcceptor::from(Arc::new(config)), pem)
}

#[tokio::test]
async fn entries_travel_encrypted_to_a_collector_that_is_who_it_says() {
    let directory = tempfile::tempdir().unwrap();
    let (acceptor, pem) = certificate(directory.path());
    let (port, received) = collector(Some(acceptor.clone())).await;
    let trusted = endpoint(&format!("tls://localhost:{port}")).trusting(&pem).unwrap();
    let mut forwarder = Forwarder::connect(&trusted).await.unwrap();
    forwarder.send(&ENTRY).await.unwrap();
    forwarder.send(&Entry { id: 8, ..ENTRY }).await.unwrap();
    forwarder.finish().await.unwrap();
    let received = received.await.unwrap();
    assert_eq!(received.iter().map(|entry| entry.value("id")).collect::<Vec<_>>(), ["7", "8"]);

    // Not from an authority of the system's, and not the name of that certificate.
    let (port, received) = collector(Some(acceptor.clone())).await;
    let unknown = endpoint(&format!("tls://localhost:{port}"));
    assert!(matches!(Forwarder::connect(&unknown).await, Err(Error::Tls(_))));
    assert_eq!(received.await.unwrap().len(), 0);
    let (port, _received) = collector(Some(acceptor)).await;
    let other = endpoint(&format!("tls://127.0.0.1:{port}")).trusting(&pem).unwrap();
    assert!(matches!(probe(&other).await, Err(Error::Tls(_))));
}

#[tokio::test]
async fn a_probe_says_whether_somebody_listens() {
    let (port, received) = collector(None).await;
    let there = endpoint(&format!("127.0.0.1:{port}"));
    probe(&there).await.unwrap();
    assert_eq!(received.await.unwrap().len(), 0);
    assert!(matches!(probe(&there).await, Err(Error::Connect(_))));
}

#[tokio::test]
async fn an_entry_is_not_sent_into_a_connection_that_the_collector_has_closed() {
    for tls in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let (acceptor, pem) = certificate(directory.path());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let scheme = if tls { "tls" } else { "tcp" };
        let there = endpoint(&format!("{scheme}://localhost:{port}")).trusting(&pem).unwrap();
        let closing = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            if tls {
                acceptor.accept(stream).await.unwrap().shutdown().await.unwrap();
            } else {
                stream.shutdown().await.unwrap();
            }
        });
        let mut forwarder = Forwarder::connect(&there).await.unwrap();
        closing.await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        let outcome = forwarder.send(&ENTRY).await;
        assert!(matches!(outcome, Err(Error::Closed | Error::Broken(_))), "{outcome:?}");
        assert!(matches!(forwarder.send(&ENTRY).await, Err(Error::Closed)));
    }
}

#[tokio::test]
async fn a_collector_that_does_not_read_or_greet_holds_nobody_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (plain, tls) = (format!("127.0.0.1:{port}"), format!("tls://127.0.0.1:{port}"));
    let started = Instant::now();
    let unread = async {
        let mut forwarder = Forwarder::connect(&endpoint(&plain)).await.unwrap();
        let long = "x".repeat(512);
        let entry = Entry { actor: &long, resource: &long, request_id: &long, ..ENTRY };
        let stuck = loop {
            if let Err(error) = forwarder.send(&entry).await {
                break error;
            }
        };
        (stuck, forwarder.send(&ENTRY).await)
    };
    let tls = endpoint(&tls);
    let (silent, (stuck, after)) = tokio::join!(Forwarder::connect(&tls), unread);
    assert!(matches!(silent, Err(Error::Timeout)), "{silent:?}");
    assert!(matches!(stuck, Error::Timeout), "{stuck:?}");
    assert!(matches!(after, Err(Error::Closed)), "{after:?}");
    assert!(started.elapsed() < 6 * PATIENCE, "{:?}", started.elapsed());
}
