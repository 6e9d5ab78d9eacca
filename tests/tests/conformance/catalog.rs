//! The list of repositories.

use roadstead_tests::Server;
use roadstead_tests::content::rng;

use crate::client::{Client, Login, ONE, PROJECT, parameter, server, with_basic, with_tokens};
use crate::cycle;
use crate::shape::{Shape, tagged_image};

async fn pages(client: &Client, n: usize) -> Vec<String> {
    let (mut all, mut next) = (Vec::new(), Some(format!("/v2/_catalog?n={n}")));
    while let Some(page) = next {
        let answer = client.get(&page).await.expect(200);
        let names = answer.list("repositories");
        next = answer.next();
        assert!(names.len() == n || next.is_none(), "a short page of {}", names.len());
        all.extend(names);
    }
    all
}

async fn push_to(client: &Client, repositories: &[&str]) {
    let set = tagged_image(&mut rng(), &Shape::default(), "latest");
    for repository in repositories {
        cycle::push(client, repository, &set).await;
    }
}

fn admin(server: &roadstead_tests::Server) -> Client {
    let password = roadstead_tests::ADMIN_PASSWORD.to_owned();
    Client::new(server, Login::Token("admin".to_owned(), password))
}

#[tokio::test]
async fn the_catalog_shows_everybody_what_they_may_pull() {
    let server = server().await;
    server.admin().create_project("public", true).await;
    server.admin().create_project("secret", false).await;
    server.admin().create_user("other").await;
    push_to(&with_basic(&server), &["conformance/b", "conformance/a/c", "conformance/a-b"]).await;
    push_to(&admin(&server), &["public/app", "secret/app"]).await;
    let mine = ["conformance/a-b", "conformance/a/c", "conformance/b", "public/app"];
    let all = ["conformance/a-b", "conformance/a/c", "conformance/b", "public/app", "secret/app"];
    let other = Login::Token("other".to_owned(), "Password-1".to_owned());
    for (client, expected) in [
        (with_tokens(&server), mine.as_slice()),
        (with_basic(&server), &mine),
        (admin(&server), &all),
        (Client::new(&server, other), &["public/app"]),
    ] {
        let answer = client.get("/v2/_catalog").await.expect(200).lacks("link");
        assert_eq!(answer.list("repositories"), expected);
        for n in [1, 2, 3, 4, 5, 100] {
            assert_eq!(pages(&client, n).await, expected, "pages of {n}");
        }
    }
}

async fn strangers_and_narrow_tokens_are_asked_for_the_catalog_scope(server: &Server) {
    let nobody = Client::new(server, Login::Nobody);
    let refused = nobody.get("/v2/_catalog").await.refuses(401, "UNAUTHORIZED");
    let challenge = refused.header("www-authenticate");
    assert_eq!(parameter(challenge, "scope"), Some("registry:catalog:*"));
    // A token of a login, without any scope, is to be widened.
    let client = with_tokens(server);
    client.get("/v2/").await.expect(200);
    let before = client.challenges().len();
    client.get("/v2/_catalog?n=5").await.expect(200);
    let followed = client.challenges().split_off(before);
    assert_eq!(parameter(&followed[0], "scope"), Some("registry:catalog:*"));
}

async fn pages_of_the_catalog_follow_the_rules_of_pages_of_tags(server: &Server) {
    let client = with_basic(server);
    let empty = client.get("/v2/_catalog").await.expect(200).lacks("link");
    assert_eq!(empty.json()["repositories"], serde_json::json!([]));
    let names: Vec<String> = (0..30).map(|n| format!("{PROJECT}/r{n:02}")).collect();
    push_to(&client, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    push_to(&client, &[ONE]).await;
    let first = client.get("/v2/_catalog?n=2").await.expect(200);
    assert_eq!(first.list("repositories"), [ONE, "conformance/r00"]);
    let next = first.next().expect("another page");
    assert!(next.contains("n=2"), "{next}");
    let none = client.get("/v2/_catalog?n=0").await.expect(200).lacks("link");
    assert_eq!(none.list("repositories"), [""; 0]);
    for n in ["-1", "x"] {
        let answer = client.get(&format!("/v2/_catalog?n={n}")).await;
        answer.refuses(400, "PAGINATION_NUMBER_INVALID");
    }
    let huge = client.get("/v2/_catalog?n=999999999999999999999").await.expect(200);
    assert_eq!(huge.list("repositories").len(), 31);
    for last in ["conformance/r28", "conformance/r28a", "conformance%2Fr28"] {
        let rest = client.get(&format!("/v2/_catalog?last={last}")).await.expect(200);
        assert_eq!(rest.list("repositories"), ["conformance/r29"], "after {last}");
    }
}

#[tokio::test]
async fn the_catalog_asks_for_its_scope_and_comes_in_pages() {
    let server = server().await;
    strangers_and_narrow_tokens_are_asked_for_the_catalog_scope(&server).await;
    pages_of_the_catalog_follow_the_rules_of_pages_of_tags(&server).await;
}
