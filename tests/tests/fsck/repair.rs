use std::time::{Duration, Instant};

use roadstead_tests::content::{random_bytes, rng, sha256};
use roadstead_tests::{Setup, store};

use super::{faults, report};

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_blob_is_healed_by_the_next_push_and_each_step_leaves_an_event() {
    let server = Setup::new().start();
    let admin = server.admin();
    let layer = random_bytes(&mut rng(), 50_000);
    admin.push_image("library/heal", "v1", &layer).await;
    let digest = sha256(&layer);
    let file = store::by_digest(&server.data().join("blobs"))[&digest].clone();
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[77] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let path = format!("/v2/library/heal/blobs/{digest}");
    assert_eq!(admin.head(&path).await.status(), 200, "nobody has noticed");
    let (code, found) = report(&server, &["--deep", "--repair"]);
    assert_eq!(code, Some(1));
    assert_eq!(faults(&found), [("flipped".to_owned(), format!("blob {digest}"))]);
    assert!(found["faults"][0]["repair"].as_str().unwrap().contains("heals"));
    // What another process changes, a server may be told of 5 seconds later.
    let since = Instant::now();
    while admin.head(&path).await.status() != 404 {
        assert!(since.elapsed() < Duration::from_secs(5), "whoever may push is asked to");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // The cheap check remembers what the deep one found.
    assert_eq!(faults(&report(&server, &[]).1)[0].0, "suspect");
    admin.push_blob("library/heal", &layer).await;
    assert_eq!(admin.get(&path).await.bytes().await.unwrap(), layer);
    server.assert_clean(&["--deep"]);
    let log = admin.read_json("/api/v2.0/audit-logs?page_size=100").await.to_string();
    assert!(log.contains(&digest), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_in_shares_reads_everything_once() {
    let server = Setup::new().start();
    for n in 0..10 {
        server.admin().push_blob("library/shares", format!("blob {n}").as_bytes()).await;
    }
    let read = |share: &str| {
        let (code, found) = report(&server, &["--deep", "--subset", share, "--rate", "10M"]);
        assert_eq!(code, Some(0));
        assert_eq!(found["blobs"], 10, "sizes are always looked at");
        found["hashed_blobs"].as_u64().unwrap()
    };
    let shares = [read("1/3"), read("2/3"), read("3/3")];
    assert_eq!(shares.iter().sum::<u64>(), 10, "{shares:?}");
    assert!(shares.iter().all(|share| (3..=4).contains(share)), "{shares:?}");
    let (_, rest) = report(&server, &["--after", "6"]);
    assert_eq!(rest["blobs"], 4);
}

#[test]
fn a_check_that_cannot_run_says_so_and_not_that_something_is_wrong() {
    let mut server = Setup::new().start();
    server.kill();
    server.damaged_on_purpose();
    std::fs::remove_file(server.data().join("roadstead.db")).unwrap();
    let output = server.fsck(&[]);
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!server.data().join("roadstead.db").exists(), "it made a database");
    assert_eq!(server.fsck(&["--deep", "--subset", "4/3"]).status.code(), Some(2));
}
