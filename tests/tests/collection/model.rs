//! A model of the design in a hundred rows of SQL, on PostgreSQL and a store in memory whose every
//! step takes a random time; and the three designs that are tempting and wrong. If those do not
//! fail here, then passing proves nothing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use roadstead_tests::postgres::{Cluster, Fresh};
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, PgConnection};

mod collector;
mod pusher;

const PUSHERS: u64 = 10;
const COLLECTORS: u64 = 3;
/// How long the right design is tried, and a wrong one at most.
const RIGHT: Duration = Duration::from_secs(12);
const WRONG: Duration = Duration::from_mins(1);

/// A design.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Design {
    /// What the program does.
    Ours,
    /// The same without foreign keys.
    NoForeignKeys,
    /// Objects have the digest for their key; the row is deleted, then the object.
    DigestRowFirst,
    /// The same, but the object is deleted first, within the row's transaction.
    DigestObjectFirst,
}

impl Design {
    fn by_digest(self) -> bool {
        matches!(self, Self::DigestRowFirst | Self::DigestObjectFirst)
    }
}

/// Objects in memory.
#[derive(Default)]
struct Store(Mutex<HashMap<String, String>>);

impl Store {
    fn get(&self, key: &str) -> Option<String> {
        self.0.lock().unwrap().get(key).cloned()
    }

    async fn put(&self, rng: &mut StdRng, key: &str, content: &str) {
        latency(rng).await;
        self.0.lock().unwrap().insert(key.to_owned(), content.to_owned());
        latency(rng).await;
    }

    async fn delete(&self, rng: &mut StdRng, key: &str) {
        latency(rng).await;
        self.0.lock().unwrap().remove(key);
        latency(rng).await;
    }
}

async fn latency(rng: &mut StdRng) {
    if rng.random() {
        pause(rng, 8000).await;
    }
}

/// Up to so many microseconds.
async fn pause(rng: &mut StdRng, most: u64) {
    tokio::time::sleep(Duration::from_micros(rng.random_range(0..most))).await;
}

type Image = ((i32, String), Vec<String>);

/// A run of a design.
struct World {
    design: Design,
    _fresh: Fresh,
    pool: PgPool,
    store: Store,
    acknowledged: Mutex<HashMap<(i32, String), Vec<String>>>,
    pushed: AtomicU64,
    collected: AtomicU64,
    violations: AtomicU64,
    end: Instant,
}

impl World {
    fn goes_on(&self) -> bool {
        let found = self.violations.load(Ordering::Relaxed) > 0;
        Instant::now() < self.end && (self.design == Design::Ours || !found)
    }

    fn choose(&self, rng: &mut StdRng, take: bool) -> Option<Image> {
        let mut all = self.acknowledged.lock().unwrap();
        let keys: Vec<_> = all.keys().cloned().collect();
        let key = keys.choose(rng)?.clone();
        let layers = if take { all.remove(&key)? } else { all.get(&key)?.clone() };
        Some((key, layers))
    }

    /// Whether an image that is acknowledged can be read whole; one that is deleted meanwhile
    /// counts for nothing.
    async fn check(&self, ((repository, digest), layers): Image) -> sqlx::Result<()> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT b.digest, b.okey FROM manifests m JOIN manifest_blobs h ON h.manifest_id = m.id
             JOIN blobs b ON b.id = h.blob_id WHERE m.repo = $1 AND m.digest = $2",
        )
        .bind(repository)
        .bind(&digest)
        .fetch_all(&self.pool)
        .await?;
        let read: HashMap<_, _> =
            rows.into_iter().map(|(digest, key)| (digest, self.store.get(&key))).collect();
        let whole = layers.iter().all(|layer| read.get(layer) == Some(&Some(layer.clone())));
        let mut all = self.acknowledged.lock().unwrap();
        if !whole && all.remove(&(repository, digest)).is_some() {
            self.violations.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

async fn schema(pool: &PgPool, design: Design) {
    let keys = design != Design::NoForeignKeys;
    let references = |table: &str| if keys { format!("REFERENCES {table}") } else { String::new() };
    let unique = if design.by_digest() { "" } else { "UNIQUE" };
    let held = if keys {
        ", FOREIGN KEY (repo, blob_id) REFERENCES repo_blobs (repo, blob_id)"
    } else {
        ""
    };
    let text = format!(
        "CREATE TABLE blobs (id BIGSERIAL PRIMARY KEY, digest TEXT UNIQUE NOT NULL,
             okey TEXT NOT NULL {unique});
         CREATE TABLE repo_blobs (repo INT, blob_id BIGINT {}, lease_until TIMESTAMPTZ NOT NULL,
             PRIMARY KEY (repo, blob_id));
         CREATE TABLE manifests (id BIGSERIAL PRIMARY KEY, repo INT, digest TEXT,
             UNIQUE (repo, digest));
         CREATE TABLE manifest_blobs (
             manifest_id BIGINT REFERENCES manifests ON DELETE CASCADE, blob_id BIGINT {},
             repo INT, PRIMARY KEY (manifest_id, blob_id) {held});
         CREATE INDEX ON manifest_blobs (blob_id);
         CREATE TABLE tombstones (okey TEXT PRIMARY KEY);
         CREATE TABLE uploads (id TEXT PRIMARY KEY, okey TEXT,
             expires TIMESTAMPTZ DEFAULT now() + INTERVAL '60 ms');",
        references("blobs"),
        references("blobs"),
    );
    sqlx::raw_sql(AssertSqlSafe(text)).execute(pool).await.unwrap();
}

/// A failure that a client answers by trying again: a foreign key, a deadlock.
fn is_refusal(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code().map(String::from));
    matches!(code.as_deref(), Some("23503" | "23505" | "40P01" | "40001"))
}

async fn run(design: Design) -> Arc<World> {
    let fresh = Cluster::shared().database();
    let pool = PgPoolOptions::new().max_connections(24).connect(&fresh.url()).await.unwrap();
    schema(&pool, design).await;
    let limit = if design == Design::Ours { RIGHT } else { WRONG };
    let began = Instant::now();
    let world = Arc::new(World {
        design,
        _fresh: fresh,
        pool,
        store: Store::default(),
        acknowledged: Mutex::default(),
        pushed: AtomicU64::new(0),
        collected: AtomicU64::new(0),
        violations: AtomicU64::new(0),
        end: began + limit,
    });
    let mut seeds = roadstead_tests::content::rng();
    let mut rng = || StdRng::seed_from_u64(seeds.random());
    let pushers: Vec<_> =
        (0..PUSHERS).map(|_| tokio::spawn(pusher::run(world.clone(), rng()))).collect();
    let collectors: Vec<_> =
        (0..COLLECTORS).map(|_| tokio::spawn(collector::run(world.clone(), rng()))).collect();
    for task in pushers.into_iter().chain(collectors) {
        task.await.unwrap();
    }
    let left: Vec<Image> = world.acknowledged.lock().unwrap().clone().into_iter().collect();
    for image in left {
        world.check(image).await.unwrap();
    }
    println!(
        "{design:?}: {} pushes, {} blobs collected, {} violations in {:.1?}",
        world.pushed.load(Ordering::Relaxed),
        world.collected.load(Ordering::Relaxed),
        world.violations.load(Ordering::Relaxed),
        began.elapsed(),
    );
    world
}

async fn assert_fails(design: Design) {
    if std::env::var_os("ROADSTEAD_TEST_QUICK").is_some() {
        return;
    }
    // A machine with other work makes the races rare that it loses by.
    for _ in 0..ATTEMPTS {
        if run(design).await.violations.load(Ordering::Relaxed) > 0 {
            return;
        }
    }
    panic!("{design:?} was not caught");
}

/// How often a wrong design may be lucky.
const ATTEMPTS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn our_design_loses_nothing() {
    if std::env::var_os("ROADSTEAD_TEST_QUICK").is_some() {
        return;
    }
    let world = run(Design::Ours).await;
    assert_eq!(world.violations.load(Ordering::Relaxed), 0);
    assert!(world.collected.load(Ordering::Relaxed) > 20, "nothing was tried");
    let mut conn = world.pool.acquire().await.unwrap();
    let missing = keys(&mut conn, "SELECT okey FROM blobs").await;
    let missing = missing.iter().filter(|key| world.store.get(key).is_none()).count();
    let all = "SELECT okey FROM blobs UNION SELECT okey FROM tombstones
               UNION SELECT okey FROM uploads";
    let known: std::collections::HashSet<_> = keys(&mut conn, all).await.into_iter().collect();
    let orphans = world.store.0.lock().unwrap().keys().filter(|k| !known.contains(*k)).count();
    assert_eq!((missing, orphans), (0, 0), "rows without object, objects without row");
}

async fn keys(conn: &mut PgConnection, sql: &'static str) -> Vec<String> {
    let rows: Vec<(String,)> = sqlx::query_as(sql).fetch_all(conn).await.unwrap();
    rows.into_iter().map(|(key,)| key).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_foreign_keys_something_is_lost() {
    assert_fails(Design::NoForeignKeys).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_digests_for_keys_and_the_row_first_something_is_lost() {
    assert_fails(Design::DigestRowFirst).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_digests_for_keys_and_the_object_first_something_is_lost() {
    assert_fails(Design::DigestObjectFirst).await;
}
