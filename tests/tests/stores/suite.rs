//! What every store keeps.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use roadstead_tests::content::{random_bytes, rng, sha256, sha512};
use roadstead_tests::http::{Person, header, with_query};
use roadstead_tests::stores::Store;
use roadstead_tests::{ADMIN_PASSWORD, Server};

use super::{PART, objects};

/// How long background work may take to tidy up.
const TIDY_LIMIT: Duration = Duration::from_secs(30);

/// How the bytes of a blob come.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// In the request that ends the session.
    AtOnce,
    /// In the request that begins it.
    OnePost,
    /// As a stream of unknown length.
    Stream,
    /// In chunks of so many bytes.
    Chunks(usize),
}

/// s3s-fs makes the name of a file of a whole key, and a label with a SHA-512 is too long for it.
fn takes_long_names(store: Store) -> bool {
    store != Store::S3s
}

async fn push(person: &Person, repository: &str, bytes: &[u8], way: Way, digest: &str) {
    let uploads = format!("/v2/{repository}/blobs/uploads/");
    if let Way::OnePost = way {
        let path = format!("{uploads}?digest={digest}");
        let answer = person.send("POST", &path).body(bytes.to_vec()).send().await.unwrap();
        assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
        return;
    }
    let algorithm = digest.split(':').next().unwrap();
    let path = format!("{uploads}?digest-algorithm={algorithm}");
    let location = header(&person.send("POST", &path).send().await.unwrap(), "location");
    let mut last = Vec::new();
    match way {
        Way::AtOnce => last = bytes.to_vec(),
        Way::Stream => {
            let pieces: Vec<_> = bytes
                .chunks(100_000)
                .map(|piece| Ok::<_, std::io::Error>(piece.to_vec()))
                .collect();
            let body = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
            let answer = person.send("PATCH", &location).body(body).send().await.unwrap();
            assert_eq!(answer.status(), 202, "{}", answer.text().await.unwrap());
        }
        Way::Chunks(size) => {
            for (number, chunk) in bytes.chunks(size).enumerate() {
                let first = number * size;
                let range = format!("{first}-{}", first + chunk.len() - 1);
                let sent = person.send("PATCH", &location).header("content-range", range);
                let answer = sent.body(chunk.to_vec()).send().await.unwrap();
                assert_eq!(answer.status(), 202, "{}", answer.text().await.unwrap());
            }
        }
        Way::OnePost => {}
    }
    let url = with_query(&location, &format!("digest={digest}"));
    let answer = person.send("PUT", &url).body(last).send().await.unwrap();
    assert_eq!(answer.status(), 201, "{way:?}: {}", answer.text().await.unwrap());
}

async fn pull(person: &Person, repository: &str, digest: &str) -> Vec<u8> {
    let answer = person.get(&format!("/v2/{repository}/blobs/{digest}")).await;
    assert_eq!(answer.status(), 200);
    answer.bytes().await.unwrap().to_vec()
}

pub(crate) async fn what_is_pushed_in_any_way_is_pulled(store: Store) {
    let mut rng = rng();
    let server = store.place().setup().start();
    let admin = server.admin();
    let few = [Way::AtOnce, Way::Stream];
    let all = [Way::AtOnce, Way::OnePost, Way::Stream, Way::Chunks(2_000_000), Way::Chunks(PART)];
    for (size, ways) in [
        (0, &all[..]),
        (1, &all[..]),
        (PART - 1, &few[..]),
        (PART, &all[..]),
        (PART + 1, &all[..]),
        (2 * PART, &few[..]),
        (3 * PART + 7, &all[..]),
    ] {
        for way in ways {
            if size == 0 && matches!(way, Way::Chunks(_)) {
                continue;
            }
            let blob = random_bytes(&mut rng, size);
            let long = size == 1 && takes_long_names(store);
            let digest = if long { sha512(&blob) } else { sha256(&blob) };
            push(&admin, "library/any", &blob, *way, &digest).await;
            let pulled = pull(&admin, "library/any", &digest).await;
            assert!(pulled == blob, "{size} bytes sent {way:?} come back as {}", pulled.len());
        }
    }
}

pub(crate) async fn any_range_of_a_blob_is_served(store: Store) {
    let blob = random_bytes(&mut rng(), PART + 1000);
    let server = store.place().setup().start();
    let admin = server.admin();
    let digest = admin.push_blob("library/ranges", &blob).await;
    let path = format!("/v2/library/ranges/blobs/{digest}");
    let length = blob.len();
    for (range, start, end) in [
        ("bytes=0-0".to_owned(), 0, 1),
        ("bytes=-10".to_owned(), length - 10, length),
        (format!("bytes={}-", PART - 5), PART - 5, length),
        (format!("bytes={}-{}", PART - 1, PART), PART - 1, PART + 1),
        (format!("bytes=100-{}", 10 * length), 100, length),
    ] {
        let answer = admin.send("GET", &path).header("range", &range).send().await.unwrap();
        assert_eq!(answer.status(), 206, "{range}");
        let whole = format!("bytes {start}-{}/{length}", end - 1);
        assert_eq!(header(&answer, "content-range"), whole);
        assert!(answer.bytes().await.unwrap() == blob[start..end], "{range}");
    }
    let two = admin.send("GET", &path).header("range", "bytes=0-9,2000-2009").send().await.unwrap();
    assert_eq!(two.status(), 206);
    let two = two.bytes().await.unwrap();
    for part in [&blob[..10], &blob[2000..2010]] {
        assert!(two.windows(part.len()).any(|window| window == part));
    }
    let beyond = format!("bytes={length}-");
    let answer = admin.send("GET", &path).header("range", beyond).send().await.unwrap();
    assert_eq!(answer.status(), 416);
}

pub(crate) async fn a_session_goes_on_after_a_kill_in_the_middle(store: Store) {
    let mut rng = rng();
    let blob = random_bytes(&mut rng, 3 * PART);
    let mut server = store.place().setup().start();
    let location = server.admin().start_upload("library/resumed").await;
    let first = PART + 1_000_000;
    let answer = server.admin().send("PATCH", &location).body(blob[..first].to_vec());
    assert_eq!(answer.send().await.unwrap().status(), 202);
    // Dies with a part at the store that was never acknowledged.
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let secret = BASE64_STANDARD.encode(format!("admin:{ADMIN_PASSWORD}"));
    let path = location.trim_start_matches(&server.url(""));
    let head = format!(
        "PATCH {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {secret}\r\n\
         Content-Length: {}\r\n\r\n",
        blob.len() - first
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&blob[first..2 * PART + 500_000]).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    server.kill();
    server.start();
    let admin = server.admin();
    let range = header(&admin.get(&location).await, "range");
    assert_eq!(range, format!("0-{}", first - 1));
    let chunk = admin.send("PATCH", &location).body(blob[first..2 * PART + 9].to_vec());
    assert_eq!(chunk.send().await.unwrap().status(), 202);
    let url = with_query(&location, &format!("digest={}", sha256(&blob)));
    let last = admin.send("PUT", &url).body(blob[2 * PART + 9..].to_vec()).send().await.unwrap();
    assert_eq!(last.status(), 201, "{}", last.text().await.unwrap());
    assert!(pull(&admin, "library/resumed", &sha256(&blob)).await == blob);
}

pub(crate) async fn a_session_ends_with_either_algorithm(store: Store) {
    let mut rng = rng();
    let server = store.place().setup().start();
    let admin = server.admin();
    for size in [1000, PART + 1000] {
        let blob = random_bytes(&mut rng, size);
        let mut cases =
            vec![("sha512", sha256(b"something else"), 400), ("sha512", sha256(&blob), 201)];
        if takes_long_names(store) {
            cases.push(("sha256", sha512(&blob), 201));
        }
        for (announced, digest, status) in cases {
            let path = format!("/v2/library/either/blobs/uploads/?digest-algorithm={announced}");
            let location = header(&admin.send("POST", &path).send().await.unwrap(), "location");
            let sent = admin.send("PATCH", &location).body(blob.clone()).send().await.unwrap();
            assert_eq!(sent.status(), 202);
            let url = with_query(&location, &format!("digest={digest}"));
            let answer = admin.send("PUT", &url).send().await.unwrap();
            assert_eq!(answer.status(), status, "{}", answer.text().await.unwrap());
            if status == 201 {
                assert!(pull(&admin, "library/either", &digest).await == blob);
            }
        }
    }
}

/// Waits until the store has so many objects and no unfinished upload.
fn wait_until_tidy(server: &Server, unfinished: impl Fn() -> Option<usize>, expected: u64) {
    let since = Instant::now();
    loop {
        let found = (objects(server), unfinished());
        if found.0 == expected && found.1.unwrap_or(0) == 0 {
            return;
        }
        assert!(since.elapsed() < TIDY_LIMIT, "{found:?} are left");
        std::thread::sleep(Duration::from_millis(300));
    }
}

pub(crate) async fn sessions_that_end_leave_nothing(store: Store) {
    let mut rng = rng();
    let place = store.place();
    let setup = place.setup().env("ROADSTEAD_DELETION_GRACE", "10ms");
    let setup = setup.env("ROADSTEAD_JOB_INTERVAL", "200ms");
    let server = setup.env("ROADSTEAD_UPLOAD_EXPIRY", "4s").start();
    let admin = server.admin();
    for size in [1000, PART + 1_000_000] {
        let blob = random_bytes(&mut rng, size);
        let (cancelled, wrong) =
            (admin.start_upload("library/a").await, admin.start_upload("library/b").await);
        let expired = admin.start_upload("library/c").await;
        for location in [&cancelled, &wrong, &expired] {
            let sent = admin.send("PATCH", location).body(blob.clone()).send().await.unwrap();
            assert_eq!(sent.status(), 202);
        }
        assert_eq!(admin.delete(&cancelled).await.status(), 204);
        let url = with_query(&wrong, &format!("digest={}", sha256(b"something else")));
        assert_eq!(admin.send("PUT", &url).send().await.unwrap().status(), 400);
    }
    // The expired ones are still open, which makes sure that what is counted is there at all.
    if let Some(unfinished) = place.unfinished_uploads() {
        assert!(unfinished >= 1, "no upload is unfinished yet");
    }
    wait_until_tidy(&server, || place.unfinished_uploads(), 0);
}

pub(crate) async fn the_same_bytes_are_kept_once(store: Store) {
    let mut rng = rng();
    let place = store.place();
    let setup = place.setup().env("ROADSTEAD_DELETION_GRACE", "10ms");
    let server = setup.env("ROADSTEAD_JOB_INTERVAL", "200ms").start();
    let admin = server.admin();
    for (number, size) in [(1, 1000), (2, PART + 1000)] {
        let blob = random_bytes(&mut rng, size);
        let digest = sha256(&blob);
        for way in [Way::AtOnce, Way::Stream, Way::Chunks(1_000_000)] {
            push(&admin, "library/first", &blob, way, &digest).await;
            push(&admin, "library/second", &blob, way, &digest).await;
        }
        wait_until_tidy(&server, || place.unfinished_uploads(), number);
        assert!(pull(&admin, "library/first", &digest).await == blob);
    }
}
