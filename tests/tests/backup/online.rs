use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use roadstead_tests::Setup;
use roadstead_tests::content::{random_bytes, rng, sha256};
use roadstead_tests::http::Person;

use super::{back_up, restore, restored, said};

const PUSHERS: usize = 8;

/// The digest of each image that was acknowledged and not asked to go, with its repository, its
/// manifest and its layer.
type Kept = Arc<Mutex<HashMap<String, (String, Vec<u8>, Vec<u8>)>>>;

fn keep_pushing(
    person: Person,
    seed: u64,
    n: usize,
    kept: Kept,
    stop: Arc<AtomicBool>,
) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        let mut rng = StdRng::seed_from_u64(seed);
        let repository = format!("library/backup-{n}");
        while !stop.load(Ordering::Relaxed) {
            let length = rng.random_range(1..100_000);
            let layer = random_bytes(&mut rng, length);
            let (manifest, digest) = person.push_image(&repository, "latest", &layer).await;
            kept.lock().unwrap().insert(digest, (repository.clone(), manifest, layer));
            let own = |kept: &Kept| {
                let kept = kept.lock().unwrap();
                let mut own: Vec<String> = kept
                    .iter()
                    .filter(|(_, i)| i.0 == repository)
                    .map(|(d, _)| d.clone())
                    .collect();
                own.sort();
                own
            };
            if rng.random_bool(0.4) {
                let own = own(&kept);
                let digest = own[rng.random_range(0..own.len())].clone();
                // Gone from the list first: from now on both outcomes are right.
                kept.lock().unwrap().remove(&digest);
                let path = format!("/v2/{repository}/manifests/{digest}");
                assert_eq!(person.delete(&path).await.status(), 202);
            }
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_while_clients_push_and_delete_is_one_state_that_has_everything() {
    let mut rng = rng();
    let server = Setup::new()
        .env("ROADSTEAD_JOB_INTERVAL", "100ms")
        .env("ROADSTEAD_DELETION_GRACE", "0s")
        .env("ROADSTEAD_BLOB_LEASE", "3s")
        .env("ROADSTEAD_UNDELETE_WINDOW", "100ms")
        .start();
    let (kept, stop) = (Kept::default(), Arc::new(AtomicBool::new(false)));
    let pushers: Vec<_> = (0..PUSHERS)
        .map(|n| keep_pushing(server.admin(), rng.random(), n, kept.clone(), stop.clone()))
        .collect();
    while kept.lock().unwrap().len() < 24 {
        assert!(pushers.iter().all(|pusher| !pusher.is_finished()), "a pusher gave up");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let directory = server.scratch().join("backup");
    for round in 0..3 {
        let before = kept.lock().unwrap().clone();
        let printed = back_up(&server, &directory, &["--with-secret-key"]);
        let after = kept.lock().unwrap().clone();
        let copy = restored(Setup::new(), &directory);
        let person = copy.admin();
        let sure: Vec<_> =
            before.iter().filter(|(digest, _)| after.contains_key(*digest)).collect();
        for (digest, (repository, manifest, layer)) in &sure {
            let answer = person.get(&format!("/v2/{repository}/manifests/{digest}")).await;
            assert_eq!(answer.status(), 200, "{repository}@{digest} was there before and after");
            assert_eq!(&answer.bytes().await.unwrap(), manifest);
            let answer = person.get(&format!("/v2/{repository}/blobs/{}", sha256(layer))).await;
            assert_eq!(&answer.bytes().await.unwrap(), layer);
        }
        copy.assert_clean(&["--deep"]);
        person.push_image("library/restored", "new", b"goes on").await;
        println!("round {round}: {} images are sure to be there. {printed}", sure.len());
        assert!(!sure.is_empty());
    }
    stop.store(true, Ordering::Relaxed);
    for pusher in pushers {
        pusher.await.expect("no pusher was told anything wrong");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_backup_copies_only_what_is_new_and_nothing_overwrites_a_registry() {
    let server = Setup::new().start();
    for n in 0..5_u8 {
        server.admin().push_image("library/again", &format!("v{n}"), &[n; 1000]).await;
    }
    let directory = server.scratch().join("backup");
    assert!(back_up(&server, &directory, &[]).contains("10 of them copied now"));
    server.admin().push_image("library/again", "new", b"new").await;
    assert!(back_up(&server, &directory, &[]).contains("2 of them copied now"));
    let databases = std::fs::read_dir(&directory).unwrap().filter(|entry| {
        entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("database-")
    });
    assert_eq!(databases.count(), 1, "the old rows are gone");
    assert!(!directory.join("secret-key").exists(), "nobody asked for it");
    let mut other = Setup::new().start();
    other.kill();
    let refused = restore(&other, &directory);
    assert!(!refused.status.success());
    assert!(said(&refused).contains("not empty"), "{}", said(&refused));
    // A damaged object is not restored as if it were whole.
    let object = roadstead_tests::store::objects(&directory.join("blobs")).remove(0);
    let mut bytes = std::fs::read(&object).unwrap();
    bytes[0] ^= 1;
    std::fs::write(&object, bytes).unwrap();
    let mut target = Setup::new().stopped();
    let refused = restore(&target, &directory);
    assert!(said(&refused).contains("damaged in the backup"), "{}", said(&refused));
    target.damaged_on_purpose();
}
