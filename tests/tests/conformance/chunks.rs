//! Chunks in the wrong order are refused, and the session survives.

use roadstead_tests::Server;
use roadstead_tests::content::rng;

use crate::answer::Answer;
use crate::client::{Call, Client, ONE, server, with_basic, with_tokens};
use crate::data::{Algorithm, Blob};
use crate::uploads::{chunk, open, present, remove, stored, with_digest};

/// Where a session is, and the bytes that it has.
struct Session {
    location: String,
    received: usize,
}

impl Session {
    /// The session's own answer, and that of a GET with whatever query the last request had.
    async fn check(&mut self, client: &Client, refused: &Answer, asked: &str) {
        let range = format!("0-{}", self.received.saturating_sub(1));
        assert_eq!(refused.header("range"), range);
        refused.header("location").clone_into(&mut self.location);
        let status = client.get(asked).await.expect(204).has("range", &range);
        status.header("location").clone_into(&mut self.location);
    }

    /// Sends a chunk that does not follow; when it ends the blob, in a PUT if `closing`.
    async fn wrong(
        &mut self,
        client: &Client,
        blob: &Blob,
        start: usize,
        end: usize,
        closing: bool,
    ) {
        let closes = closing && end == blob.bytes.len();
        let (method, target) = if closes {
            ("PUT", with_digest(&self.location, &blob.digest))
        } else {
            ("PATCH", self.location.clone())
        };
        let call = chunk(method, &target, &blob.bytes, start, end);
        let refused = client.send(call).await.refuses(416, "RANGE_INVALID");
        self.check(client, &refused, &target).await;
    }
}

/// Before each chunk, one that comes too early or that was there before.
async fn out_of_order(client: &Client, blob: &Blob, closing: bool) -> Answer {
    let whole = blob.bytes.len();
    let step = whole / 3 + 1;
    let mut session = Session { location: open(client, ONE).await, received: 0 };
    while session.received < whole {
        let start = session.received;
        let end = (start + step).min(whole);
        let early = start + step;
        if early < whole {
            session.wrong(client, blob, early, (early + step).min(whole), closing).await;
        }
        if start > 0 {
            session.wrong(client, blob, 0, step, closing).await;
            session.wrong(client, blob, start - 1, end, closing).await;
        }
        if closing && end == whole {
            let target = with_digest(&session.location, &blob.digest);
            return client.send(chunk("PUT", &target, &blob.bytes, start, end)).await;
        }
        let call = chunk("PATCH", &session.location, &blob.bytes, start, end);
        let answer = client.send(call).await.expect(202);
        assert_eq!(answer.header("range"), format!("0-{}", end - 1));
        answer.header("location").clone_into(&mut session.location);
        session.received = end;
    }
    let target = with_digest(&session.location, &blob.digest);
    client.send(Call::new("PUT", target).sized(&[])).await
}

async fn both_ways(client: &Client) {
    let mut rng = rng();
    for algorithm in Algorithm::ALL {
        for closing in [false, true] {
            let blob = Blob::random(&mut rng, algorithm, 3 * 1024 - 5);
            let answer = out_of_order(client, &blob, closing).await.expect(201);
            stored(client, &blob, &answer).await;
            present(client, ONE, &blob).await;
            remove(client, ONE, &blob).await;
        }
    }
}

async fn a_session_survives_chunks_out_of_order(server: &Server) {
    both_ways(&with_tokens(server)).await;
    both_ways(&with_basic(server)).await;
}

async fn a_chunk_after_a_gap_or_over_known_bytes_changes_nothing(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    let blob = Blob::random(&mut rng, Algorithm::Sha256, 1000);
    let mut session = Session { location: open(&client, ONE).await, received: 0 };
    session.wrong(&client, &blob, 1, 2, false).await;
    let first = chunk("PATCH", &session.location, &blob.bytes, 0, 400);
    client.send(first).await.expect(202);
    session.received = 400;
    for (start, end) in [(0, 400), (399, 1000), (401, 1000), (999, 1000), (0, 1000)] {
        for closing in [false, true] {
            session.wrong(&client, &blob, start, end, closing).await;
        }
    }
    let target = with_digest(&session.location, &blob.digest);
    let answer = client.send(chunk("PUT", &target, &blob.bytes, 400, 1000)).await.expect(201);
    stored(&client, &blob, &answer).await;
}

#[tokio::test]
async fn chunks_in_the_wrong_order_change_nothing() {
    let server = server().await;
    a_session_survives_chunks_out_of_order(&server).await;
    a_chunk_after_a_gap_or_over_known_bytes_changes_nothing(&server).await;
}
