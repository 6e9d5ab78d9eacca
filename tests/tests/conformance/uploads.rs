//! Every way to push a blob, and what must be true of it afterwards.

use crate::answer::Answer;
use crate::client::{Call, Client};
use crate::data::Blob;

/// A way to push a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// One POST with everything.
    PostOnly,
    /// POST, and PUT with everything.
    PostPut,
    /// POST, one PATCH with `Content-Range`, and PUT.
    OneChunk,
    /// POST, one PATCH of unknown length, and PUT.
    Stream,
    /// POST, a PATCH for each of three chunks, and PUT.
    Chunks,
    /// The same, with the last chunk in the PUT.
    ChunksInPut,
}

impl Way {
    /// All of them.
    pub(crate) const ALL: [Self; 6] = [
        Self::PostOnly,
        Self::PostPut,
        Self::OneChunk,
        Self::Stream,
        Self::Chunks,
        Self::ChunksInPut,
    ];
}

/// `url` with one more query parameter, encoded as form fields are.
pub(crate) fn with_digest(location: &str, digest: &str) -> String {
    let digest = digest.replace(':', "%3A");
    roadstead_tests::http::with_query(location, &format!("digest={digest}"))
}

/// Opens a session and returns its location.
pub(crate) async fn open(client: &Client, repository: &str) -> String {
    let call = Call::new("POST", format!("/v2/{repository}/blobs/uploads/"));
    client.send(call).await.expect(202).header("location").to_owned()
}

/// A request that carries bytes of a blob.
pub(crate) fn carrying(method: &str, target: impl Into<String>, bytes: &[u8]) -> Call {
    Call::new(method, target).with("content-type", "application/octet-stream").sized(bytes)
}

/// A request that carries the bytes `start..end` of a blob, as `Content-Range` says.
pub(crate) fn chunk(method: &str, target: &str, blob: &[u8], start: usize, end: usize) -> Call {
    carrying(method, target, &blob[start..end])
        .with("content-range", format!("{start}-{}", end - 1))
}

/// Pushes bytes under a digest, which need not be theirs, and returns the last answer.
pub(crate) async fn push(client: &Client, repository: &str, blob: &Blob, way: Way) -> Answer {
    let (digest, bytes) = (&blob.digest, &blob.bytes);
    if way == Way::PostOnly {
        let target = with_digest(&format!("/v2/{repository}/blobs/uploads/"), digest);
        return client.send(carrying("POST", target, bytes)).await;
    }
    let mut location = open(client, repository).await;
    let whole = bytes.len();
    let step = match way {
        Way::Chunks | Way::ChunksInPut => whole / 3 + 1,
        _ => whole.max(1),
    };
    let mut start = 0;
    while start < whole && way != Way::PostPut {
        let end = (start + step).min(whole);
        if way == Way::ChunksInPut && end == whole {
            let target = with_digest(&location, digest);
            return client.send(chunk("PUT", &target, bytes, start, end)).await;
        }
        let call = match way {
            Way::Stream => Call::new("PATCH", &location)
                .with("content-type", "application/octet-stream")
                .streamed(bytes),
            _ => chunk("PATCH", &location, bytes, start, end),
        };
        let answer = client.send(call).await.expect(202);
        assert_eq!(answer.header("range"), format!("0-{}", end - 1), "{way:?}");
        answer.header("location").clone_into(&mut location);
        start = end;
    }
    let rest = if way == Way::PostPut { bytes.as_slice() } else { &[] };
    client.send(carrying("PUT", with_digest(&location, digest), rest)).await
}

/// Pushes a blob and checks the answer.
pub(crate) async fn push_ok(client: &Client, repository: &str, blob: &Blob, way: Way) {
    let answer = push(client, repository, blob, way).await.expect(201);
    stored(client, blob, &answer).await;
}

/// The answer says where the blob is, and it is there.
pub(crate) async fn stored(client: &Client, blob: &Blob, answer: &Answer) {
    assert_eq!(answer.header("docker-content-digest"), blob.digest);
    let pulled = client.get(answer.header("location")).await.expect(200);
    pulled.holds(&blob.bytes);
}

/// A repository has the blob: HEAD and GET agree, and the bytes are those.
pub(crate) async fn present(client: &Client, repository: &str, blob: &Blob) {
    let path = blob.path(repository);
    let length = blob.bytes.len().to_string();
    for method in ["HEAD", "GET"] {
        let answer = client.send(Call::new(method, &path)).await.expect(200);
        let answer = answer
            .has("content-length", &length)
            .has("docker-content-digest", &blob.digest)
            .has("content-type", "application/octet-stream")
            .has("accept-ranges", "bytes")
            .has("etag", &format!("\"{}\"", blob.digest));
        answer.holds(if method == "GET" { &blob.bytes } else { &[] });
    }
}

/// Deletes the blob, which is gone at once.
pub(crate) async fn remove(client: &Client, repository: &str, blob: &Blob) {
    client.delete(&blob.path(repository)).await.expect(202);
    absent(client, repository, blob).await;
}

/// A repository does not have the blob.
pub(crate) async fn absent(client: &Client, repository: &str, blob: &Blob) {
    client.head(&blob.path(repository)).await.expect(404);
    let status = client.get(&blob.path(repository)).await.expect(404);
    assert!(["BLOB_UNKNOWN", "NAME_UNKNOWN"].contains(&status.codes()[0].as_str()));
    client.delete(&blob.path(repository)).await.expect(404);
}
