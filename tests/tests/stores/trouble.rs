//! A store that fails, is slow, says things that are not so, and goes away.

use std::time::{Duration, Instant};

use roadstead_tests::content::{random_bytes, rng, sha256};
use roadstead_tests::free_port;
use roadstead_tests::http::{header, with_query};
use roadstead_tests::stores::{Faults, S3s, Store, Trouble};

use super::{PART, left_out};

#[tokio::test(flavor = "multi_thread")]
async fn one_failure_in_twenty_is_not_seen_by_clients() {
    if left_out(Store::S3s) {
        return;
    }
    let mut rng = rng();
    let place = Store::S3s.place();
    let (faults, endpoint) = Faults::start(&S3s::shared().endpoint(), rng.clone());
    let server = place.behind(&endpoint).setup().start();
    let admin = server.admin();
    let trouble = Trouble {
        refused: 50,
        answer_lost: 20,
        body_cut: 20,
        error_in_success: 300,
        delay: Duration::from_millis(2),
    };
    faults.make(trouble);
    for number in 0..30 {
        let size = if number % 3 == 0 { 2 * PART + 1000 } else { 10_000 * number };
        let blob = random_bytes(&mut rng, size);
        let location = admin.start_upload("library/trouble").await;
        let (first, rest) = blob.split_at(size / 2);
        let sent = admin.send("PATCH", &location).body(first.to_vec()).send().await.unwrap();
        assert_eq!(sent.status(), 202, "{}", server.log());
        let url = with_query(&location, &format!("digest={}", sha256(&blob)));
        let answer = admin.send("PUT", &url).body(rest.to_vec()).send().await.unwrap();
        assert_eq!(answer.status(), 201, "{}", server.log());
        let path = format!("/v2/library/trouble/blobs/{}", sha256(&blob));
        assert!(admin.get(&path).await.bytes().await.unwrap() == blob);
    }
    let (requests, troubled) = faults.counts();
    println!("{troubled} of {requests} requests met with trouble");
    assert!(troubled > 10, "there was no trouble");
    faults.make(Trouble::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_store_is_gone_everything_else_goes_on_and_it_is_found_again() {
    if left_out(Store::S3s) {
        return;
    }
    let mut rng = rng();
    let store = S3s::new();
    let place = Store::S3s.place().behind(&store.endpoint());
    let probes = format!("127.0.0.1:{}", free_port());
    let server = place.setup().env("ROADSTEAD_ADMIN_LISTEN", &probes).start();
    let admin = server.admin();
    let readiness = async || admin.get(&format!("http://{probes}/readyz")).await.status().as_u16();
    assert_eq!(readiness().await, 200);
    let (_, digest) = admin.push_image("library/kept", "latest", b"a layer").await;
    let layer = format!("/v2/library/kept/blobs/{}", sha256(b"a layer"));
    let blob = random_bytes(&mut rng, PART + 1000);
    let location = admin.start_upload("library/kept").await;
    let sent = admin.send("PATCH", &location).body(blob[..PART].to_vec()).send().await.unwrap();
    assert_eq!(sent.status(), 202);
    store.stop();
    let url = with_query(&location, &format!("digest={}", sha256(&blob)));
    let mut slowest = Duration::ZERO;
    for _ in 0..4 {
        let since = Instant::now();
        let put = admin.send("PUT", &url).body(blob[PART..].to_vec());
        let (put, get) = tokio::join!(put.send(), admin.get(&layer));
        for answer in [put.unwrap(), get] {
            assert_eq!(answer.status(), 503, "{}", server.log());
            header(&answer, "retry-after").parse::<u32>().unwrap();
        }
        slowest = slowest.max(since.elapsed());
        let manifest = admin.get(&format!("/v2/library/kept/manifests/{digest}")).await;
        assert_eq!(manifest.status(), 200);
    }
    assert_eq!(readiness().await, 503);
    println!("the slowest answer took {slowest:?}");
    assert!(slowest < Duration::from_mins(1));
    let since = Instant::now();
    assert_eq!(admin.get(&layer).await.status(), 503);
    assert!(since.elapsed() < slowest, "a store that is known to be gone is waited for");
    store.start();
    let since = Instant::now();
    while admin.get(&layer).await.status() != 200 {
        assert!(since.elapsed() < Duration::from_secs(30), "{}", server.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    println!("it was found again after {:?}", since.elapsed());
    while readiness().await != 200 {
        assert!(since.elapsed() < Duration::from_secs(30), "{}", server.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let answer = admin.send("PUT", &url).body(blob[PART..].to_vec()).send().await.unwrap();
    assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_lost_or_cut_is_never_served_whole_and_a_push_heals_it() {
    if left_out(Store::S3s) {
        return;
    }
    let blob = random_bytes(&mut rng(), 100_000);
    for cut in [false, true] {
        let place = Store::S3s.place();
        let server = place.setup().start();
        let admin = server.admin();
        let digest = admin.push_blob("library/lost", &blob).await;
        let path = format!("/v2/library/lost/blobs/{digest}");
        S3s::shared().damage(&place, cut);
        assert_eq!(admin.get(&path).await.status(), 503, "cut: {cut}");
        assert_eq!(admin.head(&path).await.status(), 404, "it is asked for again");
        admin.push_blob("library/lost", &blob).await;
        assert!(admin.get(&path).await.bytes().await.unwrap() == blob);
    }
}
