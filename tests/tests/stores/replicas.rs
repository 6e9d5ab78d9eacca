//! Several servers over one database and one store.

use roadstead_tests::content::{random_bytes, rng, sha256};
use roadstead_tests::http::{Person, header, with_query};
use roadstead_tests::stores::Store;
use roadstead_tests::{Server, Setup};

use super::{PART, left_out};

/// Two servers that know nothing of each other but the database and the store.
fn two(store: Store) -> (Server, Server) {
    let place = store.place();
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let setup = |setup: Setup| setup.env("ROADSTEAD_SECRET_KEY", key);
    let first = setup(place.setup()).postgres().start();
    let second = setup(place.setup()).database_of(&first).start();
    (first, second)
}

async fn patch(person: &Person, location: &str, bytes: &[u8]) -> u16 {
    let path = location.find("/v2/").map_or(location, |at| &location[at..]);
    person.send("PATCH", path).body(bytes.to_vec()).send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_goes_on_at_another_replica_in_the_middle_of_a_part() {
    for store in [Store::Radosgw, Store::Azurite] {
        if left_out(store) {
            return;
        }
        let blob = random_bytes(&mut rng(), 3 * PART + 5);
        let (first, second) = two(store);
        let (one, other) = (first.admin(), second.admin());
        let location = one.start_upload("library/wandering").await;
        let path = location[location.find("/v2/").unwrap()..].to_owned();
        for (number, chunk) in blob.chunks(1_700_000).enumerate() {
            let person = if number % 2 == 0 { &one } else { &other };
            assert_eq!(patch(person, &path, chunk).await, 202, "chunk {number}");
        }
        let url = with_query(&path, &format!("digest={}", sha256(&blob)));
        assert_eq!(other.send("PUT", &url).send().await.unwrap().status(), 201);
        let path = format!("/v2/library/wandering/blobs/{}", sha256(&blob));
        assert!(one.get(&path).await.bytes().await.unwrap() == blob);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_replicas_that_write_to_one_session_one_is_acknowledged() {
    if left_out(Store::Radosgw) {
        return;
    }
    let mut rng = rng();
    let (first, second) = two(Store::Radosgw);
    let (one, other) = (first.admin(), second.admin());
    for size in [100_000, PART + 100_000] {
        let location = one.start_upload("library/contended").await;
        let path = location[location.find("/v2/").unwrap()..].to_owned();
        let blobs = [random_bytes(&mut rng, size), random_bytes(&mut rng, size)];
        let (a, b) = tokio::join!(patch(&one, &path, &blobs[0]), patch(&other, &path, &blobs[1]));
        let mut statuses = [a, b];
        statuses.sort_unstable();
        // Whoever begins when the other is through simply goes on behind it.
        let range = header(&one.get(&path).await, "range");
        println!("{size} bytes at once: {statuses:?}, the session has {range}");
        let winner = if a == 202 { &blobs[0] } else { &blobs[1] };
        match statuses {
            [202, 416] => assert_eq!(range, format!("0-{}", size - 1)),
            [202, 202] => continue,
            _ => panic!("{statuses:?}"),
        }
        let digest = sha256(winner);
        let url = with_query(&path, &format!("digest={digest}"));
        let answer = other.send("PUT", &url).send().await.unwrap();
        // What was acknowledged is what is there; or, where the loser's part took the place of the
        // winner's, the session is over and the client begins anew.
        match answer.status().as_u16() {
            201 => {
                let path = format!("/v2/library/contended/blobs/{digest}");
                assert!(one.get(&path).await.bytes().await.unwrap() == *winner);
            }
            status => assert_eq!(status, 404),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_replicas_that_finish_one_session_with_different_bytes_none_lies() {
    if left_out(Store::Radosgw) {
        return;
    }
    let mut rng = rng();
    let (first, second) = two(Store::Radosgw);
    let (one, other) = (first.admin(), second.admin());
    for size in [1000, 100_000, PART + 100_000] {
        let location = one.start_upload("library/split").await;
        let path = location[location.find("/v2/").unwrap()..].to_owned();
        let blobs = [random_bytes(&mut rng, size), random_bytes(&mut rng, size)];
        let finish = async |person: &Person, blob: &Vec<u8>| {
            let url = with_query(&path, &format!("digest={}", sha256(blob)));
            let answer = person.send("PUT", &url).body(blob.clone()).send().await.unwrap();
            answer.status().as_u16()
        };
        let (a, b) = tokio::join!(finish(&one, &blobs[0]), finish(&other, &blobs[1]));
        println!("{size} bytes finished at once: {a}, {b}");
        assert!([a, b].iter().filter(|status| **status == 201).count() <= 1);
        for (status, blob) in [(a, &blobs[0]), (b, &blobs[1])] {
            let path = format!("/v2/library/split/blobs/{}", sha256(blob));
            let answer = one.get(&path).await;
            if status == 201 {
                assert!(answer.bytes().await.unwrap() == *blob);
            } else {
                assert_eq!(answer.status(), 404);
            }
        }
    }
}
