//! Upload sessions: what they tell of themselves, and how clients of all kinds drive them.

use roadstead_tests::Server;
use roadstead_tests::content::rng;

use crate::answer::Answer;
use crate::client::{Call, Client, ONE, server, with_tokens};
use crate::data::{Algorithm, Blob};
use crate::uploads::{
    Way, absent, carrying, chunk, open, present, push, push_ok, remove, stored, with_digest,
};

/// What every answer about a living session says.
fn describes(answer: Answer, received: usize) -> Answer {
    let uuid = answer.header("docker-upload-uuid");
    let path = answer.header("location").split('?').next().expect("a path");
    assert_eq!(path.rsplit('/').next(), Some(uuid), "{answer:?}");
    let range = format!("0-{}", received.saturating_sub(1));
    answer.has("range", &range).has("content-length", "0").holds(b"")
}

async fn every_answer_says_where_the_session_is_and_how_far(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    let blob = Blob::random(&mut rng, Algorithm::Sha256, 900);
    let post = client.send(Call::new("POST", format!("/v2/{ONE}/blobs/uploads/"))).await;
    let location = describes(post.expect(202), 0).header("location").to_owned();
    for (start, end) in [(0, 300), (300, 301), (301, 900)] {
        for method in ["GET", "HEAD"] {
            for target in [location.clone(), with_digest(&location, &blob.digest)] {
                let status = client.send(Call::new(method, target)).await.expect(204);
                let range = format!("0-{}", start.max(1) - 1);
                let status = status.has("range", &range);
                assert_eq!(status.header("location"), location);
                assert!(status.find("docker-upload-uuid").is_some());
            }
        }
        let patch = chunk("PATCH", &location, &blob.bytes, start, end);
        describes(client.send(patch).await.expect(202), end);
    }
    let answer = client.send(carrying("PUT", with_digest(&location, &blob.digest), &[])).await;
    stored(&client, &blob, &answer.expect(201)).await;
}

async fn a_put_that_is_repeated_after_its_answer_was_lost_is_answered_again(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    for algorithm in Algorithm::ALL {
        let blob = Blob::random(&mut rng, algorithm, 3000);
        let location = open(&client, ONE).await;
        let target = with_digest(&location, &blob.digest);
        client.send(carrying("PUT", &target, &blob.bytes)).await.expect(201);
        let again = client.send(carrying("PUT", &target, &blob.bytes)).await.expect(201);
        stored(&client, &blob, &again).await;
        let empty = client.send(carrying("PUT", &target, &[])).await.expect(201);
        stored(&client, &blob, &empty).await;
        for method in ["PATCH", "GET", "HEAD", "DELETE"] {
            client.send(Call::new(method, &location)).await.expect(404);
        }
        let other = with_digest(&location, &algorithm.digest(b"never pushed"));
        let refused = client.send(carrying("PUT", other, b"never pushed")).await;
        refused.refuses(404, "BLOB_UPLOAD_UNKNOWN");
        remove(&client, ONE, &blob).await;
        let gone = client.send(carrying("PUT", &target, &blob.bytes)).await;
        gone.refuses(404, "BLOB_UPLOAD_UNKNOWN");
    }
}

#[tokio::test]
async fn sessions_tell_of_themselves_until_they_end() {
    let server = server().await;
    every_answer_says_where_the_session_is_and_how_far(&server).await;
    a_put_that_is_repeated_after_its_answer_was_lost_is_answered_again(&server).await;
}

/// Requests to open a session as different clients spell them.
fn openings(host: &str) -> Vec<Call> {
    let path = format!("/v2/{ONE}/blobs/uploads");
    vec![
        Call::new("POST", path.clone()),
        Call::new("POST", format!("{path}/")),
        Call::new("POST", format!("{path}/?origin={host}"))
            .with("content-type", "application/json"),
        Call::new("POST", format!("{path}/")).sized(b""),
        Call::new("POST", format!("{path}/?ns=docker.io&whatever=1")),
        Call::new("POST", format!("{path}/?digest-algorithm=sha256")),
        Call::new("POST", format!("{path}/?digest-algorithm=sha512")),
        Call::new("POST", format!("{path}/?from=")),
    ]
}

async fn clients_may_open_and_close_a_session_in_many_ways(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    for opening in openings(&server.host()) {
        let blob = Blob::random(&mut rng, Algorithm::Sha256, 100);
        let colon = blob.digest.replace(':', "%3A");
        for query in [
            format!("digest={}", blob.digest),
            format!("digest={colon}"),
            format!("_state=x&digest={colon}"),
            format!("digest={colon}&_state=x&ns=docker.io"),
        ] {
            let answer = client.send(opening.clone()).await.expect(202);
            let location = describes(answer, 0).header("location").to_owned();
            let target = roadstead_tests::http::with_query(&location, &query);
            let put = Call::new("PUT", target).streamed(&blob.bytes);
            stored(&client, &blob, &client.send(put).await.expect(201)).await;
        }
    }
}

async fn chunks_may_be_spelled_in_many_ways(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    let blob = Blob::random(&mut rng, Algorithm::Sha256, 60);
    let location = open(&client, ONE).await;
    let patch =
        |start: usize, end: usize| Call::new("PATCH", &location).sized(&blob.bytes[start..end]);
    for call in [
        patch(0, 10).with("content-range", "0-9"),
        patch(10, 20).with("content-range", "bytes 10-19/*"),
        patch(20, 30).with("content-range", "bytes 20-29/60"),
        patch(30, 40).with("content-range", "bytes=30-39"),
        patch(40, 50),
        Call::new("PATCH", &location).streamed(&blob.bytes[50..60]).with("content-range", "50-59"),
    ] {
        client.send(call).await.expect(202);
    }
    let answer = client.send(carrying("PUT", with_digest(&location, &blob.digest), &[])).await;
    stored(&client, &blob, &answer.expect(201)).await;
}

async fn a_whole_blob_in_one_post_may_be_of_unknown_length(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    for algorithm in Algorithm::ALL {
        let blob = Blob::random(&mut rng, algorithm, 70_000);
        let path = format!("/v2/conformance/single-{}/blobs/uploads/", &blob.digest[..6]);
        let call = Call::new("POST", with_digest(&path, &blob.digest)).streamed(&blob.bytes);
        stored(&client, &blob, &client.send(call).await.expect(201)).await;
    }
}

#[tokio::test]
async fn sessions_are_understood_however_clients_drive_them() {
    let server = server().await;
    clients_may_open_and_close_a_session_in_many_ways(&server).await;
    chunks_may_be_spelled_in_many_ways(&server).await;
    a_whole_blob_in_one_post_may_be_of_unknown_length(&server).await;
}

async fn the_same_blob_may_be_pushed_many_times_at_once(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    let first = Blob::random(&mut rng, Algorithm::Sha256, 100);
    push_ok(&client, ONE, &first, Way::PostPut).await;
    let blob = Blob::random(&mut rng, Algorithm::Sha256, 300_000);
    let pushes = (0..12).map(|n| push(&client, ONE, &blob, Way::ALL[n % Way::ALL.len()]));
    for answer in futures_util::future::join_all(pushes).await {
        answer.expect(201).has("docker-content-digest", &blob.digest);
    }
    present(&client, ONE, &blob).await;
}

async fn patch_all(client: &Client, location: &str, blob: &Blob, end: usize) -> Vec<u16> {
    let calls = (0..6).map(|_| client.send(chunk("PATCH", location, &blob.bytes, 0, end)));
    futures_util::future::join_all(calls).await.iter().map(|answer| answer.status).collect()
}

async fn one_of_many_writers_to_a_session_is_heard(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    for length in [500, 400_000] {
        let blob = Blob::random(&mut rng, Algorithm::Sha256, length);
        let location = open(&client, ONE).await;
        let statuses = patch_all(&client, &location, &blob, length / 2).await;
        assert_eq!(statuses.iter().filter(|status| **status == 202).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| [202, 409, 416].contains(status)), "{statuses:?}");
        absent(&client, ONE, &blob).await;
        let put =
            chunk("PUT", &with_digest(&location, &blob.digest), &blob.bytes, length / 2, length);
        stored(&client, &blob, &client.send(put).await.expect(201)).await;
    }
}

#[tokio::test]
async fn pushes_at_the_same_time_do_not_mix() {
    let server = server().await;
    the_same_blob_may_be_pushed_many_times_at_once(&server).await;
    one_of_many_writers_to_a_session_is_heard(&server).await;
}
