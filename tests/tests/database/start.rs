//! Servers that start on a database: at once, and killed while they do.

use std::process::Stdio;
use std::time::Duration;

use rand::Rng as _;
use roadstead_tests::content;
use roadstead_tests::postgres::Cluster;
use roadstead_tests::{Database, Server, Setup};

use crate::{SECRET, left_out};

/// What is made once, whoever makes it: (what, how many).
const MADE_ONCE: &[(&str, i64)] = &[
    ("SELECT COUNT(*) FROM principal", 1),
    ("SELECT COUNT(*) FROM user_account WHERE sysadmin", 1),
    ("SELECT COUNT(*) FROM project", 1),
    ("SELECT COUNT(*) FROM signing_key", 1),
    ("SELECT COUNT(*) FROM setting WHERE name = 'db_epoch'", 1),
    ("SELECT COUNT(*) FROM role", 6),
    ("SELECT COUNT(*) FROM audit_log WHERE resource_type = 'user' AND operation = 'create'", 1),
    ("SELECT COUNT(*) FROM audit_log WHERE resource_type = 'project'", 1),
];

async fn assert_made_once(url: &str) {
    let database = Database::connect(url).await;
    for (query, expected) in MADE_ONCE {
        assert_eq!(database.number(query).await, *expected, "{query}");
    }
    let twice = "SELECT COUNT(*) - COUNT(DISTINCT version) FROM _sqlx_migrations";
    assert_eq!(database.number(twice).await, 0);
    database.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_start_at_once_on_an_empty_database_make_everything_once() {
    if left_out() {
        return;
    }
    for _ in 0..3 {
        let database = Cluster::shared().database();
        let start = |_| {
            let url = database.url();
            let setup =
                Setup::new().env("ROADSTEAD_DATABASE_URL", url).env("ROADSTEAD_SECRET_KEY", SECRET);
            std::thread::spawn(move || setup.start())
        };
        let starting: Vec<_> = (0..4).map(start).collect();
        let servers: Vec<Server> = starting.into_iter().map(|it| it.join().unwrap()).collect();
        assert_made_once(&database.url()).await;
        for server in &servers {
            assert_eq!(server.admin().get("/v2/").await.status(), 200);
        }
    }
}

/// Starts a server, kills it after a while, and returns whether it had begun to serve.
fn start_and_kill(server: &Server, after: Duration) {
    let mut child = server
        .command(&["serve"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(after);
    child.kill().and_then(|()| child.wait()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_at_any_moment_of_its_first_start_leaves_nothing_half_done() {
    let mut rng = content::rng();
    let rounds = if std::env::var_os("ROADSTEAD_TEST_QUICK").is_some() { 8 } else { 25 };
    let mut setups: Vec<fn() -> Setup> = vec![|| Setup::new().sqlite()];
    if !left_out() {
        setups.push(|| Setup::new().postgres());
    }
    for setup in setups {
        for _ in 0..rounds {
            let mut server = setup().env("ROADSTEAD_SECRET_KEY", SECRET).prepare();
            for _ in 0..3 {
                start_and_kill(&server, Duration::from_millis(rng.random_range(5..250)));
            }
            server.start();
            assert_made_once(&server.database_url()).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_whose_connections_are_ended_is_tried_again_and_leaves_nothing_half_done() {
    if left_out() {
        return;
    }
    let mut rng = content::rng();
    for _ in 0..10 {
        let mut server = Setup::new().postgres().env("ROADSTEAD_SECRET_KEY", SECRET).prepare();
        let url = server.database_url();
        let name = url.rsplit('/').next().unwrap().to_owned();
        let mut child = server
            .command(&["serve"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        for _ in 0..4 {
            std::thread::sleep(Duration::from_millis(rng.random_range(5..60)));
            let end = format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
            );
            Cluster::shared().run("postgres", &end);
        }
        child.kill().and_then(|()| child.wait()).unwrap();
        server.start();
        assert_made_once(&url).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_configuration_is_known_to_other_servers_at_once() {
    if left_out() {
        return;
    }
    let database = Cluster::shared().database();
    let setup = || {
        Setup::new()
            .env("ROADSTEAD_DATABASE_URL", database.url())
            .env("ROADSTEAD_SECRET_KEY", SECRET)
    };
    let (one, other) = (setup().start(), setup().start());
    let read_only = async |server: &Server| {
        server.admin().read("/systeminfo").await["read_only"].as_bool().unwrap()
    };
    // Both listen by now.
    tokio::time::sleep(Duration::from_millis(300)).await;
    for round in 0..6 {
        let wanted = round % 2 == 0;
        assert_eq!(read_only(&other).await, !wanted, "it is remembered");
        one.admin().configure(serde_json::json!({"read_only": wanted})).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(read_only(&other).await, wanted);
    }
    // A new key signs what the other believes at once.
    let rotated = one.command(&["keys", "rotate"]).output().unwrap();
    assert!(rotated.status.success(), "{rotated:?}");
    tokio::time::sleep(Duration::from_millis(200)).await;
    let (token, _) = one.admin().token("registry:catalog:*").await;
    assert_eq!(other.with_token(&token, "GET", "/v2/_catalog").await, 200);
}
