//! Uploads that begin on one server, go on on a second and end on a third.

use roadstead_tests::content::{random_bytes, rng, sha256};
use roadstead_tests::http::{Person, header, with_query};

use crate::fleet::Fleet;

/// Sends a piece of a blob; returns where to go on.
async fn patch(person: &Person, location: &str, offset: usize, piece: &[u8]) -> String {
    let range = format!("{offset}-{}", offset + piece.len() - 1);
    let request = person.send("PATCH", location).header("content-range", range);
    let answer = request.body(piece.to_vec()).send().await.expect("an answer");
    assert_eq!(answer.status(), 202, "{}", answer.text().await.unwrap());
    header(&answer, "location")
}

async fn assert_served_everywhere(fleet: &Fleet, repository: &str, blob: &[u8]) {
    for admin in fleet.admins() {
        let path = format!("/v2/{repository}/blobs/{}", sha256(blob));
        let read = admin.get(&path).await.bytes().await.expect("the blob");
        assert!(read == blob, "a server has other bytes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_may_begin_here_go_on_there_and_end_elsewhere() {
    let fleet = Fleet::start(3, &[]);
    let mut rng = rng();
    let [first, second, third] = fleet.admins() else { panic!("three servers") };
    // Pieces that fit no part of a multipart upload.
    let blob = random_bytes(&mut rng, 13_000_001);
    let (a, rest) = blob.split_at(5_000_003);
    let (b, c) = rest.split_at(6_000_007);
    let location = first.start_upload("library/moved").await;
    let location = patch(second, &location, 0, a).await;
    let location = patch(third, &location, a.len(), b).await;
    // Each server knows how far it is.
    for admin in fleet.admins() {
        let answer = admin.get(&location).await;
        assert_eq!(header(&answer, "range"), format!("0-{}", a.len() + b.len() - 1));
    }
    let url = with_query(&location, &format!("digest={}", sha256(&blob)));
    let answer = first.send("PUT", &url).body(c.to_vec()).send().await.expect("an answer");
    assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
    assert_served_everywhere(&fleet, "library/moved", &blob).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_goes_on_after_its_server_was_killed() {
    let mut fleet = Fleet::start(3, &[]);
    let mut rng = rng();
    let blob = random_bytes(&mut rng, 9_000_000);
    let (a, b) = blob.split_at(6_000_000);
    let location = fleet.admins()[0].start_upload("library/orphan").await;
    let location = patch(&fleet.admins()[0], &location, 0, a).await;
    fleet.servers[0].kill();
    let other = &fleet.admins()[1];
    let location = patch(other, &location, a.len(), b).await;
    let url = with_query(&location, &format!("digest={}", sha256(&blob)));
    let answer = fleet.admins()[2].send("PUT", &url).send().await.expect("an answer");
    assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
    fleet.servers[0].start();
    assert_served_everywhere(&fleet, "library/orphan", &blob).await;
}

/// Two servers that are sent the same piece at once: one of them takes it.
#[tokio::test(flavor = "multi_thread")]
async fn two_servers_never_take_the_same_piece() {
    let fleet = Fleet::start(3, &[]);
    let mut rng = rng();
    for round in 0..10 {
        let blob = random_bytes(&mut rng, 300_000 + round);
        let location = fleet.admin().start_upload("library/twice").await;
        let send = |person: &Person| {
            let range = format!("0-{}", blob.len() - 1);
            let request = person.send("PATCH", &location).header("content-range", range);
            request.body(blob.clone()).send()
        };
        let (a, b) = tokio::join!(send(&fleet.admins()[0]), send(&fleet.admins()[1]));
        let statuses = [a, b].map(|answer| answer.expect("an answer").status().as_u16());
        let taken = statuses.iter().filter(|status| **status == 202).count();
        assert!(taken >= 1, "{statuses:?}");
        let others = statuses.iter().filter(|status| ![202, 416, 409, 503].contains(*status));
        assert_eq!(others.count(), 0, "{statuses:?}");
        let url = with_query(&location, &format!("digest={}", sha256(&blob)));
        let answer = fleet.admins()[2].send("PUT", &url).send().await.expect("an answer");
        assert_eq!(answer.status(), 201, "{statuses:?}: {}", answer.text().await.unwrap());
        assert_served_everywhere(&fleet, "library/twice", &blob).await;
    }
}
