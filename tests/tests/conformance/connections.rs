//! Connections as real clients use, and misuse, them.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use roadstead_tests::Server;
use roadstead_tests::content::rng;

use crate::client::{ONE, server, with_basic};
use crate::data::{Algorithm, Blob};
use crate::raw;
use crate::uploads::{Way, push_ok};

/// The beginning of a handshake: docker tries it on every port before it uses plain HTTP.
const CLIENT_HELLO: &[u8] = &[
    0x16, 0x03, 0x01, 0x00, 0x2f, 0x01, 0x00, 0x00, 0x2b, 0x03, 0x03, 0x52, 0x34, 0xc6, 0x6d, 0x86,
    0x8d, 0xe8, 0x40, 0x97, 0xda, 0xee, 0x7e, 0x21, 0xc4, 0x1d, 0x2e, 0x9f, 0xe9, 0x60, 0x5f, 0x05,
    0xb0, 0xce, 0xaf, 0x7e, 0xb7, 0x95, 0x8c, 0x33, 0x42, 0x3f, 0xd5, 0x00, 0x00, 0x02, 0x00, 0x2f,
    0x01, 0x00, 0x00, 0x00,
];

fn a_tls_handshake_on_the_plain_port_ends_at_once(server: &Server) {
    for hello in [CLIENT_HELLO, &CLIENT_HELLO[..11]] {
        let since = Instant::now();
        let answer = raw::exchange(server.address(), hello);
        assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"), "{answer:?}");
    }
}

fn request(host: &str, path: &str, extra: &str) -> Vec<u8> {
    let head = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{}", raw::authorization());
    format!("{head}{extra}\r\n").into_bytes()
}

async fn one_connection_serves_one_request_or_many(server: &Server) {
    let mut rng = rng();
    let blob = Blob::random(&mut rng, Algorithm::Sha256, 10_000);
    push_ok(&with_basic(server), ONE, &blob, Way::PostPut).await;
    let (host, path) = (server.host(), blob.path(ONE));
    let closing = request(&host, &path, "Connection: close\r\n");
    let answer = raw::exchange(server.address(), &closing);
    assert!(answer.starts_with(b"HTTP/1.1 200 ") && answer.ends_with(&blob.bytes));
    // Three requests are sent before the first answer is read.
    let kept = request(&host, &path, "");
    let pipelined = [kept.as_slice(), &kept, &closing].concat();
    let answers = raw::exchange(server.address(), &pipelined);
    let found = answers.windows(13).filter(|window| *window == b"HTTP/1.1 200 ").count();
    assert_eq!(found, 3);
    let old = format!("GET {path} HTTP/1.0\r\n{}\r\n", raw::authorization());
    let answer = raw::exchange(server.address(), old.as_bytes());
    assert!(answer.ends_with(&blob.bytes), "HTTP/1.0");
}

#[tokio::test]
async fn connections_are_used_as_the_client_says() {
    let server = server().await;
    a_tls_handshake_on_the_plain_port_ends_at_once(&server);
    one_connection_serves_one_request_or_many(&server).await;
}

async fn a_client_that_waits_to_be_told_to_go_on_is_told(server: &Server) {
    let mut rng = rng();
    let blob = Blob::random(&mut rng, Algorithm::Sha256, 5000);
    let target = crate::uploads::with_digest(&format!("/v2/{ONE}/blobs/uploads/"), &blob.digest);
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: {}\r\n{}Content-Length: 5000\r\nExpect: 100-continue\r\n\
         Connection: close\r\n\r\n",
        server.host(),
        raw::authorization()
    );
    let mut stream = raw::connect(server.address());
    stream.write_all(head.as_bytes()).expect("sent");
    let mut first = [0; 25];
    stream.read_exact(&mut first).expect("an answer");
    assert_eq!(&first, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(&blob.bytes).expect("sent");
    let mut rest = String::new();
    stream.read_to_string(&mut rest).expect("an answer");
    assert!(rest.starts_with("HTTP/1.1 201 "), "{rest}");
    crate::uploads::present(&with_basic(server), ONE, &blob).await;
}

async fn a_reader_that_hangs_up_in_the_middle_harms_nobody(server: &Server) {
    let mut rng = rng();
    let client = with_basic(server);
    let blob = Blob::random(&mut rng, Algorithm::Sha256, 5_000_000);
    push_ok(&client, ONE, &blob, Way::Stream).await;
    for _ in 0..20 {
        let mut stream = raw::connect(server.address());
        let range = request(&server.host(), &blob.path(ONE), "Range: bytes=1000-\r\n");
        stream.write_all(&range).expect("sent");
        let mut some = [0; 4096];
        stream.read_exact(&mut some).expect("the beginning");
    }
    crate::uploads::present(&client, ONE, &blob).await;
}

/// Whoever is refused before the body was read may go on using the connection, or is told not to.
fn a_refusal_in_the_middle_of_a_body_says_what_becomes_of_the_connection(server: &Server) {
    let host = server.host();
    let post = |length: usize, authorization: &str| {
        let target = format!("/v2/{ONE}/blobs/uploads/?digest=sha256:{}", "0".repeat(64));
        let head = format!("POST {target} HTTP/1.1\r\nHost: {host}\r\n{authorization}");
        format!("{head}Content-Length: {length}\r\n\r\n").into_bytes()
    };
    for length in [100, 70_000, 3_000_000] {
        let mut stream = raw::connect(server.address());
        stream.write_all(&post(length, "")).expect("sent");
        let first = raw::head(&mut stream);
        assert!(first.starts_with("HTTP/1.1 401 "), "{first}");
        if first.to_ascii_lowercase().contains("connection: close") {
            continue;
        }
        stream.write_all(&vec![0; length]).expect("the body is taken");
        let ping = format!("GET /v2/ HTTP/1.1\r\nHost: {host}\r\n{}\r\n", raw::authorization());
        stream.write_all(ping.as_bytes()).expect("the next request is taken");
        let second = raw::head(&mut stream);
        assert!(second.starts_with("HTTP/1.1 200 "), "after {length} bytes: {second}");
    }
}

#[tokio::test]
async fn clients_may_wait_or_hang_up() {
    let server = server().await;
    a_client_that_waits_to_be_told_to_go_on_is_told(&server).await;
    a_reader_that_hangs_up_in_the_middle_harms_nobody(&server).await;
}

#[tokio::test]
async fn refusals_leave_connections_in_a_known_state() {
    let server = server().await;
    a_refusal_in_the_middle_of_a_body_says_what_becomes_of_the_connection(&server);
}
