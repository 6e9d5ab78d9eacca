//! First starts, and servers that do not belong together.

use roadstead_tests::ADMIN_PASSWORD;

use crate::fleet::{Fleet, SECRET_KEY, Shared};

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_start_at_once_make_one_administrator_and_one_project() {
    for _ in 0..3 {
        let fleet = Fleet::start(3, &[]);
        for admin in fleet.admins() {
            let projects = admin.read_json("/api/v2.0/projects").await;
            assert_eq!(projects.as_array().expect("a list").len(), 1, "{projects}");
        }
        let database = fleet.servers[0].database().await;
        for table in ["user_account", "project"] {
            assert_eq!(database.number(&format!("SELECT COUNT(*) FROM {table}")).await, 1);
        }
        database.close().await;
        // A token of one is a token of all.
        let (token, _) = fleet.admins()[0].registry_token("registry:catalog:*").await;
        for server in &fleet.servers {
            assert_eq!(server.bearer(&token).get("/v2/").await.status(), 200);
        }
    }
}

#[test]
fn without_a_key_it_says_how_to_make_one_and_without_a_password_that_one_is_needed() {
    let shared = Shared::new();
    let said = shared.setup(&[("ROADSTEAD_SECRET_KEY", "")]).fails_to_start();
    for hint in ["openssl rand -base64 32", "ROADSTEAD_SECRET_KEY_FILE"] {
        assert!(said.contains(hint), "{said}");
    }
    let said = shared.setup(&[("ROADSTEAD_ADMIN_PASSWORD", "")]).fails_to_start();
    assert!(said.contains("ROADSTEAD_ADMIN_PASSWORD_FILE"), "{said}");
    assert!(!said.contains(SECRET_KEY) && !said.contains(ADMIN_PASSWORD), "{said}");
}

#[test]
fn a_server_with_another_key_is_refused() {
    let fleet = Fleet::start(1, &[]);
    let other = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let said = fleet.shared.setup(&[("ROADSTEAD_SECRET_KEY", other)]).fails_to_start();
    assert!(said.contains("secret key") && !said.contains(other), "{said}");
}

#[test]
fn a_server_with_nothing_of_its_own_writes_no_file() {
    let fleet = Fleet::start(2, &[("ROADSTEAD_DATA_DIR", "/proc/not-for-data")]);
    for server in &fleet.servers {
        assert!(!server.data().exists(), "{} was made", server.data().display());
    }
}
