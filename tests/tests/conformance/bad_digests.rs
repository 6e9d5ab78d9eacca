//! Content that is not what its digest says.

use roadstead_tests::Server;
use roadstead_tests::content::rng;

use crate::answer::Answer;
use crate::client::{Call, Client, ONE, server, with_basic, with_tokens};
use crate::data::{Algorithm, Blob};
use crate::uploads::{Way, absent, open, push, push_ok, remove, with_digest};

/// A blob with more bytes than its digest covers.
fn spoiled(blob: &Blob) -> Blob {
    let mut bytes = blob.bytes.clone();
    bytes.extend_from_slice(b"more");
    Blob { digest: blob.digest.clone(), bytes }
}

async fn every_way(client: &Client) {
    let mut rng = rng();
    for algorithm in Algorithm::ALL {
        for way in Way::ALL {
            let blob = Blob::random(&mut rng, algorithm, 3 * 1024 - 5);
            let refused = push(client, ONE, &spoiled(&blob), way).await;
            refused.refuses(400, "DIGEST_INVALID");
            absent(client, ONE, &blob).await;
            push_ok(client, ONE, &blob, way).await;
            // What was true before stays true, whoever lies about it.
            let refused = push(client, ONE, &spoiled(&blob), way).await;
            refused.refuses(400, "DIGEST_INVALID");
            crate::uploads::present(client, ONE, &blob).await;
            remove(client, ONE, &blob).await;
        }
    }
}

#[tokio::test]
async fn blobs_that_are_not_what_their_digest_says_are_refused_every_way() {
    let server = server().await;
    every_way(&with_tokens(&server)).await;
    every_way(&with_basic(&server)).await;
}

async fn closed_with(client: &Client, query: &str) -> Answer {
    let location = open(client, ONE).await;
    let target = roadstead_tests::http::with_query(&location, query);
    client.send(Call::new("PUT", target).sized(b"bytes")).await
}

async fn what_is_no_digest_is_refused_everywhere(server: &Server) {
    let client = with_tokens(server);
    let upper = format!("sha256:{}", "A".repeat(64));
    let unknown = format!("md5:{}", "a".repeat(32));
    let long = format!("sha256:{}", "a".repeat(65));
    let crossed = format!("sha512:{}", "a".repeat(64));
    for digest in ["sha256:baddigeststring", "sha256:", "sha256", &upper, &unknown, &long, &crossed]
    {
        closed_with(&client, &format!("digest={digest}")).await.refuses(400, "DIGEST_INVALID");
        let post = Call::new("POST", format!("/v2/{ONE}/blobs/uploads/?digest={digest}"));
        client.send(post.sized(b"bytes")).await.refuses(400, "DIGEST_INVALID");
        let blob = client.get(&format!("/v2/{ONE}/blobs/{digest}")).await;
        assert!([400, 404].contains(&blob.status), "{blob:?}");
    }
    closed_with(&client, "other=1").await.refuses(400, "DIGEST_INVALID");
    closed_with(&client, "digest=").await.refuses(400, "DIGEST_INVALID");
    let location = format!("/v2/{ONE}/blobs/uploads/?digest-algorithm=md5");
    client.send(Call::new("POST", location)).await.refuses(400, "DIGEST_INVALID");
}

async fn a_session_for_one_algorithm_may_be_closed_with_the_other(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    for announced in ["sha256", "sha512"] {
        for algorithm in Algorithm::ALL {
            let blob = Blob::random(&mut rng, algorithm, 5000);
            let post = format!("/v2/{ONE}/blobs/uploads/?digest-algorithm={announced}");
            let answer = client.send(Call::new("POST", post)).await.expect(202);
            let location = answer.header("location").to_owned();
            let patch = Call::new("PATCH", &location).streamed(&blob.bytes[..3000]);
            client.send(patch).await.expect(202);
            let put = Call::new("PUT", with_digest(&location, &blob.digest));
            let answer = client.send(put.sized(&blob.bytes[3000..])).await.expect(201);
            crate::uploads::stored(&client, &blob, &answer).await;
        }
    }
}

#[tokio::test]
async fn digests_are_checked_as_digests() {
    let server = server().await;
    what_is_no_digest_is_refused_everywhere(&server).await;
    a_session_for_one_algorithm_may_be_closed_with_the_other(&server).await;
}
