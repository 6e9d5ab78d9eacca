//! Starting and stopping: what a person sees, and what happens when something is in the way.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use roadstead_tests::certificate::self_signed;
use roadstead_tests::content::sha256;
use roadstead_tests::http::{header, with_query};
use roadstead_tests::{Server, Setup, binary, free_port};

/// Runs the binary with nothing but these variables, and waits for it to end.
fn run(arguments: &[&str], directory: &Path, variables: &[(&str, &str)]) -> Output {
    Command::new(binary())
        .args(arguments)
        .current_dir(directory)
        .env_remove("RUST_BACKTRACE")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Fails to start, and says all of `hints` in one line without a backtrace.
fn assert_refuses(output: &Output, hints: &[&str]) {
    let message = stderr(output);
    assert!(!output.status.success(), "it started: {message}");
    assert!(message.starts_with("roadstead: ") && message.lines().count() == 1, "{message}");
    for hint in hints {
        assert!(message.contains(hint), "{hint:?} is not in {message}");
    }
}

/// A child that does not outlive its test.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server started as the README says, with a port of its own as the only setting.
fn start_bare(directory: &Path, port: u16) -> (Running, String) {
    let mut child = Command::new(binary())
        .arg("serve")
        .current_dir(directory)
        .env("ROADSTEAD_LISTEN", format!("127.0.0.1:{port}"))
        .env("ROADSTEAD_ADMIN_LISTEN", "off")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let mut banner = String::new();
    let mut output = child.stdout.take().expect("its output");
    let mut buffer = [0; 4096];
    while !banner.contains("docker tag") {
        let n = output.read(&mut buffer).expect("the banner");
        assert!(n > 0, "it ended: {banner}");
        banner.push_str(&String::from_utf8_lossy(&buffer[..n]));
    }
    (Running(child), banner)
}

#[tokio::test]
async fn the_first_start_needs_no_configuration_and_says_what_to_do_next() {
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    let (child, banner) = start_bare(directory.path(), port);
    let file = directory.path().join("data/initial-admin-password");
    let password = fs::read_to_string(&file).unwrap().trim().to_owned();
    assert!(password.len() >= 20, "a guessable password");
    assert!(banner.contains(&password), "{banner}");
    assert!(banner.contains(&format!("http://127.0.0.1:{port}")), "{banner}");
    assert!(banner.contains(&format!("docker login 127.0.0.1:{port}")), "{banner}");
    for name in ["initial-admin-password", "secret-key"] {
        let mode = fs::metadata(directory.path().join("data").join(name)).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600, "{name}");
    }
    let client = reqwest::Client::new();
    let url = format!("http://127.0.0.1:{port}/v2/");
    let login = client.get(&url).basic_auth("admin", Some(&password)).send().await.unwrap();
    assert_eq!(login.status(), 200);
    for guess in ["Harbor12345", "admin", "password", ""] {
        let login = client.get(&url).basic_auth("admin", Some(guess)).send().await.unwrap();
        assert_eq!(login.status(), 401, "{guess:?} is a default password");
    }
    drop(child);

    let (child, banner) = start_bare(directory.path(), port);
    assert!(!banner.contains(&password), "the password was shown twice");
    let client = reqwest::Client::new();
    let login = client.get(&url).basic_auth("admin", Some(&password)).send().await.unwrap();
    assert_eq!(login.status(), 200);
    drop(child);
}

#[test]
fn a_taken_port_is_named_and_nothing_is_left_behind() {
    let directory = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(&["serve"], directory.path(), &[("ROADSTEAD_LISTEN", &address)]);
    assert_refuses(&output, &[&address, "taken", "ROADSTEAD_LISTEN"]);
    assert!(!directory.path().join("data/roadstead.db").exists());
}

#[test]
fn a_data_directory_that_cannot_be_used_is_named() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file"), "").unwrap();
    let output = run(&["serve", "--data-dir", "file/data"], directory.path(), &[]);
    assert_refuses(&output, &["file/data", "ROADSTEAD_DATA_DIR"]);
    // Not even root can write there.
    let output = run(&["serve", "--data-dir", "/proc"], directory.path(), &[]);
    assert_refuses(&output, &["/proc", "not writable", "ROADSTEAD_DATA_DIR"]);
}

#[test]
fn a_data_directory_has_one_server() {
    let server = Setup::new().start();
    let data = server.data().display().to_string();
    let output =
        run(&["serve", "--data-dir", &data, "--listen", "127.0.0.1:0"], server.scratch(), &[]);
    assert_refuses(&output, &[&data, "in use"]);
}

#[tokio::test]
async fn data_of_a_newer_version_is_left_alone() {
    let mut server = Setup::new().start();
    server.kill();
    server.sql("UPDATE _sqlx_migrations SET version = 9000 WHERE version = 2").await;
    for command in ["serve", "fsck"] {
        let output = server.command(&[command]).output().unwrap();
        assert_refuses(&output, &["newer version", "9000"]);
    }
    server.damaged_on_purpose();
}

#[test]
fn a_blob_store_of_a_newer_version_is_left_alone() {
    let mut server = Setup::new().start();
    server.kill();
    fs::write(server.data().join("blobs/format"), "roadstead-blobs 99\n").unwrap();
    let output = server.command(&["serve"]).output().unwrap();
    assert_refuses(&output, &["newer version", "roadstead-blobs 99"]);
    server.damaged_on_purpose();
}

#[test]
fn a_wrong_secret_key_is_refused_loudly() {
    let mut server = Setup::new().start();
    server.kill();
    let other = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let output = server.command(&["serve"]).env("ROADSTEAD_SECRET_KEY", other).output().unwrap();
    assert_refuses(&output, &["secret key"]);
    assert!(!stderr(&output).contains(other));
}

#[test]
fn settings_that_do_not_exist_or_make_no_sense_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("roadstead.toml"), "listne = \"x\"\n").unwrap();
    assert_refuses(&run(&["serve"], directory.path(), &[]), &["roadstead.toml", "listne"]);
    fs::remove_file(directory.path().join("roadstead.toml")).unwrap();
    for (name, value) in [
        ("ROADSTEAD_LISTEN", "nowhere"),
        ("ROADSTEAD_UPLOAD_EXPIRY", "soon"),
        ("ROADSTEAD_UPLOAD_EXPIRY", "0s"),
        ("ROADSTEAD_SPARSE_INDEXES", "maybe"),
        ("ROADSTEAD_EXTERNAL_URL", "example.com"),
        ("ROADSTEAD_DATABASE_CONNECTIONS", "0"),
    ] {
        let output = run(&["serve"], directory.path(), &[(name, value)]);
        assert_refuses(&output, &[name, value]);
    }
    let strange = [("ROADSTEAD_DATABASE_URL", "mysql://u:canary@h/d")];
    let output = run(&["serve"], directory.path(), &strange);
    assert_refuses(&output, &["database_url"]);
    assert!(!stderr(&output).contains("canary"));
}

#[test]
fn a_database_that_cannot_be_reached_is_no_reason_to_tell_its_password() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("postgres://u:canary@127.0.0.1:{}/d", free_port());
    let variables = [
        ("ROADSTEAD_DATABASE_URL", url.as_str()),
        ("ROADSTEAD_DATABASE_START_TIMEOUT", "700ms"),
        ("ROADSTEAD_LISTEN", "127.0.0.1:0"),
        ("ROADSTEAD_ADMIN_LISTEN", "off"),
    ];
    for command in ["serve", "fsck"] {
        let output = run(&[command], directory.path(), &variables);
        let said = format!("{}{}", stderr(&output), String::from_utf8_lossy(&output.stdout));
        assert!(!output.status.success() && said.contains("the database"), "{said}");
        assert!(said.contains("waiting for the database"), "{said}");
        assert!(!said.contains("canary"), "{said}");
    }
    let shown = run(&["config", "show"], directory.path(), &variables);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("postgres://u:***@127.0.0.1:"), "{shown}");
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn the_configuration_is_shown_with_its_origin_and_without_secrets() {
    let directory = tempfile::tempdir().unwrap();
    let variables = [("ROADSTEAD_ADMIN_PASSWORD", "Canary-12"), ("ROADSTEAD_LOG", "warn")];
    let output = run(&["config", "show"], directory.path(), &variables);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success());
    assert!(shown.contains("log = \"warn\"  # from ROADSTEAD_LOG"), "{shown}");
    assert!(shown.contains("admin_password = \"***\""), "{shown}");
    assert!(!shown.contains("Canary"), "{shown}");
}

#[test]
fn every_command_explains_itself_with_an_example() {
    let directory = tempfile::tempdir().unwrap();
    for arguments in [["serve", "--help"], ["fsck", "--help"], ["config", "--help"]] {
        let output = run(&arguments, directory.path(), &[]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && text.contains("Example"), "{text}");
    }
}

/// Sends half of a blob, and the other half when told to.
async fn slow_upload(server: &Server, go_on: tokio::sync::oneshot::Receiver<()>) -> u16 {
    let admin = server.admin();
    let blob = vec![7_u8; 2_000_000];
    let url =
        with_query(&admin.start_upload("library/slow").await, &format!("digest={}", sha256(&blob)));
    let (first, second) = blob.split_at(1_000_000);
    let (first, second) = (Bytes::copy_from_slice(first), Bytes::copy_from_slice(second));
    let body = stream::unfold((0, Some(go_on)), move |(n, go_on)| {
        let (first, second) = (first.clone(), second.clone());
        async move {
            match (n, go_on) {
                (0, go_on) => Some((Ok::<_, std::io::Error>(first), (1, go_on))),
                (1, Some(go_on)) => {
                    go_on.await.expect("a word to go on");
                    Some((Ok(second), (2, None)))
                }
                _ => None,
            }
        }
    });
    let request = admin.send("PUT", &url).body(reqwest::Body::wrap_stream(body));
    request.send().await.expect("an answer").status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_lets_a_running_push_finish_and_ends_with_zero() {
    let mut server = Setup::new().start();
    let (go_on, wait) = tokio::sync::oneshot::channel();
    let (finished, ()) = tokio::join!(slow_upload(&server, wait), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        server.terminate();
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(TcpStream::connect(server.address()).is_err(), "it still takes connections");
        go_on.send(()).expect("the upload waits");
    });
    assert_eq!(finished, 201);
    assert_eq!(server.wait(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_does_not_wait_longer_than_the_limit() {
    let mut server = Setup::new().env("ROADSTEAD_DRAIN_TIMEOUT", "1s").start();
    let admin = server.admin();
    let location = admin.start_upload("library/stuck").await;
    let mut stuck = TcpStream::connect(server.address()).unwrap();
    let token = base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        format!("admin:{}", roadstead_tests::ADMIN_PASSWORD),
    );
    let head = format!(
        "PATCH {location} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {token}\r\n\
         Content-Length: 100\r\n\r\nabc"
    );
    stuck.write_all(head.as_bytes()).unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.terminate();
    let since = std::time::Instant::now();
    assert_eq!(server.wait(), Some(0));
    assert!(since.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn health_and_metrics_have_a_port_of_their_own() {
    let admin_port = free_port();
    let server =
        Setup::new().env("ROADSTEAD_ADMIN_LISTEN", format!("127.0.0.1:{admin_port}")).start();
    let client = reqwest::Client::new();
    // The first was the harness's, to see whether the server answers.
    server.nobody().get("/v2/").await;
    for path in ["livez", "readyz"] {
        let answer = client.get(format!("http://127.0.0.1:{admin_port}/{path}")).send().await;
        assert_eq!(answer.unwrap().status(), 200);
        assert_eq!(server.nobody().get(&format!("/{path}")).await.status(), 404);
    }
    let metrics = client.get(format!("http://127.0.0.1:{admin_port}/metrics")).send().await;
    let text = metrics.unwrap().text().await.unwrap();
    let line = "roadstead_http_requests_total{method=\"GET\",route=\"v2\",code=\"401\"} 2";
    assert!(text.contains(line), "{text}");
    let answer = server.nobody().get("/v2/").await;
    assert!(!header(&answer, "x-request-id").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_certificate_it_speaks_https_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let (cert, key) = self_signed(directory.path());
    let port = free_port();
    let child = Command::new(binary())
        .args(["serve", "--listen", &format!("127.0.0.1:{port}")])
        .current_dir(directory.path())
        .env("ROADSTEAD_ADMIN_LISTEN", "off")
        .env("ROADSTEAD_ADMIN_PASSWORD", roadstead_tests::ADMIN_PASSWORD)
        .env("ROADSTEAD_TLS_CERT", &cert)
        .env("ROADSTEAD_TLS_KEY", key)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let _running = Running(child.expect("the binary runs"));
    let root = reqwest::Certificate::from_pem(&fs::read(cert).unwrap()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([root]).build().unwrap();
    let url = format!("https://127.0.0.1:{port}/v2/");
    let mut answer = client.get(&url).send().await;
    for _ in 0..100 {
        if answer.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        answer = client.get(&url).send().await;
    }
    let answer = answer.expect("an answer");
    assert_eq!(answer.version(), reqwest::Version::HTTP_2);
    let challenge = header(&answer, "www-authenticate");
    assert!(challenge.contains(&format!("realm=\"https://127.0.0.1:{port}/service/token\"")));
    let login = client.get(&url).basic_auth("admin", Some(roadstead_tests::ADMIN_PASSWORD));
    assert_eq!(login.send().await.unwrap().status(), 200);
}
