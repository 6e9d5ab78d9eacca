//! Accounts of people: what the API says of them, who may change them, and when they end.

mod changes;
mod ending;
mod shapes;

use roadstead_tests::http::Person;
use roadstead_tests::{Server, Setup};

const PASSWORD: &str = "Password-1";

/// A server with these people, as themselves, and their ids.
async fn with_people<const N: usize>(names: [&str; N]) -> (Server, [(Person, i64); N]) {
    let server = Setup::new().start();
    let mut people = Vec::new();
    for name in names {
        server.admin().create_user(name).await;
        let person = server.person(name, PASSWORD);
        let id = person.user_id().await;
        people.push((person, id));
    }
    (server, people.try_into().expect("as many"))
}
