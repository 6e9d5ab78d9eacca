//! Upload sessions that are used wrongly, or that lose their client.

use std::time::{Duration, Instant};

use roadstead_tests::Server;
use roadstead_tests::content::rng;
use roadstead_tests::http::with_query;

use crate::client::{Call, Client, ONE, TWO, server, with_basic, with_tokens};
use crate::data::{Algorithm, Blob};
use crate::raw;
use crate::uploads::{absent, carrying, chunk, open, present, stored, with_digest};

async fn a_session_is_known_to_its_repository_only(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    let blob = Blob::random(&mut rng, Algorithm::Sha256, 100);
    let location = open(&client, ONE).await;
    open(&client, TWO).await;
    let id = location.rsplit('/').next().expect("an id");
    for path in [
        format!("/v2/{TWO}/blobs/uploads/{id}"),
        format!("/v2/{ONE}/blobs/uploads/00000000-0000-4000-8000-000000000000"),
        format!("/v2/{ONE}/blobs/uploads/nonsense"),
    ] {
        for call in [
            Call::new("GET", &path),
            carrying("PATCH", &path, &blob.bytes),
            carrying("PUT", with_digest(&path, &blob.digest), &blob.bytes),
            Call::new("DELETE", &path),
        ] {
            client.send(call).await.refuses(404, "BLOB_UPLOAD_UNKNOWN");
        }
    }
    server.admin().create_user("other").await;
    let other = server.person("other", "Password-1");
    assert_eq!(other.get(&location).await.status(), 401, "somebody without rights");
    client.get(&location).await.expect(204);
}

async fn a_chunk_that_contradicts_itself_changes_nothing(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    let blob = Blob::random(&mut rng, Algorithm::Sha256, 100);
    let location = open(&client, ONE).await;
    client.send(chunk("PATCH", &location, &blob.bytes, 0, 10)).await.expect(202);
    for range in ["10-20", "10-10", "10-99", "20-10", "x-y", "10", "-", "10-", "-19", "+10-19", ""]
    {
        for target in [location.clone(), with_digest(&location, &blob.digest)] {
            let method = if target == location { "PATCH" } else { "PUT" };
            let call = carrying(method, target, &blob.bytes[10..20]).with("content-range", range);
            let refused = client.send(call).await;
            assert!([400, 416].contains(&refused.status), "{range:?}: {refused:?}");
            client.get(&location).await.expect(204).has("range", "0-9");
        }
    }
    let streamed = Call::new("PATCH", &location).streamed(&blob.bytes[10..20]);
    let refused = client.send(streamed.with("content-range", "10-29")).await;
    assert!([400, 416].contains(&refused.status), "{refused:?}");
    client.get(&location).await.expect(204).has("range", "0-9");
    let put = chunk("PUT", &with_digest(&location, &blob.digest), &blob.bytes, 10, 100);
    stored(&client, &blob, &client.send(put).await.expect(201)).await;
}

async fn a_put_without_a_digest_leaves_the_session_as_it_is(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    let blob = Blob::random(&mut rng, Algorithm::Sha256, 100);
    let location = open(&client, ONE).await;
    client.send(chunk("PATCH", &location, &blob.bytes, 0, 60)).await.expect(202);
    for query in ["", "?digest=", "?digest=sha256:short", "?digest=md5:00", "?Digest=x"] {
        let target =
            if query.is_empty() { location.clone() } else { with_query(&location, &query[1..]) };
        let refused = client.send(carrying("PUT", target, &blob.bytes[60..])).await;
        refused.refuses(400, "DIGEST_INVALID");
    }
    let put = chunk("PUT", &with_digest(&location, &blob.digest), &blob.bytes, 60, 100);
    stored(&client, &blob, &client.send(put).await.expect(201)).await;
}

#[tokio::test]
async fn sessions_survive_requests_that_make_no_sense() {
    let server = server().await;
    a_session_is_known_to_its_repository_only(&server).await;
    a_chunk_that_contradicts_itself_changes_nothing(&server).await;
    a_put_without_a_digest_leaves_the_session_as_it_is(&server).await;
}

/// Sends the head of a request and a part of the body that it announces, and hangs up.
fn cut(server: &roadstead_tests::Server, method: &str, target: &str, headers: &str, body: &[u8]) {
    let mut request = format!(
        "{method} {target} HTTP/1.1\r\nHost: {}\r\n{}{headers}\r\n",
        server.host(),
        raw::authorization()
    )
    .into_bytes();
    request.extend_from_slice(body);
    raw::hang_up(server.address(), &request);
}

/// How many bytes a session has, once it has that many.
async fn reaches(client: &Client, location: &str, range: &str) {
    let since = Instant::now();
    loop {
        let status = client.get(location).await.expect(204);
        if status.header("range") == range {
            return;
        }
        assert!(since.elapsed() < Duration::from_secs(10), "{status:?} instead of {range}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn an_upload_that_is_cut_off_commits_nothing_and_can_go_on(server: &Server) {
    let mut rng = rng();
    let client = with_basic(server);
    let blob = Blob::random(&mut rng, Algorithm::Sha256, 50_000);
    let location = open(&client, ONE).await;
    // A stream keeps what arrived.
    cut(server, "PATCH", &location, "Content-Length: 50000\r\n", &blob.bytes[..20_000]);
    reaches(&client, &location, "0-19999").await;
    // A chunk is kept whole or not at all.
    let range = "Content-Range: 20000-29999\r\nContent-Length: 10000\r\n";
    cut(server, "PATCH", &location, range, &blob.bytes[20_000..25_000]);
    // The end of the blob never came, so neither did the blob.
    let closing = with_digest(&location, &blob.digest);
    cut(server, "PUT", &closing, "Content-Length: 30000\r\n", &blob.bytes[20_000..40_000]);
    let chunked =
        b"4e20\r\n".iter().chain(&blob.bytes[20_000..21_000]).copied().collect::<Vec<u8>>();
    cut(server, "PUT", &closing, "Transfer-Encoding: chunked\r\n", &chunked);
    tokio::time::sleep(Duration::from_millis(300)).await;
    absent(&client, ONE, &blob).await;
    reaches(&client, &location, "0-19999").await;
    let put = chunk("PUT", &closing, &blob.bytes, 20_000, 50_000);
    stored(&client, &blob, &client.send(put).await.expect(201)).await;
}

async fn a_single_post_that_is_cut_off_leaves_nothing(server: &Server) {
    let mut rng = rng();
    let client = with_basic(server);
    let blob = Blob::random(&mut rng, Algorithm::Sha256, 50_000);
    let target = with_digest(&format!("/v2/{ONE}/blobs/uploads/"), &blob.digest);
    open(&client, ONE).await;
    cut(server, "POST", &target, "Content-Length: 50000\r\n", &blob.bytes[..49_999]);
    tokio::time::sleep(Duration::from_millis(300)).await;
    absent(&client, ONE, &blob).await;
    client.send(carrying("POST", target, &blob.bytes)).await.expect(201);
    present(&client, ONE, &blob).await;
}

#[tokio::test]
async fn uploads_that_are_cut_off_commit_nothing() {
    let server = server().await;
    an_upload_that_is_cut_off_commits_nothing_and_can_go_on(&server).await;
    a_single_post_that_is_cut_off_leaves_nothing(&server).await;
}

#[tokio::test]
async fn a_session_survives_a_restart() {
    let (mut server, mut rng) = (server().await, rng());
    for algorithm in Algorithm::ALL {
        let blob = Blob::random(&mut rng, algorithm, 90_000);
        let client = with_basic(&server);
        let location = open(&client, ONE).await;
        client.send(chunk("PATCH", &location, &blob.bytes, 0, 40_000)).await.expect(202);
        server.kill();
        server.start();
        let client = with_basic(&server);
        client.get(&location).await.expect(204).has("range", "0-39999");
        client.send(chunk("PATCH", &location, &blob.bytes, 40_000, 50_000)).await.expect(202);
        let put = chunk("PUT", &with_digest(&location, &blob.digest), &blob.bytes, 50_000, 90_000);
        stored(&client, &blob, &client.send(put).await.expect(201)).await;
    }
}
