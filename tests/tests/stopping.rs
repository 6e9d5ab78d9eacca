//! Stopping without losing requests, telling probes, and clients that hold connections for nothing.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Output;
use std::time::{Duration, Instant};

use roadstead_tests::{Server, Setup, free_port};

fn with_probes(setup: Setup) -> (Server, SocketAddr) {
    let probes = SocketAddr::from(([127, 0, 0, 1], free_port()));
    (setup.env("ROADSTEAD_ADMIN_LISTEN", probes.to_string()).start(), probes)
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a limit");
    stream
}

/// The head of an answer, in lower case.
fn head(stream: &mut TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).expect("an answer") == 1 {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).to_ascii_lowercase()
}

/// GET without credentials on a connection that stays open, if the server lets it.
fn get(stream: &mut TcpStream, path: &str) -> String {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").expect("a request");
    let head = head(stream);
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.and_then(|length| length.parse().ok()).unwrap_or(0);
    stream.read_exact(&mut vec![0; length]).expect("the body");
    head
}

fn health(server: &Server) -> Output {
    server.command(&["health"]).output().expect("the command runs")
}

#[test]
fn health_says_what_readyz_says() {
    let (mut server, _) = with_probes(Setup::new());
    let output = health(&server);
    assert!(output.status.success() && output.stdout == b"ok\n", "{output:?}");
    server.kill();
    let output = health(&server);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no answer"), "{output:?}");
}

#[test]
fn a_server_that_stops_says_so_before_it_closes_the_door() {
    let (mut server, probes) = with_probes(Setup::new().env("ROADSTEAD_DRAIN_DELAY", "2s"));
    let mut kept = connect(server.address());
    assert!(!get(&mut kept, "/v2/").contains("connection: close"));
    let since = Instant::now();
    server.terminate();
    while !get(&mut connect(probes), "/readyz").contains(" 503 ") {
        assert!(since.elapsed() < Duration::from_secs(1), "probes are told too late");
    }
    assert_eq!(health(&server).status.code(), Some(1));
    // The door is open still, and the connections of a proxy are taken out of its hands.
    assert!(get(&mut kept, "/v2/").contains("connection: close"));
    assert_eq!(kept.read(&mut [0]).expect("the end"), 0);
    let fresh = get(&mut connect(server.address()), "/v2/");
    assert!(fresh.contains(" 401 ") && fresh.contains("connection: close"), "{fresh}");
    assert!(get(&mut connect(probes), "/livez").contains(" 200 "), "it is alive");
    assert_eq!(server.wait(), Some(0));
    assert!(since.elapsed() >= Duration::from_secs(2), "it left early");
}

#[test]
fn a_second_signal_ends_the_wait() {
    let mut server = Setup::new().env("ROADSTEAD_DRAIN_DELAY", "1h").start();
    server.terminate();
    std::thread::sleep(Duration::from_millis(300));
    server.terminate();
    assert_eq!(server.wait(), Some(1));
}

#[test]
fn who_dribbles_a_request_is_cut_off_and_who_keeps_a_connection_is_not() {
    let server = Setup::new().env("ROADSTEAD_HEAD_TIMEOUT", "1s").start();
    let mut kept = connect(server.address());
    get(&mut kept, "/v2/");
    let mut silent = connect(server.address());
    let mut slow = connect(server.address());
    slow.write_all(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n").expect("a part");
    let since = Instant::now();
    for _ in 0..4 {
        std::thread::sleep(Duration::from_millis(700));
        let _ = slow.write_all(b"X-A: b\r\n");
    }
    let mut rest = Vec::new();
    assert!(silent.read(&mut [0]).is_ok_and(|n| n == 0), "silence is kept waiting");
    assert!(slow.read_to_end(&mut rest).is_err() || rest.is_empty(), "a slow head is answered");
    assert!(since.elapsed() < Duration::from_secs(20));
    assert!(get(&mut kept, "/v2/").contains(" 401 "), "an idle connection was closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_nothing_of_an_answer_is_cut_off() {
    let server = Setup::new().env("ROADSTEAD_WRITE_IDLE_TIMEOUT", "1s").start();
    // More than the buffers of both kernels hold.
    let blob = vec![7; 64 << 20];
    let digest = server.admin().push_blob("library/big", &blob).await;
    let mut stream = connect(server.address());
    write!(stream, "GET /v2/library/big/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert!(head(&mut stream).contains(" 200 "));
    std::thread::sleep(Duration::from_secs(4));
    let mut rest = Vec::new();
    let read = stream.read_to_end(&mut rest);
    assert!(read.is_err() || rest.len() < blob.len(), "all of it waited for the client");
    let whole = server.nobody().get(&format!("/v2/library/big/blobs/{digest}")).await;
    assert_eq!(whole.bytes().await.expect("the blob").len(), blob.len());
}

#[test]
fn more_clients_than_there_is_room_for_wait_and_idle_ones_make_room() {
    let server = Setup::new().env("ROADSTEAD_MAX_CONNECTIONS", "4").start();
    let mut idle: Vec<TcpStream> = (0..4).map(|_| connect(server.address())).collect();
    for stream in &mut idle {
        assert!(get(stream, "/v2/").contains(" 401 "));
    }
    let since = Instant::now();
    assert!(get(&mut connect(server.address()), "/v2/").contains(" 401 "));
    assert!(since.elapsed() < Duration::from_secs(20), "an idle client kept another one out");
}
