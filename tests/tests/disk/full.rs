use std::collections::HashMap;
use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use roadstead_tests::Setup;
use roadstead_tests::content::{self, random_bytes, rng, sha256};
use roadstead_tests::disk::{Disk, Format, left_out};
use roadstead_tests::http::Person;

use super::{check_refusal, try_push, until_pushes_work};

const PUSHERS: usize = 4;
/// With more than this the disk is not full yet: a quarter of the space that is kept.
const ROOM: u64 = 2 << 20;

/// What was acknowledged: the digest of each manifest, with its bytes and its layer.
type Kept = Arc<Mutex<HashMap<String, (Vec<u8>, Vec<u8>)>>>;

/// Pushes an image, unless something of it is refused; says whether it was.
async fn push_image(person: &Person, rng: &mut StdRng, kept: &Kept) -> bool {
    let length = rng.random_range(1000..1_000_000);
    let (layer, config) = (random_bytes(rng, length), random_bytes(rng, 50));
    for bytes in [&layer, &config] {
        if try_push(person, "library/full", bytes).await != 201 {
            return false;
        }
    }
    let manifest = content::image(&config, &[&layer]).to_string().into_bytes();
    let digest = sha256(&manifest);
    let answer =
        person.put_manifest("library/full", &digest, content::MANIFEST, manifest.clone()).await;
    check_refusal(&answer);
    if answer.status() != 201 {
        return false;
    }
    kept.lock().unwrap().insert(digest, (manifest, layer));
    true
}

fn keep_pushing(person: Person, mut rng: StdRng, kept: Kept, stop: Arc<AtomicBool>) -> Pusher {
    tokio::spawn(async move {
        while !stop.load(Ordering::Relaxed) {
            if !push_image(&person, &mut rng, &kept).await {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    })
}

type Pusher = tokio::task::JoinHandle<()>;

/// Lets the pushers finish what they are doing, and ends them.
async fn end(stop: &AtomicBool, pushers: &mut Vec<Pusher>) {
    stop.store(true, Ordering::Relaxed);
    for pusher in pushers.drain(..) {
        pusher.await.expect("no pusher was told anything wrong");
    }
}

async fn pull_all(person: &Person, kept: &Kept) {
    let images = kept.lock().unwrap().clone();
    for (digest, (manifest, layer)) in images {
        let path = format!("/v2/library/full/manifests/{digest}");
        assert_eq!(person.get(&path).await.bytes().await.unwrap(), manifest);
        let path = format!("/v2/library/full/blobs/{}", sha256(&layer));
        let answer = person.get(&path).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(sha256(&answer.bytes().await.unwrap()), sha256(&layer));
    }
}

/// Deletes half of the images, each of which must be gone at once, or within a moment.
async fn delete_half(person: &Person, kept: &Kept) -> usize {
    let mut digests: Vec<String> = kept.lock().unwrap().keys().cloned().collect();
    digests.truncate(digests.len() / 2);
    for digest in &digests {
        let path = format!("/v2/library/full/manifests/{digest}");
        let mut status = 0;
        // The ballast goes within half a second.
        for _ in 0..30 {
            status = person.status_of("DELETE", &path).await;
            if status == 202 || status == 404 {
                break;
            }
            assert!(matches!(status, 503 | 507), "{status}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(status == 202 || status == 404, "a delete on the full disk: {status}");
        kept.lock().unwrap().remove(digest);
    }
    digests.len()
}

/// What was given back, and what collection frees, the others use up to the reserve.
async fn until_refused(person: &Person) {
    for _ in 0..100 {
        if try_push(person, "library/full", b"more").await == 507 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("pushes go on on a full disk");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_loses_nothing_serves_everything_and_recovers_by_itself() {
    if left_out() {
        return;
    }
    let mut rng = rng();
    let disk = Disk::new(Format::Ext4, 256);
    let mut server = Setup::new()
        .data(&disk.path().join("data"))
        .env("ROADSTEAD_JOB_INTERVAL", "200ms")
        .env("ROADSTEAD_DELETION_GRACE", "0s")
        // Longer than a slow machine takes for a push.
        .env("ROADSTEAD_BLOB_LEASE", "5s")
        .start();
    let (kept, admin) = (Kept::default(), server.admin());
    for round in 0..3 {
        let stop = Arc::new(AtomicBool::new(false));
        let mut pushers: Vec<Pusher> = (0..PUSHERS)
            .map(|_| {
                let rng = StdRng::seed_from_u64(rng.random());
                keep_pushing(server.admin(), rng, kept.clone(), stop.clone())
            })
            .collect();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let ballast = server.data().join("roadstead.db-ballast");
        assert!(ballast.exists(), "space is kept for the database");
        disk.fill();
        // The disk is looked at twice a second, by threads that may wait for it.
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            if !ballast.exists() {
                break;
            }
            // What was deleted before is collected meanwhile.
            if disk.free() > ROOM {
                disk.fill();
            }
        }
        assert!(!ballast.exists(), "the space was given back");
        until_refused(&admin).await;
        if round == 1 {
            // Somebody else takes that space, too: no byte is left for anybody.
            disk.fill();
            pull_all(&admin, &kept).await;
            let filler = File::options().write(true).open(disk.filler()).unwrap();
            filler.set_len(filler.metadata().unwrap().len() - (8 << 20)).unwrap();
        }
        if round == 2 {
            // It starts on a full disk as well. Nobody is in the middle of a request then.
            end(&stop, &mut pushers).await;
            server.kill();
            server.start();
        }
        pull_all(&server.nobody(), &kept).await;
        let deleted = delete_half(&admin, &kept).await;
        println!("round {round}: {deleted} images deleted at {} bytes free", disk.free());
        assert!(deleted > 0);
        std::fs::remove_file(disk.filler()).unwrap();
        until_pushes_work(&admin, "library/full", Duration::from_secs(20)).await;
        end(&stop, &mut pushers).await;
        pull_all(&admin, &kept).await;
        server.assert_clean(&["--deep"]);
    }
    let images = kept.lock().unwrap().len();
    println!("3 fills, {images} images left, none lost");
    drop(server);
    drop(disk);
}
