//! Pushes against collection, in the built binary: leases of 20 ms, no grace, three workers without
//! a pause. What was acknowledged and not deleted is there, whole, all the time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::index::sample;
use rand::{Rng as _, SeedableRng as _};
use roadstead_tests::content::{MANIFEST, image, sha256};
use roadstead_tests::http::{Person, with_query};
use roadstead_tests::{Server, Setup};
use serde_json::json;

const PUSHERS: u64 = 10;
const REPOSITORIES: [&str; 3] = ["library/a", "library/b", "library/c"];
const LAYERS: usize = 16;
const LEASE: Duration = Duration::from_millis(20);
/// How many images live at a time.
const FEW: usize = 15;
const MANY: usize = 200;
/// The longest that one engine may take.
const LIMIT: Duration = Duration::from_mins(20);

/// What was acknowledged: where, the manifest, its layers.
type Acknowledged = HashMap<String, (usize, Vec<usize>)>;

#[derive(Default)]
struct Counts {
    pushed: AtomicU64,
    rejected: AtomicU64,
    uploaded: AtomicU64,
    mounted: AtomicU64,
    deleted: AtomicU64,
    checked: AtomicU64,
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// How old a token becomes.
const RENEWAL: Duration = Duration::from_mins(3);

/// What a token of a pusher is for.
fn scopes() -> String {
    let scope = |repository: &&str| format!("repository:{repository}:pull,push,delete");
    REPOSITORIES.iter().map(scope).collect::<Vec<_>>().join(" ")
}

fn layer(number: usize) -> Vec<u8> {
    format!("layer {number} ").repeat(20).into_bytes()
}

/// One of those who push, delete and check.
struct Pusher {
    admin: Person,
    /// With a token, which is renewed in time.
    person: Person,
    renewed: Instant,
    rng: StdRng,
    acknowledged: Arc<Mutex<Acknowledged>>,
    counts: Arc<Counts>,
    wanted: u64,
    deadline: Instant,
}

impl Pusher {
    async fn run(mut self) {
        while self.counts.pushed.load(Ordering::Relaxed) < self.wanted {
            assert!(Instant::now() < self.deadline, "too slow: {}", self.figures());
            self.renew().await;
            let live = self.acknowledged.lock().unwrap().len();
            // For a tenth of all pushes few images live at a time, so that every layer comes and
            // goes; that takes most of the time.
            let most = if self.figures() % 1000 < 100 { FEW } else { MANY };
            match self.rng.random_range(0..100) {
                0..60 if live < most => self.push().await,
                0..95 => self.delete().await,
                _ => {
                    let found = self.choose(false);
                    self.check(found).await;
                }
            }
        }
    }

    async fn renew(&mut self) {
        if self.renewed.elapsed() > RENEWAL {
            let (token, _) = self.admin.registry_token(&scopes()).await;
            self.person = self.admin.bearing(&token);
            self.renewed = Instant::now();
        }
    }

    fn figures(&self) -> u64 {
        self.counts.pushed.load(Ordering::Relaxed)
    }

    /// One of what is acknowledged; taken out of it when it is about to be deleted.
    fn choose(&mut self, take: bool) -> Option<(String, (usize, Vec<usize>))> {
        let mut all = self.acknowledged.lock().unwrap();
        // The first of a hash map's iteration is as good as any.
        let (key, value) = all.iter().next().map(|(k, v)| (k.clone(), v.clone()))?;
        if take {
            all.remove(&key);
        }
        Some((key, value))
    }

    async fn push(&mut self) {
        let place = self.rng.random_range(0..REPOSITORIES.len());
        let count = self.rng.random_range(1..=3);
        let layers = sample(&mut self.rng, LAYERS, count).into_vec();
        for number in &layers {
            self.provide(place, *number).await;
        }
        if self.rng.random_range(0..10) < 3 {
            let most = u64::try_from(LEASE.as_micros()).unwrap() * 3 / 2;
            tokio::time::sleep(Duration::from_micros(self.rng.random_range(0..most))).await;
        }
        let bytes: Vec<Vec<u8>> = layers.iter().map(|number| layer(*number)).collect();
        let rest: Vec<&[u8]> = bytes[1..].iter().map(Vec::as_slice).collect();
        let mut manifest = image(&bytes[0], &rest);
        manifest["annotations"] = json!({"push": self.rng.random::<u128>().to_string()});
        let manifest = manifest.to_string();
        let digest = sha256(manifest.as_bytes());
        let by_tag = format!("t{}", &digest[7..23]);
        let reference = if self.rng.random() { &by_tag } else { &digest };
        let repository = REPOSITORIES[place];
        let answer = self.person.put_manifest(repository, reference, MANIFEST, manifest).await;
        match answer.status().as_u16() {
            201 => {
                self.acknowledged.lock().unwrap().insert(digest, (place, layers));
                add(&self.counts.pushed);
            }
            // A layer's lease ended before its manifest came.
            404 => add(&self.counts.rejected),
            other => panic!("{other}: {}", answer.text().await.unwrap()),
        }
    }

    /// Sees that a layer is there, as clients do: asks, mounts, uploads.
    async fn provide(&mut self, place: usize, number: usize) {
        let repository = REPOSITORIES[place];
        let bytes = layer(number);
        let digest = sha256(&bytes);
        let known = self.person.head(&format!("/v2/{repository}/blobs/{digest}")).await.status();
        if known == 200 {
            return;
        }
        assert_eq!(known, 404);
        let uploads = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
        if self.rng.random_range(0..10) < 4 {
            let from = REPOSITORIES[self.rng.random_range(0..REPOSITORIES.len())];
            let mount = format!("/v2/{repository}/blobs/uploads/?mount={digest}&from={from}");
            let answer = self.person.send("POST", &mount).send().await.unwrap();
            if answer.status() == 201 {
                return add(&self.counts.mounted);
            }
            assert_eq!(answer.status(), 202, "{}", answer.text().await.unwrap());
            let location = roadstead_tests::http::header(&answer, "location");
            let url = with_query(&location, &format!("digest={digest}"));
            let answer = self.person.send("PUT", &url).body(bytes).send().await.unwrap();
            assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
        } else {
            let answer = self.person.send("POST", &uploads).body(bytes).send().await.unwrap();
            assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
        }
        add(&self.counts.uploaded);
    }

    async fn delete(&mut self) {
        let Some((digest, (place, _))) = self.choose(true) else { return };
        let path = format!("/v2/{}/manifests/{digest}", REPOSITORIES[place]);
        let answer = self.person.delete(&path).await;
        assert_eq!(answer.status(), 202, "{}", answer.text().await.unwrap());
        add(&self.counts.deleted);
    }

    /// Reads an image whole; what somebody deletes meanwhile counts for nothing.
    async fn check(&self, found: Option<(String, (usize, Vec<usize>))>) {
        let Some((digest, (place, layers))) = found else { return };
        let wrong = self.fault_of(&digest, place, &layers).await;
        if self.acknowledged.lock().unwrap().contains_key(&digest) {
            assert_eq!(wrong, None, "VIOLATION in {digest} of {}", REPOSITORIES[place]);
            add(&self.counts.checked);
        }
    }

    async fn fault_of(&self, digest: &str, place: usize, layers: &[usize]) -> Option<String> {
        let repository = REPOSITORIES[place];
        let answer = self.person.get(&format!("/v2/{repository}/manifests/{digest}")).await;
        if answer.status() != 200 || sha256(&answer.bytes().await.unwrap()) != digest {
            return Some("the manifest".to_owned());
        }
        for number in layers {
            let bytes = layer(*number);
            let path = format!("/v2/{repository}/blobs/{}", sha256(&bytes));
            let answer = self.person.get(&path).await;
            if answer.status() != 200 || answer.bytes().await.ok().as_deref() != Some(&bytes) {
                return Some(format!("layer {number}"));
            }
        }
        None
    }
}

async fn race(server: &Server, what: &str, wanted: u64) {
    let mut seeds = roadstead_tests::content::rng();
    let (token, _) = server.admin().registry_token(&scopes()).await;
    let (acknowledged, counts) = (Arc::<Mutex<Acknowledged>>::default(), Arc::<Counts>::default());
    let began = Instant::now();
    let pusher = |seed: u64| Pusher {
        admin: server.admin(),
        person: server.bearer(&token),
        renewed: began,
        rng: StdRng::seed_from_u64(seed),
        acknowledged: acknowledged.clone(),
        counts: counts.clone(),
        wanted,
        deadline: began + LIMIT,
    };
    let tasks: Vec<_> =
        (0..PUSHERS).map(|_| tokio::spawn(pusher(rand::Rng::random(&mut seeds)).run())).collect();
    for task in tasks {
        task.await.unwrap();
    }
    let took = began.elapsed();
    let left: Vec<_> = acknowledged.lock().unwrap().clone().into_iter().collect();
    let parts = left.chunks(left.len().div_ceil(8).max(1)).map(|part| {
        let (part, mut reader) = (part.to_vec(), pusher(0));
        tokio::spawn(async move {
            reader.renew().await;
            for image in part {
                reader.check(Some(image)).await;
            }
        })
    });
    for part in parts.collect::<Vec<_>>() {
        part.await.unwrap();
    }
    let database = server.database().await;
    let collected = database.number("SELECT COALESCE(MAX(id), 0) FROM blob").await
        - database.number("SELECT COUNT(*) FROM blob").await;
    database.close().await;
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    println!(
        "{what}: {} pushes acknowledged in {took:.1?}, {} rejected, {} uploads, {} mounts, {} \
         deletes, {} images checked, {collected} blobs collected, 0 violations",
        count(&counts.pushed),
        count(&counts.rejected),
        count(&counts.uploaded),
        count(&counts.mounted),
        count(&counts.deleted),
        count(&counts.checked),
    );
    assert!(collected > 0, "nothing was collected, so nothing was tried");
}

fn hasty(setup: Setup) -> Server {
    setup
        .env("ROADSTEAD_JOB_INTERVAL", "10ms")
        .env("ROADSTEAD_BLOB_LEASE", "20ms")
        .env("ROADSTEAD_DELETION_GRACE", "0s")
        .env("ROADSTEAD_UNDELETE_WINDOW", "50ms")
        .env("ROADSTEAD_COLLECTION_RATE", "0")
        .env("ROADSTEAD_COLLECTION_WORKERS", "3")
        .env("ROADSTEAD_LOG", "warn")
        .start()
}

/// How many pushes there are on both engines; `ROADSTEAD_RACES` sets it.
fn pushes() -> u64 {
    let quick = std::env::var_os("ROADSTEAD_TEST_QUICK").is_some();
    let usual = if quick { 1000 } else { 20_000 };
    let all = std::env::var("ROADSTEAD_RACES").ok().and_then(|number| number.parse().ok());
    all.unwrap_or(usual)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_push_loses_a_race_on_sqlite() {
    race(&hasty(Setup::new().sqlite()), "SQLite", pushes() * 3 / 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_push_loses_a_race_on_postgresql() {
    if std::env::var_os("ROADSTEAD_TEST_QUICK").is_some() {
        return;
    }
    race(&hasty(Setup::new().postgres()), "PostgreSQL", pushes() / 4).await;
}
