//! Blobs, with digests of both algorithms, by every way to push them.

use roadstead_tests::Server;
use roadstead_tests::content::rng;

use crate::client::{Call, Client, ONE, server, with_basic, with_tokens};
use crate::data::{Algorithm, Blob};
use crate::uploads::{Way, absent, open, present, push_ok, remove, with_digest};

async fn every_way(client: &Client, algorithm: Algorithm) {
    let mut rng = rng();
    for way in Way::ALL {
        for length in [512, 1, 3 * 4096 - 5] {
            let blob = Blob::random(&mut rng, algorithm, length);
            absent(client, ONE, &blob).await;
            push_ok(client, ONE, &blob, way).await;
            present(client, ONE, &blob).await;
            push_ok(client, ONE, &blob, way).await;
            remove(client, ONE, &blob).await;
            push_ok(client, ONE, &blob, way).await;
            present(client, ONE, &blob).await;
            remove(client, ONE, &blob).await;
        }
    }
}

/// The blob of no bytes and the empty JSON object are pushed by many clients.
async fn well_known(client: &Client, algorithm: Algorithm) {
    for bytes in [b"".as_slice(), b"{}"] {
        let blob = Blob::of(algorithm, bytes);
        for way in Way::ALL {
            push_ok(client, ONE, &blob, way).await;
            present(client, ONE, &blob).await;
            remove(client, ONE, &blob).await;
        }
    }
}

/// A session that is cancelled is gone.
async fn cancelled(client: &Client, algorithm: Algorithm) {
    let blob = Blob::random(&mut rng(), algorithm, 512);
    let location = open(client, ONE).await;
    client.delete(&location).await.expect(204);
    for method in ["GET", "PATCH", "DELETE"] {
        let again = client.send(Call::new(method, &location)).await;
        again.refuses(404, "BLOB_UPLOAD_UNKNOWN");
    }
    let put = Call::new("PUT", with_digest(&location, &blob.digest)).sized(&blob.bytes);
    client.send(put).await.refuses(404, "BLOB_UPLOAD_UNKNOWN");
    absent(client, ONE, &blob).await;
}

async fn all(client: &Client, algorithm: Algorithm) {
    every_way(client, algorithm).await;
    well_known(client, algorithm).await;
    cancelled(client, algorithm).await;
}

#[tokio::test]
async fn sha256_blobs_are_pushed_pulled_and_deleted_every_way_with_tokens() {
    let server = server().await;
    all(&with_tokens(&server), Algorithm::Sha256).await;
}

async fn sha512_blobs_are_pushed_pulled_and_deleted_every_way_with_tokens(server: &Server) {
    all(&with_tokens(server), Algorithm::Sha512).await;
}

#[tokio::test]
async fn blobs_are_pushed_pulled_and_deleted_every_way_with_a_password() {
    let server = server().await;
    for algorithm in Algorithm::ALL {
        all(&with_basic(&server), algorithm).await;
    }
}

async fn the_same_bytes_under_two_algorithms_live_apart(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    let short = Blob::random(&mut rng, Algorithm::Sha256, 3000);
    let long = Blob::of(Algorithm::Sha512, &short.bytes);
    for (first, second) in [(&short, &long), (&long, &short)] {
        push_ok(&client, ONE, first, Way::PostPut).await;
        push_ok(&client, ONE, second, Way::Stream).await;
        remove(&client, ONE, first).await;
        present(&client, ONE, second).await;
        remove(&client, ONE, second).await;
    }
}

#[tokio::test]
async fn sha512_blobs_live_every_way_with_tokens_and_apart_from_sha256() {
    let server = server().await;
    sha512_blobs_are_pushed_pulled_and_deleted_every_way_with_tokens(&server).await;
    the_same_bytes_under_two_algorithms_live_apart(&server).await;
}
