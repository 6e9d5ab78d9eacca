//! What was acknowledged survives SIGKILL at any moment.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use roadstead_tests::content::{self, random_bytes, sha256};
use roadstead_tests::http::Person;
use roadstead_tests::journal::push_blob;
use roadstead_tests::{Server, Setup};
use serde_json::json;

const PUSHERS: usize = 8;
/// How long pushes are waited for before a kill.
const LONGEST_CYCLE: Duration = Duration::from_secs(2);
/// The most bytes of a layer.
const LARGEST_LAYER: usize = 200_000;

/// What the client knows of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Its push was acknowledged.
    Pushed,
    /// A delete was sent and not answered: either outcome is right.
    Unknown,
    /// Its delete was acknowledged.
    Deleted,
}

#[derive(Clone, Debug)]
struct Image {
    repository: String,
    manifest: Vec<u8>,
    blobs: Vec<(String, usize)>,
    state: State,
}

/// Everything that clients were told, by digest; and for each tag what it may name.
#[derive(Default)]
struct Journal {
    images: HashMap<String, Image>,
    tags: HashMap<(String, String), Vec<String>>,
}

type Shared = Arc<Mutex<Journal>>;

async fn push_image(
    person: &Person,
    rng: &mut StdRng,
    journal: &Shared,
    pusher: usize,
) -> Option<()> {
    let repository = format!("library/crash-{pusher}");
    let length = rng.random_range(1..LARGEST_LAYER);
    let layers = [random_bytes(rng, length), random_bytes(rng, 100)];
    let config = serde_json::to_vec(&json!({"n": rng.random::<u64>()})).unwrap();
    let mut blobs = Vec::new();
    for bytes in layers.iter().chain([&config]) {
        let digest = push_blob(person, rng, &repository, bytes).await?;
        blobs.push((digest, bytes.len()));
    }
    let manifest = content::image(&config, &[&layers[0], &layers[1]]);
    let manifest = serde_json::to_vec(&manifest).unwrap();
    let (digest, tag) = (sha256(&manifest), format!("t{}", rng.random_range(0..3)));
    let key = (repository.clone(), tag.clone());
    journal.lock().unwrap().tags.entry(key.clone()).or_default().push(digest.clone());
    let path = format!("/v2/{repository}/manifests/{tag}");
    let request = person.send("PUT", &path).header("content-type", content::MANIFEST);
    let answer = request.body(manifest.clone()).send().await.ok()?;
    assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap_or_default());
    let mut journal = journal.lock().unwrap();
    journal.tags.insert(key, vec![digest.clone()]);
    journal.images.insert(digest, Image { repository, manifest, blobs, state: State::Pushed });
    Some(())
}

async fn delete_image(person: &Person, rng: &mut StdRng, journal: &Shared, pusher: usize) {
    let repository = format!("library/crash-{pusher}");
    let chosen = {
        let mut journal = journal.lock().unwrap();
        let tagged: Vec<String> = journal.tags.values().flatten().cloned().collect();
        let mut own: Vec<String> = journal
            .images
            .iter()
            .filter(|(digest, image)| {
                image.repository == repository
                    && image.state == State::Pushed
                    && !tagged.contains(digest)
            })
            .map(|(digest, _)| digest.clone())
            .collect();
        own.sort();
        if own.is_empty() {
            return;
        }
        let digest = own.swap_remove(rng.random_range(0..own.len()));
        journal.images.get_mut(&digest).unwrap().state = State::Unknown;
        digest
    };
    let path = format!("/v2/{repository}/manifests/{chosen}");
    if let Ok(answer) = person.send("DELETE", &path).send().await {
        assert_eq!(answer.status(), 202);
        journal.lock().unwrap().images.get_mut(&chosen).unwrap().state = State::Deleted;
    }
}

async fn verify(person: &Person, digest: &str, image: &Image, with_blobs: bool) {
    let path = format!("/v2/{}/manifests/{digest}", image.repository);
    let answer = person.get(&path).await;
    match (image.state, answer.status().as_u16()) {
        (State::Unknown | State::Deleted, 404) => return,
        (State::Unknown | State::Pushed, 200) => {}
        (state, status) => panic!("{digest} was {state:?} and is answered with {status}"),
    }
    assert_eq!(answer.bytes().await.unwrap(), image.manifest, "the bytes of {digest}");
    for (digest, length) in image.blobs.iter().filter(|_| with_blobs) {
        let answer = person.get(&format!("/v2/{}/blobs/{digest}", image.repository)).await;
        assert_eq!(answer.status(), 200, "blob {digest}");
        let bytes = answer.bytes().await.unwrap();
        assert_eq!(bytes.len(), *length);
        assert_eq!(&sha256(&bytes), digest);
    }
}

async fn verify_tags(person: &Person, journal: &Shared) {
    let tags = journal.lock().unwrap().tags.clone();
    for ((repository, tag), allowed) in tags {
        let answer = person.get(&format!("/v2/{repository}/manifests/{tag}")).await;
        if answer.status() == 404 {
            // Only a tag whose first push was never acknowledged may be missing.
            let known = journal.lock().unwrap();
            let acknowledged = allowed.iter().any(|d| known.images.contains_key(d));
            assert!(!acknowledged, "{repository}:{tag} is gone");
            continue;
        }
        let digest = sha256(&answer.bytes().await.unwrap());
        assert!(allowed.contains(&digest), "{repository}:{tag} names {digest}, not {allowed:?}");
        journal.lock().unwrap().tags.insert((repository, tag), vec![digest]);
    }
}

fn pushed(journal: &Shared) -> usize {
    journal.lock().unwrap().images.len()
}

/// Pushes and deletes with eight clients until the server is killed in the middle of it.
async fn crash_once(server: &mut Server, token: &str, rng: &mut StdRng, journal: &Shared) {
    let pushers: Vec<_> = (0..PUSHERS)
        .map(|pusher| {
            let (person, journal) = (server.bearer(token), journal.clone());
            let mut rng = StdRng::seed_from_u64(rng.random());
            tokio::spawn(async move {
                while push_image(&person, &mut rng, &journal, pusher).await.is_some() {
                    if rng.random_bool(0.2) {
                        delete_image(&person, &mut rng, &journal, pusher).await;
                    }
                }
            })
        })
        .collect();
    // After some pushes, however long they take here, and then somewhere in the next ones.
    let (before, wanted) = (pushed(journal), rng.random_range(0..6));
    let since = Instant::now();
    while pushed(journal) < before + wanted && since.elapsed() < LONGEST_CYCLE {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    tokio::time::sleep(Duration::from_micros(rng.random_range(0..100_000))).await;
    server.kill();
    for pusher in pushers {
        pusher.await.expect("no pusher was told anything wrong");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_push_is_lost_when_the_server_is_killed() {
    let quick = std::env::var_os("ROADSTEAD_TEST_QUICK").is_some();
    let crashes = std::env::var("ROADSTEAD_CRASHES").ok().and_then(|n| n.parse().ok());
    let crashes: usize = crashes.unwrap_or(if quick { 10 } else { 200 });
    let mut rng = content::rng();
    let journal = Shared::default();
    let mut server = Setup::new().start();
    let mut restarts = Vec::new();
    // A password would be verified anew after each crash, which takes longer than the crash.
    let scope = |n| format!("repository:library/crash-{n}:pull,push,delete");
    let scopes: Vec<String> = (0..PUSHERS).map(scope).collect();
    let (token, _) = server.admin().registry_token(&scopes.join(" ")).await;
    for crash in 0..crashes {
        let before: HashSet<String> = journal.lock().unwrap().images.keys().cloned().collect();
        crash_once(&mut server, &token, &mut rng, &journal).await;
        server.assert_clean(if crash % 25 == 24 { &["--deep"] } else { &[] });
        restarts.push(server.start());
        let person = server.bearer(&token);
        let images = journal.lock().unwrap().images.clone();
        // What is new after each crash, some of the rest, and in the end everything.
        let all = crash + 1 == crashes;
        for (digest, image) in &images {
            let fresh = !before.contains(digest);
            if fresh || all || rng.random_bool(0.05) {
                verify(&person, digest, image, fresh || all).await;
            }
        }
        verify_tags(&person, &journal).await;
    }
    restarts.sort();
    let slow = restarts[restarts.len() * 99 / 100];
    let pushed = journal.lock().unwrap().images.len();
    println!(
        "{crashes} crashes, {pushed} acknowledged images, restarts: median {:?}, p99 {slow:?}",
        restarts[restarts.len() / 2]
    );
    assert!(pushed >= crashes, "too few pushes to prove anything: {pushed}");
    assert!(slow < Duration::from_secs(1), "restarting took {slow:?}");
}
