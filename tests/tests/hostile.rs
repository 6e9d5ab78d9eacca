//! Hostile input: each is refused with the right code, in bounded memory, without a panic.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::stream;
use roadstead_tests::content::{self, INDEX, MANIFEST, descriptor, sha256};
use roadstead_tests::http::{Person, error_code, header, with_query};
use roadstead_tests::{ADMIN_PASSWORD, Server, Setup};
use serde_json::{Value, json};

const MIB: u64 = 1 << 20;

/// What the server may grow by for one hostile request.
const BOUND: u64 = 24 * MIB;

/// Sends bytes as they are and returns the head of the answer.
fn raw(server: &Server, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn authorization() -> String {
    format!("Basic {}", STANDARD.encode(format!("admin:{ADMIN_PASSWORD}")))
}

fn assert_no_panic(server: &Server) {
    let log = server.log();
    assert!(!log.contains("panicked"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_lead_nowhere_but_where_they_say() {
    let server = Setup::new().start();
    let digest = sha256(b"");
    let long = "a".repeat(300);
    for (path, code) in [
        ("/v2/library/../../etc/passwd/manifests/x".to_owned(), "NAME_INVALID"),
        ("/v2/library/%2e%2e/manifests/x".to_owned(), "NAME_INVALID"),
        ("/v2/library/a%00b/manifests/x".to_owned(), "NAME_INVALID"),
        ("/v2/library//a/manifests/x".to_owned(), "NAME_INVALID"),
        ("/v2/Library/a/manifests/x".to_owned(), "NAME_INVALID"),
        ("/v2/library/%D0%B0/manifests/x".to_owned(), "NAME_INVALID"),
        (format!("/v2/library/{long}/manifests/x"), "NAME_INVALID"),
        ("/v2/alpine/manifests/latest".to_owned(), "NAME_INVALID"),
        (format!("/v2/library/a/manifests/{}", "t".repeat(129)), "TAG_INVALID"),
        ("/v2/library/a/manifests/x%0d%0aevil:1".to_owned(), "DIGEST_INVALID"),
        ("/v2/library/a/manifests/sha256:baddigeststring".to_owned(), "DIGEST_INVALID"),
        (format!("/v2/library/a/blobs/{}", digest.to_uppercase()), "DIGEST_INVALID"),
        (format!("/v2/library/a/blobs/md5:{}", &digest[7..]), "DIGEST_INVALID"),
        ("/v2/library/a/blobs/sha256:../../../etc/passwd".to_owned(), "NAME_UNKNOWN"),
        ("/v2/_unknown/extension".to_owned(), "EXTENSION_UNKNOWN"),
        ("/v2/library/a/_oci/ext/discover".to_owned(), "EXTENSION_UNKNOWN"),
        ("/v2/nothing".to_owned(), "NAME_UNKNOWN"),
    ] {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {}\r\n\r\n",
            authorization()
        );
        let answer = raw(&server, request.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 40"), "{path}: {answer}");
        assert!(answer.contains(&format!("\"code\":\"{code}\"")), "{path}: {answer}");
    }
    assert!(!server.scratch().join("etc").exists());
    assert_no_panic(&server);
}

/// Pushes a config and returns a manifest's beginning that names it.
async fn with_config(admin: &Person) -> String {
    let config = b"{}";
    admin.push_blob("library/hostile", config).await;
    let config = descriptor("application/vnd.oci.image.config.v1+json", config);
    format!(r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{config}"#)
}

async fn refused(admin: &Person, media_type: &str, manifest: impl Into<Bytes>) -> String {
    let manifest = manifest.into();
    let answer = admin.put_manifest("library/hostile", "x", media_type, manifest.clone()).await;
    let shown = String::from_utf8_lossy(&manifest[..manifest.len().min(200)]).into_owned();
    assert!(answer.status().is_client_error(), "{} for {shown}", answer.status());
    error_code(answer).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_two_parsers_read_differently_is_refused() {
    let server = Setup::new().start();
    let admin = server.admin();
    let start = with_config(&admin).await;
    let foreign = descriptor("a/b", b"x");
    for rest in [
        format!(r#","layers":[],"layers":[{foreign}]}}"#),
        format!(r#","LAYERS":[{foreign}]}}"#),
        format!(r#","layer\u017f":[{foreign}]}}"#),
        r#","mediatype":"application/vnd.oci.image.index.v1+json"}"#.to_owned(),
        r#","annotations":{"a":"1","a":"2"}}"#.to_owned(),
        r#","manifests":[]}"#.to_owned(),
        r"} {}".to_owned(),
    ] {
        assert_eq!(refused(&admin, MANIFEST, format!("{start}{rest}")).await, "MANIFEST_INVALID");
    }
    let whole = format!("{start}}}");
    let bom = format!("\u{feff}{whole}");
    assert_eq!(refused(&admin, MANIFEST, bom).await, "MANIFEST_INVALID");
    assert_eq!(refused(&admin, INDEX, whole.clone()).await, "MANIFEST_INVALID");
    assert_eq!(refused(&admin, "text/html", whole.clone()).await, "MANIFEST_INVALID");
    assert_eq!(refused(&admin, MANIFEST, &b"\xff\xfe\xfd"[..]).await, "MANIFEST_INVALID");
    assert_eq!(refused(&admin, MANIFEST, "").await, "MANIFEST_INVALID");
    let bad_size = whole.replace("\"size\":2", "\"size\":3");
    assert_eq!(refused(&admin, MANIFEST, bad_size).await, "MANIFEST_INVALID");
    let tags: Value = admin.get("/v2/library/hostile/tags/list").await.json().await.unwrap();
    assert_eq!(tags["tags"], json!([]), "nothing is half done");
    let accepted = admin.put_manifest("library/hostile", "x", MANIFEST, whole).await;
    assert_eq!(accepted.status(), 201);
    // The same bytes are one thing, not two.
    let bare = r#"{"schemaVersion":2,"manifests":[]}"#;
    let accepted = admin.put_manifest("library/hostile", "bare", INDEX, bare).await;
    assert_eq!(accepted.status(), 201);
    let docker = "application/vnd.docker.distribution.manifest.list.v2+json";
    assert_eq!(refused(&admin, docker, bare).await, "MANIFEST_INVALID");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_and_deep_manifests_are_refused_in_bounded_memory() {
    let server = Setup::new().start();
    let admin = server.admin();
    let start = with_config(&admin).await;
    let before = server.peak_memory();
    let deep = format!("{start},\"x\":{}", "[".repeat(1_000_000));
    let keys: Vec<String> = (0..300_000).map(|n| format!("\"{n}\":1")).collect();
    let layers: Vec<String> = (0..30_000).map(|_| descriptor("a/b", b"x").to_string()).collect();
    for manifest in [
        deep,
        format!("{start},\"x\":{{{}}}}}", keys.join(",")),
        format!("{start},\"layers\":[{}]}}", layers.join(",")),
    ] {
        let code = refused(&admin, MANIFEST, manifest.clone()).await;
        assert_eq!(code, "MANIFEST_INVALID", "{} bytes", manifest.len());
    }
    let over = format!("{start},\"x\":\"{}\"}}", "a".repeat(4 << 20));
    let answer = admin.put_manifest("library/hostile", "x", MANIFEST, over).await;
    assert_eq!(
        (answer.status().as_u16(), error_code(answer).await.as_str()),
        (413, "MANIFEST_INVALID")
    );
    let grown = server.peak_memory().saturating_sub(before);
    assert!(grown < BOUND, "memory grew by {} MiB", grown / MIB);
    assert_no_panic(&server);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_manifest_is_cut_off_at_the_limit() {
    let server = Setup::new().start();
    let admin = server.admin();
    admin.get("/v2/").await;
    let before = server.peak_memory();
    // A GiB, if anybody read it; without Content-Length.
    let piece = Bytes::from(vec![b' '; 1 << 20]);
    let body = stream::iter((0..1024).map(move |_| Ok::<_, std::io::Error>(piece.clone())));
    let request = admin.send("PUT", "/v2/library/endless/manifests/x");
    let request = request.header("content-type", MANIFEST);
    // The server answers and closes; some of it may reach the client while it still sends.
    if let Ok(answer) = request.body(reqwest::Body::wrap_stream(body)).send().await {
        assert_eq!(answer.status(), 413);
    }
    let grown = server.peak_memory().saturating_sub(before);
    assert!(grown < BOUND, "memory grew by {} MiB", grown / MIB);
    assert_no_panic(&server);
}

#[tokio::test(flavor = "multi_thread")]
async fn indexes_of_indexes_end_somewhere_and_wide_graphs_cost_their_nodes() {
    let server = Setup::new().start();
    let admin = server.admin();
    let (image, _) = admin.push_image("library/deep", "level-0", b"layer").await;
    let mut below = vec![descriptor(MANIFEST, &image)];
    let mut statuses = Vec::new();
    for level in 1..=10 {
        // Two indexes over both of the level below: 2^level paths through 2 * level nodes.
        let mut here = Vec::new();
        for side in 0..2 {
            let mut index = content::index(&below);
            index["annotations"] = json!({"side": side.to_string()});
            let bytes = index.to_string();
            let tag = format!("level-{level}-{side}");
            let answer = admin.put_manifest("library/deep", &tag, INDEX, bytes.clone()).await;
            if side == 0 {
                statuses.push(answer.status().as_u16());
            }
            here.push(descriptor(INDEX, bytes.as_bytes()));
        }
        below = here;
    }
    assert_eq!(statuses, [201, 201, 201, 201, 201, 201, 201, 201, 400, 404]);
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_never_make_an_answer_larger_than_the_blob() {
    let server = Setup::new().start();
    let admin = server.admin();
    let blob = vec![1_u8; 10_000];
    let digest = admin.push_blob("library/ranges", &blob).await;
    let path = format!("/v2/library/ranges/blobs/{digest}");
    let many: Vec<String> = (0..1000).map(|_| "0-9999".to_owned()).collect();
    for range in [
        format!("bytes={}", many.join(",")),
        format!("bytes={}", "0-,".repeat(1000)),
        "bytes=0-0,0-0".to_owned(),
        "bytes=0-18446744073709551615,1-18446744073709551616".to_owned(),
        "bytes=x-y".to_owned(),
    ] {
        let answer = admin.send("GET", &path).header("range", &range).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{}", &range[..range.len().min(60)]);
        assert_eq!(answer.bytes().await.unwrap(), blob);
    }
    for range in ["bytes=10000-", "bytes=5-2", "bytes=-0", "bytes=99999999999999999999-"] {
        let answer = admin.send("GET", &path).header("range", range).send().await.unwrap();
        assert_eq!(answer.status(), 416, "{range}");
        assert_eq!(header(&answer, "content-range"), "bytes */10000");
        assert_eq!(error_code(answer).await, "RANGE_INVALID");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn page_sizes_are_clamped_or_refused() {
    let server = Setup::new().start();
    let admin = server.admin();
    admin.push_image("library/pages", "v1", b"layer").await;
    for (n, status) in [
        ("0", 200),
        ("1", 200),
        ("2147483648", 200),
        ("1000000000", 200),
        ("99999999999999999999999999", 200),
        ("-1", 400),
        ("x", 400),
        ("1.5", 400),
        ("%00", 400),
    ] {
        let referrers = format!("/v2/library/pages/referrers/{}?n={n}", sha256(b"x"));
        for path in
            [format!("/v2/library/pages/tags/list?n={n}"), format!("/v2/_catalog?n={n}"), referrers]
        {
            let answer = admin.get(&path).await;
            assert_eq!(answer.status(), status, "{path}");
            if status == 400 {
                assert_eq!(error_code(answer).await, "PAGINATION_NUMBER_INVALID");
            }
        }
    }
    for last in ["'%20OR%201=1--", "%25", "%00", "\u{430}"] {
        let answer = admin.get(&format!("/v2/library/pages/tags/list?last={last}")).await;
        assert_eq!(answer.status(), 200, "{last}");
    }
    assert_no_panic(&server);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_sends_never_becomes_a_header_of_an_answer() {
    let server = Setup::new().start();
    let admin = server.admin();
    let start = with_config(&admin).await;
    for path in [
        "/v2/library/a/blobs/uploads/?digest-algorithm=%0d%0aEvil:1",
        "/v2/library/a/blobs/uploads/?mount=%0d%0aEvil:1",
        "/v2/library/a/blobs/uploads/?digest=%0d%0aEvil:1",
    ] {
        let answer = admin.send("POST", path).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{path}");
        assert!(answer.headers().get("evil").is_none());
    }
    let tag = "/v2/library/hostile/manifests/x?tag=%0d%0aEvil:1";
    let request = admin.send("PUT", tag).header("content-type", MANIFEST);
    let answer = request.body(format!("{start}}}")).send().await.unwrap();
    assert_eq!(error_code(answer).await, "TAG_INVALID");
    let filter =
        format!("/v2/library/hostile/referrers/{}?artifactType=%0d%0aEvil:1", sha256(b"x"));
    let answer = admin.get(&filter).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.headers().get("evil").is_none());
    let request = "GET /v2/ HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\tb\r\nConnection: close\r\n\r\n";
    let answer = raw(&server, request.as_bytes());
    assert!(!answer.contains("a\tb"), "{answer}");
}

#[test]
fn what_is_no_http_ends_fast() {
    let server = Setup::new().start();
    let hello =
        [&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03][..], &[7; 600]];
    for request in [hello.concat(), b"\0\0\0\0".to_vec(), b"GET / HTTP/9.9\r\n\r\n".to_vec()] {
        let since = std::time::Instant::now();
        raw(&server, &request);
        assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    }
    for smuggled in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v2/ HTTP/1.1\r\n\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    ] {
        let request = format!("POST /v2/ HTTP/1.1\r\nHost: x\r\n{smuggled}");
        let answer = raw(&server, request.as_bytes());
        assert!(answer.matches("HTTP/1.1 ").count() <= 1, "{answer}");
    }
    assert_no_panic(&server);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_stands_still_is_given_up() {
    let server = Setup::new().env("ROADSTEAD_BODY_IDLE_TIMEOUT", "300ms").start();
    let location = server.admin().start_upload("library/slow").await;
    let request = format!(
        "PATCH {location} HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nContent-Length: 100\r\n\r\nabc",
        authorization()
    );
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = [0; 4096];
    let n = stream.read(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer[..n]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    // A stream keeps what arrived.
    let progress = server.admin().get(&location).await;
    assert_eq!(header(&progress, "range"), "0-2");
}

/// A small file system of its own, unmounted at the end.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(mebibytes: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "tmpfs"])
            .arg(directory.path())
            .status();
        assert!(
            mounted.is_ok_and(|status| status.success()),
            "mounting a small file system needs root: run `make test` as root"
        );
        Self(directory)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_pushes_and_goes_on_serving() {
    if std::env::var_os("ROADSTEAD_TEST_QUICK").is_some() {
        println!("left out of the short run: mounting a small file system needs root");
        return;
    }
    let disk = SmallDisk::mount(64);
    let server = Setup::new().data(&disk.0.path().join("data")).start();
    let admin = server.admin();
    let kept = admin.push_blob("library/full", b"kept").await;
    for round in 0..3 {
        // One that says how long it is, and one that does not.
        let large = vec![round; 80_000_000];
        let digest = sha256(&large);
        let location = admin.start_upload("library/full").await;
        let url = with_query(&location, &format!("digest={digest}"));
        if let Ok(answer) = admin.send("PUT", &url).body(large.clone()).send().await {
            assert_eq!(answer.status(), 507);
            assert_eq!(error_code(answer).await, "UNAVAILABLE");
        }
        let pieces: Vec<Bytes> = large.chunks(1 << 20).map(Bytes::copy_from_slice).collect();
        let body = stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
        let request = admin.send("PATCH", &location).body(reqwest::Body::wrap_stream(body));
        if let Ok(answer) = request.send().await {
            assert_eq!(answer.status(), 507);
        }
        let absent = admin.head(&format!("/v2/library/full/blobs/{digest}")).await;
        assert_eq!(absent.status(), 404, "nothing is visible");
        assert_eq!(admin.delete(&location).await.status(), 204);
        let answer = admin.get(&format!("/v2/library/full/blobs/{kept}")).await;
        assert_eq!(answer.bytes().await.unwrap(), "kept");
        server.assert_clean(&["--deep"]);
    }
    assert_no_panic(&server);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_annotations_make_small_pages_of_referrers() {
    let server = Setup::new().start();
    let admin = server.admin();
    let start = with_config(&admin).await;
    let subject = descriptor(MANIFEST, b"a subject that need not exist");
    for n in 0..12 {
        let text = "x".repeat(3_800_000);
        let manifest =
            format!("{start},\"subject\":{subject},\"annotations\":{{\"n{n}\":\"{text}\"}}}}");
        let digest = sha256(manifest.as_bytes());
        let answer = admin.put_manifest("library/hostile", &digest, MANIFEST, manifest).await;
        assert_eq!(answer.status(), 201);
    }
    let before = server.peak_memory();
    let mut next = format!("/v2/library/hostile/referrers/{}", subject["digest"].as_str().unwrap());
    for page in 1.. {
        let answer = server.nobody().get(&next).await;
        let link = answer.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["manifests"].as_array().unwrap().len(), 1);
        let Some(link) = link else {
            assert_eq!(page, 12);
            break;
        };
        next = link.trim_start_matches('<').split('>').next().unwrap().to_owned();
    }
    let grown = server.peak_memory().saturating_sub(before);
    // A page takes some 16 MiB for a moment, and each thread's arena keeps one; all of them at once
    // would take 180 MiB.
    assert!(grown < 4 * BOUND, "memory grew by {} MiB", grown / MIB);
}

#[test]
fn connections_that_bring_no_request_are_closed() {
    if std::env::var_os("ROADSTEAD_TEST_QUICK").is_some() {
        println!("left out of the short run: takes half a minute");
        return;
    }
    let server = Setup::new().start();
    let silent: Vec<TcpStream> = [&b""[..], b"P", b"PRI * HTTP/2.0\r\n\r\n", b"GET /v2/ HT"]
        .into_iter()
        .map(|bytes| {
            let mut stream = TcpStream::connect(server.address()).unwrap();
            stream.write_all(bytes).unwrap();
            stream
        })
        .collect();
    for mut stream in silent {
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).expect("the server closes the connection");
    }
}
