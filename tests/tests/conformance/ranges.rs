//! Parts of blobs.

use roadstead_tests::Server;
use roadstead_tests::content::rng;

use crate::client::{Call, Client, ONE, server, with_basic, with_tokens};
use crate::data::{Algorithm, Blob};
use crate::uploads::{Way, push_ok, remove};

/// Ranges of a blob of 2048 bytes, each with the first byte and the one after the last.
const SATISFIABLE: &[(&str, usize, usize)] = &[
    ("bytes=500-1499", 500, 1500),
    ("bytes=500-", 500, 2048),
    ("bytes=-500", 1548, 2048),
    ("bytes=2000-5000", 2000, 2048),
    ("bytes=0-0", 0, 1),
    ("bytes=2047-2047", 2047, 2048),
    ("bytes=0-2047", 0, 2048),
    ("bytes=0-", 0, 2048),
    ("bytes=-99999", 0, 2048),
    ("Bytes=1-2", 1, 3),
    ("bytes=7-18446744073709551616", 7, 2048),
];

const UNSATISFIABLE: &[&str] = &["bytes=500-0", "bytes=5000-10000", "bytes=2048-", "bytes=-0"];

async fn ranges(client: &Client, blob: &Blob) {
    let path = blob.path(ONE);
    let get = async |range: &str| client.send(Call::new("GET", &path).with("range", range)).await;
    for (range, start, end) in SATISFIABLE {
        get(range)
            .await
            .expect(206)
            .has("content-length", &(end - start).to_string())
            .has("content-range", &format!("bytes {start}-{}/2048", end - 1))
            .has("accept-ranges", "bytes")
            .has("docker-content-digest", &blob.digest)
            .has("content-type", "application/octet-stream")
            .holds(&blob.bytes[*start..*end]);
    }
    for range in UNSATISFIABLE {
        get(range).await.refuses(416, "RANGE_INVALID").has("content-range", "bytes */2048");
    }
    for ignored in ["lines=0-1", "bytes", "bytes=a-b", "bytes=--1", "bytes=+1-2", "bytes=1"] {
        get(ignored).await.expect(200).lacks("content-range").holds(&blob.bytes);
    }
    let head = client.send(Call::new("HEAD", &path).with("range", "bytes=0-9")).await;
    assert!([200, 206].contains(&head.status), "{head:?}");
    let length = if head.status == 200 { "2048" } else { "10" };
    head.has("content-length", length);
}

async fn parts_of_blobs_are_exactly_what_was_asked_for(server: &Server) {
    let mut rng = rng();
    for client in [with_tokens(server), with_basic(server)] {
        for algorithm in Algorithm::ALL {
            let blob = Blob::random(&mut rng, algorithm, 2048);
            push_ok(&client, ONE, &blob, Way::PostPut).await;
            ranges(&client, &blob).await;
            remove(&client, ONE, &blob).await;
        }
    }
}

async fn a_blob_of_no_bytes_has_no_parts(server: &Server) {
    let client = with_tokens(server);
    let blob = Blob::of(Algorithm::Sha256, b"");
    push_ok(&client, ONE, &blob, Way::PostPut).await;
    for range in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
        let answer = client.send(Call::new("GET", blob.path(ONE)).with("range", range)).await;
        assert!([200, 416].contains(&answer.status), "{range}: {answer:?}");
    }
}

async fn a_large_blob_is_resumed_from_any_byte(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    let blob = Blob::random(&mut rng, Algorithm::Sha256, 9_000_001);
    push_ok(&client, ONE, &blob, Way::Chunks).await;
    for start in [1, 65_535, 65_536, 4_194_304, 8_999_999] {
        let call = Call::new("GET", blob.path(ONE)).with("range", format!("bytes={start}-"));
        client.send(call).await.expect(206).holds(&blob.bytes[start..]);
    }
}

#[tokio::test]
async fn ranges_are_served_to_the_byte() {
    let server = server().await;
    parts_of_blobs_are_exactly_what_was_asked_for(&server).await;
    a_blob_of_no_bytes_has_no_parts(&server).await;
    a_large_blob_is_resumed_from_any_byte(&server).await;
}
