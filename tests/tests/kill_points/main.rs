//! One scenario, killed before every system call of it that changes a file: a push in chunks.
//!
//! First the calls are counted, then the same scenario runs once for each of them, on a server
//! that dies before it makes that call. A library that is loaded before libc counts: strace counts
//! for each thread alone.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use roadstead_tests::Setup;
use roadstead_tests::content::{self, sha256};
use roadstead_tests::http::{Person, with_query};

const REPOSITORY: &str = "library/points";

/// What the client was told of one run.
#[derive(Debug, Default)]
struct Told {
    /// How many bytes of the session were acknowledged, and where it is.
    session: Option<(String, usize)>,
    blobs: Vec<Vec<u8>>,
    manifest: Option<Vec<u8>>,
}

/// A layer in two chunks, a config at once, and the manifest over both. Stops where the server
/// stops.
async fn push(person: &Person, n: usize, told: &mut Told) -> Option<()> {
    let layer: Vec<u8> = format!("layer {n} ").into_bytes().repeat(30_000);
    let config = format!("{{\"n\":{n}}}").into_bytes();
    let uploads = format!("/v2/{REPOSITORY}/blobs/uploads/");
    let answer = person.send("POST", &uploads).send().await.ok()?;
    let location = answer.headers().get("location")?.to_str().ok()?.to_owned();
    told.session = Some((location.clone(), 0));
    let half = layer.len() / 2;
    let first = person.send("PATCH", &location).body(layer[..half].to_vec());
    if first.send().await.ok()?.status() != 202 {
        return None;
    }
    told.session = Some((location.clone(), half));
    let url = with_query(&location, &format!("digest={}", sha256(&layer)));
    let answer = person.send("PUT", &url).body(layer[half..].to_vec()).send().await;
    // Finished or not, nobody knows, until it says so.
    told.session = None;
    if answer.ok()?.status() != 201 {
        return None;
    }
    told.blobs.push(layer.clone());
    let url = with_query(&uploads, &format!("digest={}", sha256(&config)));
    let answer = person.send("POST", &url).body(config.clone()).send().await.ok()?;
    if answer.status() != 201 {
        return None;
    }
    told.blobs.push(config.clone());
    let manifest = content::image(&config, &[&layer]).to_string().into_bytes();
    let path = format!("/v2/{REPOSITORY}/manifests/n{n}");
    let request = person.send("PUT", &path).header("content-type", content::MANIFEST);
    if request.body(manifest.clone()).send().await.ok()?.status() != 201 {
        return None;
    }
    told.manifest = Some(manifest);
    Some(())
}

/// The library that counts and kills, made from its source.
fn shim(directory: &Path) -> PathBuf {
    let library = directory.join("shim.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kill_points/shim.c");
    let status = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-D_LARGEFILE64_SOURCE", "-o"])
        .arg(&library)
        .args([source, "-ldl"])
        .status();
    assert!(status.is_ok_and(|status| status.success()), "cc makes {}", library.display());
    library
}

/// Where the server finds the number of its last call, and where it writes what it called.
struct Points {
    arm: PathBuf,
    log: PathBuf,
}

impl Points {
    /// From now on calls count, and the server dies before the one with this number; 0 is none.
    fn arm(&self, number: usize) {
        std::fs::write(&self.arm, number.to_string()).expect("a number");
    }

    /// Calls count no more, as soon as the server is started again.
    fn disarm(&self) -> Vec<String> {
        let _ = std::fs::remove_file(&self.arm);
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let _ = std::fs::remove_file(&self.log);
        log.lines().map(str::to_owned).collect()
    }
}

/// Compares a restarted server with what the client was told.
async fn verify(person: &Person, n: usize, told: &Told) {
    for bytes in &told.blobs {
        let answer = person.get(&format!("/v2/{REPOSITORY}/blobs/{}", sha256(bytes))).await;
        assert_eq!(answer.status(), 200, "a blob of run {n} was acknowledged");
        assert_eq!(answer.bytes().await.expect("its bytes"), *bytes);
    }
    if let Some(manifest) = &told.manifest {
        let answer = person.get(&format!("/v2/{REPOSITORY}/manifests/n{n}")).await;
        assert_eq!(answer.bytes().await.expect("its bytes"), manifest);
    }
    if let Some((location, acknowledged)) = &told.session {
        let answer = person.get(location).await;
        assert_eq!(answer.status(), 204, "the session of run {n} goes on");
        let range = answer.headers()["range"].to_str().expect("text").to_owned();
        let received = match range.split_once('-').expect("a range").1.parse::<usize>() {
            Ok(0) => 0,
            last => last.expect("a number") + 1,
        };
        assert!(received >= *acknowledged, "{acknowledged} were acknowledged, {range} are there");
    }
    // Whatever was cut off, the same push again works.
    let mut again = Told::default();
    assert!(push(person, n, &mut again).await.is_some(), "run {n} cannot be repeated");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunked_push_can_be_killed_before_any_call_that_writes() {
    let since = Instant::now();
    let directory = tempfile::tempdir().expect("a directory");
    let points = Points { arm: directory.path().join("arm"), log: directory.path().join("calls") };
    let mut server = Setup::new()
        .sqlite()
        .env("ROADSTEAD_JOB_INTERVAL", "1h")
        .env("LD_PRELOAD", shim(directory.path()).to_str().expect("a path"))
        .env("POINTS_ARM", points.arm.to_str().expect("a path"))
        .env("POINTS_LOG", points.log.to_str().expect("a path"))
        .start();
    push(&server.admin(), 0, &mut Told::default()).await.expect("a first push");
    points.arm(0);
    push(&server.admin(), 1, &mut Told::default()).await.expect("a counted push");
    let calls = points.disarm();
    assert!((20..400).contains(&calls.len()), "{calls:?}");
    let (mut killed, mut acknowledged) = (0, 0);
    // One that has counted goes on counting; a fresh one begins when it is armed.
    server.kill();
    server.start();
    for n in 1..=calls.len() {
        let (mut told, run) = (Told::default(), n + 1000);
        points.arm(n);
        let whole = push(&server.admin(), run, &mut told).await.is_some();
        killed += usize::from(!whole);
        acknowledged += told.blobs.len();
        points.disarm();
        server.kill();
        server.assert_clean(if n % 10 == 0 { &["--deep"] } else { &[] });
        server.start();
        verify(&server.admin(), run, &told).await;
    }
    let calls = calls.len();
    println!(
        "{calls} calls of a push: {killed} kills, {acknowledged} acknowledged blobs all there, \
         in {:?}",
        since.elapsed()
    );
    // How transactions share commits differs a little from run to run.
    assert!(killed * 10 >= calls * 8, "only {killed} runs were cut off");
}
