//! Memory stays flat, whatever the size of a blob.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use roadstead_tests::content::hex;
use roadstead_tests::http::with_query;
use roadstead_tests::{Server, Setup};
use sha2::{Digest as _, Sha256};

const MIB: u64 = 1 << 20;

/// The `n`th MiB of a blob that does not compress and repeats nowhere.
fn block(n: u64) -> Bytes {
    let mut state = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(1 << 20);
    for _ in 0..(1 << 17) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_blob_passes_through_little_memory() {
    let quick = std::env::var_os("ROADSTEAD_TEST_QUICK").is_some();
    let blocks = if quick { 256 } else { 4096 };
    let server = Setup::new().start();
    let admin = server.admin();
    let mut hash = Sha256::new();
    (0..blocks).for_each(|n| hash.update(block(n)));
    let digest = format!("sha256:{}", hex(&hash.finalize()));

    let location = admin.start_upload("library/large").await;
    let body = stream::iter(0..blocks).map(|n| Ok::<_, std::io::Error>(block(n)));
    let body = reqwest::Body::wrap_stream(body);
    let answer = admin.send("PATCH", &location).body(body).send().await.unwrap();
    assert_eq!(answer.status(), 202);
    let url = with_query(&location, &format!("digest={digest}"));
    let answer = admin.send("PUT", &url).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let pushed = server.peak_memory();

    let answer = admin.get(&format!("/v2/library/large/blobs/{digest}")).await;
    assert_eq!(answer.content_length(), Some(blocks * MIB));
    let (mut hash, mut pieces) = (Sha256::new(), answer.bytes_stream());
    let (mut pulled, mut looked) = (pushed, Instant::now());
    while let Some(piece) = pieces.next().await {
        hash.update(piece.expect("the body goes on"));
        if looked.elapsed() > Duration::from_millis(10) {
            (pulled, looked) = (pulled.max(server.own_memory()), Instant::now());
        }
    }
    assert_eq!(format!("sha256:{}", hex(&hash.finalize())), digest);
    println!("{blocks} MiB: {} MiB after the push, {} after the pull", pushed / MIB, pulled / MIB);
    assert!(pulled < 64 * MIB, "resident memory grew to {} MiB", pulled / MIB);
}

/// How much memory of its own a client costs that asks for a blob and takes none of it.
async fn price_of_a_slow_reader(server: &Server) -> u64 {
    const READERS: u64 = 64;
    let admin = server.admin();
    let content: Vec<u8> = (0..16).flat_map(block).collect();
    let digest = admin.push_blob("library/slow", &content).await;
    let path = format!("/v2/library/slow/blobs/{digest}");
    // The first time costs what is kept for all of them.
    drop(admin.get(&path).await.bytes().await);
    let before = server.own_memory();
    let mut slow = Vec::new();
    for _ in 0..READERS {
        let client = server.admin();
        slow.push((client.get(&path).await, client));
    }
    // What is not taken fills the sockets first.
    let mut memory = 0;
    while server.own_memory() > memory {
        memory = server.own_memory();
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(slow.iter().all(|(answer, _)| answer.status() == 200));
    memory.saturating_sub(before) / READERS
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_nothing_of_a_blob_costs_little() {
    let server = Setup::new().start();
    let mapped = price_of_a_slow_reader(&server).await;
    // Blobs that are hashed on their way are copied, as those that are encrypted.
    let server = Setup::new().env("ROADSTEAD_VERIFY_AFTER", "0s").start();
    let copied = price_of_a_slow_reader(&server).await;
    println!("{} KiB each, {} KiB each with copies", mapped >> 10, copied >> 10);
    assert!(mapped < 128 << 10, "{mapped}");
    assert!(copied < 640 << 10, "{copied}");
}
