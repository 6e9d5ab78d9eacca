//! TLS between a server and its database.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use roadstead_tests::Setup;
use roadstead_tests::postgres::Cluster;

use crate::{SECRET, left_out, url};

/// A refusal is said at once: no waiting changes what was seen.
const AT_ONCE: Duration = Duration::from_secs(15);

fn openssl(directory: &Path, arguments: &str) {
    let made =
        Command::new("openssl").args(arguments.split(' ')).current_dir(directory).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// An authority in a directory: `ca.pem`, and a certificate for 127.0.0.1.
fn authority(directory: &Path) -> PathBuf {
    let name = directory.file_name().unwrap().display();
    openssl(
        directory,
        &format!(
            "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={name} -keyout ca.key -out ca.pem"
        ),
    );
    openssl(
        directory,
        "req -newkey rsa:2048 -nodes -subj /CN=database -keyout server.key -out server.csr \
         -addext subjectAltName=IP:127.0.0.1",
    );
    openssl(
        directory,
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
         -copy_extensions copy -out server.pem",
    );
    directory.join("ca.pem")
}

fn setup(url: String) -> Setup {
    Setup::new().env("ROADSTEAD_DATABASE_URL", url).env("ROADSTEAD_SECRET_KEY", SECRET)
}

/// A cluster that speaks TLS with a certificate of this directory's authority.
fn with_tls(directory: &Path) -> Cluster {
    let cluster = Cluster::start();
    for (setting, name) in [("ssl_cert_file", "server.pem"), ("ssl_key_file", "server.key")] {
        let path = cluster.file(name, &std::fs::read(directory.join(name)).unwrap());
        cluster.set(setting, path.to_str().unwrap());
    }
    cluster.set("ssl", "on");
    let since = Instant::now();
    while !speaks_tls(&cluster) {
        assert!(since.elapsed() < Duration::from_mins(1), "{}", cluster.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    cluster
}

fn speaks_tls(cluster: &Cluster) -> bool {
    cluster.run("postgres", "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == "t"
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_is_trusted_by_its_certificate_and_its_name_and_by_nothing_else() {
    if left_out() {
        return;
    }
    let (right, wrong) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (ca, other) = (authority(right.path()), authority(wrong.path()));
    let cluster = with_tls(right.path());
    let base = url(cluster.port(), &cluster.create_database());
    let trusting =
        |base: &str, ca: &Path| format!("{base}?sslmode=verify-full&sslrootcert={}", ca.display());
    let server = setup(trusting(&base, &ca)).start();
    server.admin().push_image("library/app", "v1", b"a layer").await;
    let open = "SELECT COUNT(*) > 2, bool_and(s.ssl) FROM pg_stat_ssl s
                JOIN pg_stat_activity a ON a.pid = s.pid WHERE a.application_name = 'roadstead'";
    assert_eq!(cluster.run("postgres", open), "t|t");
    drop(server);

    let since = Instant::now();
    let refused = [
        (trusting(&base, &other), "UnknownIssuer"),
        (trusting(&base.replace("127.0.0.1", "localhost"), &ca), "localhost"),
        (format!("{base}?sslmode=verify-full"), "UnknownIssuer"),
        (trusting(&base, Path::new("/nowhere/ca.pem")), "/nowhere/ca.pem"),
    ];
    for (url, hint) in refused {
        let said = setup(url.clone()).fails_to_start();
        assert!(said.contains(hint), "{hint:?} is not in what {url} leads to: {said}");
        assert!(!said.contains("waiting for the database"), "{said}");
    }
    assert!(since.elapsed() < AT_ONCE, "{:?}", since.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_must_use_tls_does_not_go_on_without_it() {
    if left_out() {
        return;
    }
    let database = Cluster::shared().database();
    for mode in ["require", "verify-ca", "verify-full"] {
        let since = Instant::now();
        let said = setup(format!("{}?sslmode={mode}", database.url())).fails_to_start();
        assert!(said.contains("server does not support TLS"), "{said}");
        assert!(since.elapsed() < AT_ONCE, "{:?}", since.elapsed());
    }
    let said = setup(format!("{}?sslmode=always", database.url())).fails_to_start();
    assert!(said.contains("always"), "{said}");
}
