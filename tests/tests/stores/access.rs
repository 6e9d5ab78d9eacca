//! How a server gets into a store, and when it sends clients there.

use std::time::Duration;

use reqwest::{Client, Response, StatusCode};
use roadstead_tests::content::{random_bytes, rng};
use roadstead_tests::http::header;
use roadstead_tests::stores::{S3s, Store};
use roadstead_tests::{ADMIN_PASSWORD, Server, Setup};

use super::{PART, left_out};

/// A GET that stays where it is sent.
async fn get(url: &str, range: Option<&str>, as_admin: bool) -> Response {
    let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    let mut request = client.build().unwrap().get(url);
    if as_admin {
        request = request.basic_auth("admin", Some(ADMIN_PASSWORD));
    }
    if let Some(range) = range {
        request = request.header("range", range);
    }
    request.send().await.unwrap()
}

fn redirecting(store: Store) -> Setup {
    store.place().setup().env("ROADSTEAD_STORAGE_REDIRECT", "on")
}

async fn pushed(server: &Server, size: usize) -> (Vec<u8>, String) {
    let blob = random_bytes(&mut rng(), size);
    let digest = server.admin().push_blob("library/sent", &blob).await;
    (blob, server.url(&format!("/v2/library/sent/blobs/{digest}")))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_sent_to_the_store_with_an_address_that_opens_one_blob_for_a_while() {
    if left_out(Store::Radosgw) {
        return;
    }
    let setup = redirecting(Store::Radosgw).env("ROADSTEAD_STORAGE_REDIRECT_LIFETIME", "4s");
    let server = setup.start();
    server.admin().create_project("hidden", false).await;
    let blob = random_bytes(&mut rng(), PART + 1000);
    let digest = server.admin().push_blob("hidden/sent", &blob).await;
    let url = server.url(&format!("/v2/hidden/sent/blobs/{digest}"));
    assert_eq!(get(&url, None, false).await.status(), 401, "whoever may not pull is not sent");
    let sent = get(&url, None, true).await;
    assert_eq!(sent.status(), 307);
    assert!(header(&sent, "docker-content-digest").starts_with("sha256:"));
    assert_eq!(header(&sent, "cache-control"), "no-store");
    let address = header(&sent, "location");
    assert!(get(&address, None, false).await.bytes().await.unwrap() == blob);
    let part = get(&address, Some("bytes=5-9"), false).await;
    assert_eq!(part.status(), 206);
    assert!(part.bytes().await.unwrap() == blob[5..10]);
    let other = address.replacen("/b/", "/c/", 1);
    assert_eq!(get(&other, None, false).await.status(), StatusCode::FORBIDDEN);
    let head = server.admin().head(url.trim_start_matches(&server.url(""))).await;
    assert_eq!(
        (head.status().as_u16(), header(&head, "content-length").parse()),
        (200, Ok(blob.len()))
    );
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(get(&address, None, false).await.status(), StatusCode::FORBIDDEN);
    assert!(!server.log().contains("X-Amz-Signature"), "an address was logged");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_cannot_reach_the_store_and_what_it_cannot_answer_are_served() {
    if left_out(Store::S3s) {
        return;
    }
    let setup = redirecting(Store::S3s).env("ROADSTEAD_STORAGE_REDIRECT_EXCEPT", "127.0.0.2/32");
    let server = setup.start();
    let (blob, url) = pushed(&server, 10_000).await;
    let path = url.trim_start_matches(&server.url("")).to_owned();
    assert_eq!(get(&url, None, true).await.status(), 307);
    assert_eq!(get(&url, Some("bytes=0-4"), true).await.status(), 307);
    for range in ["bytes=-5", "bytes=0-1,5-6"] {
        assert_eq!(get(&url, Some(range), true).await.status(), 206, "{range}");
    }
    let answer = server.admin().from([127, 0, 0, 2]).get(&path).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.url().as_str().starts_with(&server.url("")), "was sent away");
    assert!(answer.bytes().await.unwrap() == blob);
    // Followed, it is the same blob.
    assert!(server.admin().get(&path).await.bytes().await.unwrap() == blob);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_is_due_for_verification_comes_through_the_server() {
    if left_out(Store::S3s) {
        return;
    }
    let server = redirecting(Store::S3s).env("ROADSTEAD_VERIFY_AFTER", "0s").start();
    let (_, url) = pushed(&server, 1000).await;
    assert_eq!(get(&url, None, true).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_sent_to_the_address_by_which_they_know_the_store() {
    for store in [Store::Azurite, Store::S3s] {
        if left_out(store) {
            return;
        }
        let place = store.place();
        let server = place.setup().env("ROADSTEAD_STORAGE_REDIRECT", "on").start();
        let (blob, url) = pushed(&server, 1000).await;
        let address = header(&get(&url, None, true).await, "location");
        assert!(get(&address, None, false).await.bytes().await.unwrap() == blob, "{store:?}");
    }
    let setup = redirecting(Store::S3s);
    let server =
        setup.env("ROADSTEAD_STORAGE_PUBLIC_ENDPOINT", "https://blobs.example.com").start();
    let (_, url) = pushed(&server, 1000).await;
    let address = header(&get(&url, None, true).await, "location");
    assert!(address.starts_with("https://blobs.example.com/tests/"), "{address}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_does_not_work_is_named_at_the_start() {
    if left_out(Store::Radosgw) {
        return;
    }
    let setup = || Store::Radosgw.place().setup();
    for (name, value, expected) in [
        ("ROADSTEAD_STORAGE_URL", "s3://missing", "s3://missing: it does not exist"),
        ("ROADSTEAD_STORAGE_SECRET_ACCESS_KEY", "wrong-canary", "access is denied"),
        ("ROADSTEAD_STORAGE_URL", "ftp://x", "must be file:<path>, s3://"),
        ("ROADSTEAD_STORAGE_PART_SIZE", "1MiB", "must be from 5MiB"),
        ("ROADSTEAD_STORAGE_PROFILE", "nobody", "there is no profile"),
    ] {
        let said = setup().env(name, value).fails_to_start();
        assert!(said.contains(expected), "{name}={value}: {said}");
        assert!(!said.contains("wrong-canary"), "{said}");
    }
    let long = redirecting(Store::Radosgw).env("ROADSTEAD_DELETION_GRACE", "1m").fails_to_start();
    assert!(long.contains("shorter than deletion_grace"), "{long}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_come_from_a_profile_or_from_the_variables_of_the_aws_tools() {
    if left_out(Store::S3s) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("credentials");
    let text = "[lab]\naws_access_key_id = AK\naws_secret_access_key = SK\n";
    std::fs::write(&file, text).unwrap();
    let endpoint = S3s::shared().endpoint();
    let setup = |prefix: &str| {
        Setup::new()
            .env("ROADSTEAD_STORAGE_URL", format!("s3://tests/{prefix}"))
            .env("ROADSTEAD_STORAGE_ENDPOINT", &endpoint)
    };
    let profile = setup("profile").env("ROADSTEAD_STORAGE_PROFILE", "lab");
    let variables = setup("variables").env("AWS_ACCESS_KEY_ID", "AK");
    for setup in [
        profile.env("AWS_SHARED_CREDENTIALS_FILE", file.display().to_string()),
        variables.env("AWS_SECRET_ACCESS_KEY", "SK"),
    ] {
        let server = setup.start();
        let shown = server.command(&["config", "show"]).output().unwrap();
        assert!(!String::from_utf8_lossy(&shown.stdout).contains("SK\""), "a secret is shown");
        pushed(&server, 1000).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_a_newer_program_wrote_is_refused() {
    if left_out(Store::S3s) {
        return;
    }
    let place = Store::S3s.place();
    drop(place.setup().start());
    S3s::shared().overwrite(&place, "format", b"roadstead-blobs 9\n");
    let said = place.setup().fails_to_start();
    assert!(said.contains("newer version"), "{said}");
}
