//! Attacks on who somebody is and on what they may do, each with the answer that is safe.

mod flood;
mod names;
mod passwords;
mod recreated;
mod robots;
mod secrets;
mod sessions;
mod tenancy;
mod tokens;

use roadstead_tests::cast::PASSWORD;
use roadstead_tests::http::Person;
use roadstead_tests::{Server, Setup};

/// Two tenants: alice has the private project `hers` with an image, mallory the private project
/// `his` with another. Both repositories are called `app`.
struct Tenants {
    server: Server,
    alice: Person,
    mallory: Person,
}

impl Tenants {
    async fn new() -> Self {
        Self::on(Setup::new()).await
    }

    async fn on(setup: Setup) -> Self {
        let server = setup.start();
        let admin = server.admin();
        for name in ["alice", "mallory"] {
            admin.create_user(name).await;
        }
        let alice = server.person("alice", PASSWORD);
        let mallory = server.person("mallory", PASSWORD);
        alice.create_project("hers", false).await;
        alice.push_image("hers/app", "v1", b"a layer of hers").await;
        mallory.create_project("his", false).await;
        mallory.push_image("his/app", "v1", b"a layer of his").await;
        Self { server, alice, mallory }
    }
}

/// Makes everybody but the administrator somebody of an OpenID provider, where they log in from
/// now on.
async fn become_people_of_a_provider(server: &Server) {
    server
        .sql(
            "INSERT INTO setting (name, value) VALUES ('config.auth_mode', 'oidc_auth')
             ON CONFLICT (name) DO UPDATE SET value = excluded.value;
             UPDATE user_account SET source = 'oidc' WHERE email IS NOT NULL;
             INSERT INTO oidc_account (principal_id, issuer, subject, secret, checked_at,
                                       created_at, updated_at)
             SELECT principal_id, 'https://127.0.0.1:1', email, x'', 9000000000000000, 0, 0
             FROM user_account WHERE source = 'oidc'",
        )
        .await;
    // What another process has changed is seen within two seconds.
    tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
}

/// The middle one of some numbers.
fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

/// The number that 95 of 100 of these are not above.
fn p95(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() * 95 / 100]
}
