//! Upload sessions across restarts, broken connections, second writers and time.

use std::io::Write as _;
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use roadstead_tests::content::{random_bytes, rng, sha256, sha512};
use roadstead_tests::http::{error_code, header, with_query};
use roadstead_tests::{ADMIN_PASSWORD, Server, Setup};

/// The one file that is being uploaded.
fn only_object(server: &Server) -> std::path::PathBuf {
    let shards = std::fs::read_dir(server.data().join("blobs/b")).unwrap();
    let mut files: Vec<_> = shards
        .flat_map(|shard| std::fs::read_dir(shard.unwrap().path()).unwrap())
        .map(|file| file.unwrap().path())
        .collect();
    assert_eq!(files.len(), 1);
    files.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_goes_on_after_a_crash_without_reading_its_bytes_again() {
    let mut rng = rng();
    let blob = random_bytes(&mut rng, 3_000_000);
    let mut server = Setup::new().start();
    let location = server.admin().start_upload("library/resume").await;
    let first = server.admin().send("PATCH", &location).body(blob[..1_234_567].to_vec());
    assert_eq!(header(&first.send().await.unwrap(), "range"), "0-1234566");
    server.kill();
    // Bytes that were never acknowledged, and bytes that must not be looked at again.
    let file = std::fs::File::options().write(true).open(only_object(&server)).unwrap();
    file.write_all_at(b"never acknowledged", 1_234_567).unwrap();
    file.write_all_at(b"not looked at", 0).unwrap();
    drop(file);
    server.start();
    let admin = server.admin();
    let progress = admin.get(&location).await;
    assert_eq!(
        (progress.status().as_u16(), header(&progress, "range").as_str()),
        (204, "0-1234566")
    );
    let url = with_query(&location, &format!("digest={}", sha256(&blob)));
    let answer = admin.send("PUT", &url).body(blob[1_234_567..].to_vec()).send().await.unwrap();
    assert_eq!(answer.status(), 201, "the saved hash was not used");
    // Which is why the damage done above shows now.
    assert!(!server.fsck(&["--deep"]).status.success());
    server.damaged_on_purpose();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_can_be_finished_with_either_algorithm() {
    let blob = random_bytes(&mut rng(), 500_000);
    let server = Setup::new().start();
    let admin = server.admin();
    for (query, digest) in [
        ("", sha256(&blob)),
        ("", sha512(&blob)),
        ("?digest-algorithm=sha512", sha512(&blob)),
        ("?digest-algorithm=sha512", sha256(&blob)),
    ] {
        let path = format!("/v2/library/either/blobs/uploads/{query}");
        let answer = admin.send("POST", &path).send().await.unwrap();
        let location = header(&answer, "location");
        admin.send("PATCH", &location).body(blob[..200_000].to_vec()).send().await.unwrap();
        let url = with_query(&location, &format!("digest={digest}"));
        let answer = admin.send("PUT", &url).body(blob[200_000..].to_vec()).send().await.unwrap();
        assert_eq!(answer.status(), 201, "{query} {digest}");
        let pulled = admin.get(&format!("/v2/library/either/blobs/{digest}")).await;
        assert_eq!(pulled.bytes().await.unwrap(), blob);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_commits_nothing() {
    let blob = random_bytes(&mut rng(), 1_000_000);
    let server = Setup::new().start();
    let admin = server.admin();
    let digest = sha256(&blob[..500_000]);
    let location = admin.start_upload("library/cut").await;
    let credentials = STANDARD.encode(format!("admin:{ADMIN_PASSWORD}"));
    // The digest is that of what arrives; the announced length is not.
    let request = format!(
        "PUT {location}?digest={digest} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {credentials}\r\n\
         Content-Length: 1000000\r\n\r\n"
    );
    for how in [Shutdown::Write, Shutdown::Both] {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream.write_all(&blob[..500_000]).unwrap();
        stream.shutdown(how).unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        let head = admin.head(&format!("/v2/library/cut/blobs/{digest}")).await;
        assert_eq!(head.status(), 404);
        assert_eq!(header(&admin.get(&location).await, "range"), "0-0");
    }
    // The session is whole and goes on.
    let url = with_query(&location, &format!("digest={}", sha256(&blob)));
    let answer = admin.send("PUT", &url).body(blob).send().await.unwrap();
    assert_eq!(answer.status(), 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_writers_on_one_session_never_interleave() {
    let server = Setup::new().start();
    let admin = server.admin();
    for round in 0..20 {
        let location = admin.start_upload("library/race").await;
        let bodies: Vec<Vec<u8>> = (0..6).map(|n| vec![n + round; 700_000]).collect();
        let writers = bodies.iter().map(|body| {
            let request = admin.send("PATCH", &location).body(body.clone());
            tokio::spawn(async move { request.send().await.map(|a| a.status().as_u16()) })
        });
        let mut appended = 0;
        for writer in writers.collect::<Vec<_>>() {
            match writer.await.unwrap() {
                Ok(202) => appended += 1,
                // A writer that is refused may not be able to send its body any more.
                Ok(409) | Err(_) => {}
                Ok(status) => panic!("{status}"),
            }
        }
        assert!(appended >= 1);
        let progress = header(&admin.get(&location).await, "range");
        assert_eq!(progress, format!("0-{}", appended * 700_000 - 1));
        let object = only_object(&server);
        let bytes = std::fs::read(&object).unwrap();
        for block in bytes.chunks(700_000) {
            assert!(block.iter().all(|byte| *byte == block[0]), "bytes of two writers are mixed");
        }
        assert_eq!(admin.delete(&location).await.status(), 204);
        // So that the next round finds one file: a cancelled session's bytes go after the grace.
        std::fs::remove_file(object).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_expire_and_leave_nothing_behind() {
    let server = Setup::new()
        .env("ROADSTEAD_UPLOAD_EXPIRY", "1s")
        .env("ROADSTEAD_DELETION_GRACE", "0s")
        .env("ROADSTEAD_JOB_INTERVAL", "200ms")
        .start();
    let admin = server.admin();
    let location = admin.start_upload("library/late").await;
    // More than is held in memory.
    let answer = admin.send("PATCH", &location).body("some bytes".repeat(10_000)).send();
    assert_eq!(answer.await.unwrap().status(), 202);
    assert!(only_object(&server).exists());
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let late = admin.get(&location).await;
    assert_eq!(error_code(late).await, "BLOB_UPLOAD_UNKNOWN");
    let shards = std::fs::read_dir(server.data().join("blobs/b")).unwrap();
    let left: usize =
        shards.map(|shard| std::fs::read_dir(shard.unwrap().path()).unwrap().count()).sum();
    assert_eq!(left, 0, "the bytes of an expired session");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_heals_a_blob_whose_bytes_are_gone_or_cut() {
    let server = Setup::new().start();
    let admin = server.admin();
    let (manifest, digest) = admin.push_image("library/heal", "v1", b"a layer to lose").await;
    let layer = sha256(b"a layer to lose");
    let path = format!("/v2/library/heal/blobs/{layer}");
    let object = || {
        let shards = std::fs::read_dir(server.data().join("blobs/b")).unwrap();
        let files = shards.flat_map(|shard| std::fs::read_dir(shard.unwrap().path()).unwrap());
        files
            .map(|file| file.unwrap().path())
            .find(|path| std::fs::read(path).unwrap() == b"a layer to lose")
    };
    for cut in [false, true] {
        let file = object().expect("the layer's file");
        if cut {
            std::fs::write(&file, b"short").unwrap();
        } else {
            std::fs::remove_file(&file).unwrap();
        }
        let broken = admin.get(&path).await;
        assert_eq!(broken.status(), 503, "trouble is no answer about what exists");
        assert!(!server.fsck(&[]).status.success());
        // Whoever could push is asked to.
        assert_eq!(admin.head(&path).await.status(), 404);
        admin.push_blob("library/heal", b"a layer to lose").await;
        assert_eq!(admin.get(&path).await.bytes().await.unwrap(), "a layer to lose");
        server.assert_clean(&["--deep"]);
    }
    let pulled = admin.get(&format!("/v2/library/heal/manifests/{digest}")).await;
    assert_eq!(pulled.bytes().await.unwrap(), manifest);
}

#[tokio::test(flavor = "multi_thread")]
async fn flipped_bytes_are_never_served_as_a_whole() {
    let mut server = Setup::new().env("ROADSTEAD_VERIFY_AFTER", "1s").start();
    let admin = server.admin();
    let blob = random_bytes(&mut rng(), 2_000_000);
    let digest = admin.push_blob("library/flip", &blob).await;
    let path = format!("/v2/library/flip/blobs/{digest}");
    assert_eq!(admin.get(&path).await.bytes().await.unwrap(), blob);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let file = std::fs::File::options().write(true).open(only_object(&server)).unwrap();
    file.write_all_at(&[!blob[1_000_000]], 1_000_000).unwrap();
    // However often it is asked for, in whole or in part, and however young its last check is.
    for range in [None, None, Some("bytes=999990-1000010"), None] {
        let request = admin.send("GET", &path);
        let request =
            range.map_or(admin.send("GET", &path), |range| request.header("range", range));
        let answer = request.send().await.unwrap();
        assert!(answer.bytes().await.is_err(), "a damaged blob was served to its end");
    }
    assert_eq!(admin.head(&path).await.status(), 404, "whoever could push is asked to");
    assert_eq!(admin.push_blob("library/flip", &blob).await, digest);
    assert_eq!(admin.get(&path).await.bytes().await.unwrap(), blob);
    server.assert_clean(&["--deep"]);
    server.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_lives_as_long_as_its_bytes_arrive() {
    let server = Setup::new()
        .env("ROADSTEAD_UPLOAD_EXPIRY", "1s")
        .env("ROADSTEAD_JOB_INTERVAL", "100ms")
        .start();
    let admin = server.admin();
    let location = admin.start_upload("library/slow").await;
    let pieces = futures_util::stream::unfold(0, |n| async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        (n < 10).then(|| (Ok::<_, std::io::Error>(bytes::Bytes::from_static(b"piece")), n + 1))
    });
    let url = with_query(&location, &format!("digest={}", sha256("piece".repeat(10).as_bytes())));
    let request = admin.send("PUT", &url).body(reqwest::Body::wrap_stream(pieces));
    assert_eq!(request.send().await.unwrap().status(), 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_whose_bytes_are_gone_is_told_to_begin_again() {
    let server = Setup::new().start();
    let admin = server.admin();
    // More than is held in memory.
    let some = "some bytes ".repeat(10_000);
    for method in ["PATCH", "PUT"] {
        let location = admin.start_upload("library/gone").await;
        admin.send("PATCH", &location).body(some.clone()).send().await.unwrap();
        std::fs::remove_file(only_object(&server)).unwrap();
        let digest = sha256(format!("{some}more").as_bytes());
        let url = with_query(&location, &format!("digest={digest}"));
        let answer = admin.send(method, &url).body("more").send().await.unwrap();
        assert_eq!(error_code(answer).await, "BLOB_UPLOAD_UNKNOWN");
    }
}

/// Sends a few bytes to a new session; returns where it is.
async fn begun(server: &Server, bytes: &[u8]) -> String {
    let admin = server.admin();
    let location = admin.start_upload("library/small").await;
    let answer = admin.send("PATCH", &location).body(bytes.to_vec()).send().await.unwrap();
    assert_eq!(answer.status(), 202);
    let progress = admin.get(&location).await;
    assert_eq!(header(&progress, "range"), format!("0-{}", bytes.len() - 1));
    location
}

/// Finishes a session with the rest of a blob.
async fn finished(server: &Server, location: &str, blob: &[u8], rest: &[u8]) {
    let url = with_query(location, &format!("digest={}", sha256(blob)));
    let answer = server.admin().send("PUT", &url).body(rest.to_vec()).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let path = format!("/v2/library/small/blobs/{}", sha256(blob));
    assert_eq!(server.admin().get(&path).await.bytes().await.unwrap(), blob);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_upload_goes_on_in_pieces_and_in_the_wrong_order_is_told_where_it_is() {
    let server = Setup::new().start();
    let admin = server.admin();
    let location = begun(&server, b"one ").await;
    let ask = |range: &str, body: &'static str| {
        admin.send("PATCH", &location).header("content-range", range).body(body).send()
    };
    let answer = ask("9-11", "no ").await.unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "range").as_str()), (416, "0-3"));
    let answer = ask("4-7", "two ").await.unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "range").as_str()), (202, "0-7"));
    finished(&server, &location, b"one two three", b"three").await;
    // With another digest it ends, as every session does.
    let location = begun(&server, b"something").await;
    let url = with_query(&location, &format!("digest={}", sha256(b"something else")));
    let answer = admin.send("PUT", &url).send().await.unwrap();
    assert_eq!(error_code(answer).await, "DIGEST_INVALID");
    assert_eq!(admin.get(&location).await.status(), 404);
    // And when it is cancelled.
    let location = begun(&server, b"something").await;
    assert_eq!(admin.send("DELETE", &location).send().await.unwrap().status(), 204);
    assert_eq!(admin.get(&location).await.status(), 404);
    server.assert_clean(&["--deep"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_upload_that_pauses_is_durable_soon_and_one_that_outgrows_memory_at_once() {
    let mut server = Setup::new().start();
    let (waits, grows) = (begun(&server, b"one ").await, begun(&server, b"two ").await);
    let much = random_bytes(&mut rng(), 100_000);
    let answer = server.admin().send("PATCH", &grows).body(much.clone()).send().await.unwrap();
    assert_eq!(header(&answer, "range"), "0-100003");
    tokio::time::sleep(Duration::from_millis(2500)).await;
    server.kill();
    server.start();
    for (location, range) in [(&waits, "0-3"), (&grows, "0-100003")] {
        assert_eq!(header(&server.admin().get(location).await, "range"), range);
    }
    finished(&server, &waits, b"one three", b"three").await;
    finished(&server, &grows, &[b"two ".as_slice(), &much, b"three"].concat(), b"three").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn small_uploads_outlive_a_restart_and_after_a_crash_begin_again() {
    let mut server = Setup::new().start();
    let location = begun(&server, b"one ").await;
    server.terminate();
    server.wait();
    server.start();
    finished(&server, &location, b"one two", b"two").await;
    let location = begun(&server, b"three ").await;
    server.kill();
    server.start();
    let progress = server.admin().get(&location).await;
    // Either it was settled in time, or nothing of it is there.
    assert!(["0-0", "0-5"].contains(&header(&progress, "range").as_str()));
    let location = begun(&server, b"three ").await;
    finished(&server, &location, b"three four", b"four").await;
    server.assert_clean(&["--deep"]);
}
