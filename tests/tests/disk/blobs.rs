use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use base64::Engine as _;
use roadstead_tests::content::{random_bytes, rng};
use roadstead_tests::disk::left_out;
use roadstead_tests::{ADMIN_PASSWORD, Setup, store};

/// More than sockets hold between a server and a client that does not read.
const LENGTH: usize = 48 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_is_cut_off_while_it_is_sent_ends_early_and_others_are_served() {
    if left_out() {
        return;
    }
    let mut server = Setup::new().start();
    let admin = server.admin();
    let bytes = random_bytes(&mut rng(), LENGTH);
    let digest = admin.push_blob("library/cut", &bytes).await;
    let other = admin.push_blob("library/cut", b"whole").await;
    let path = format!("/v2/library/cut/blobs/{digest}");
    let login = base64::engine::general_purpose::STANDARD.encode(format!("admin:{ADMIN_PASSWORD}"));
    let mut client = TcpStream::connect(server.address()).unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Basic {login}\r\n\r\n");
    client.write_all(head.as_bytes()).unwrap();
    let mut begun = vec![0; 1 << 16];
    client.read_exact(&mut begun).unwrap();
    assert!(begun.starts_with(b"HTTP/1.1 200"));

    let file = &store::by_digest(&server.data().join("blobs"))[&digest];
    std::fs::File::options().write(true).open(file).unwrap().set_len(4096).unwrap();
    let mut rest = Vec::new();
    // It ends in order, or with a reset.
    let _ = client.read_to_end(&mut rest);
    assert!(rest.len() < LENGTH - begun.len(), "all of it came: {}", rest.len());
    println!("{} of {LENGTH} came", begun.len() + rest.len());

    let answer = admin.get(&path).await;
    assert_eq!(answer.status(), 503, "it is known to be damaged now");
    let answer = admin.get(&format!("/v2/library/cut/blobs/{other}")).await;
    assert_eq!(answer.bytes().await.unwrap(), "whole");
    assert_eq!(admin.push_blob("library/cut", &bytes).await, digest);
    assert!(admin.get(&path).await.bytes().await.unwrap() == bytes, "it is healed");
    server.damaged_on_purpose();
}
