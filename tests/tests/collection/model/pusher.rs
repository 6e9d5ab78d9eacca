//! Those who push, mount, delete and check.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::index::sample;
use sqlx::Row as _;

use super::{Design, World, is_refusal, pause};

const REPOSITORIES: i32 = 3;
const LAYERS: usize = 16;
/// In microseconds.
const LEASE: u64 = 20_000;

pub async fn run(world: Arc<World>, mut rng: StdRng) {
    while world.goes_on() {
        match act(&world, &mut rng).await {
            Err(error) if !is_refusal(&error) => panic!("{error}"),
            _ => {}
        }
    }
}

async fn act(world: &World, rng: &mut StdRng) -> sqlx::Result<()> {
    let few = world.acknowledged.lock().unwrap().len() < 5;
    let what = if few { 0.0 } else { rng.random_range(0.55..1.0) };
    if what < 0.6 {
        return push(world, rng).await;
    }
    let delete = what < 0.95;
    let Some(image) = world.choose(rng, delete) else {
        return Ok(());
    };
    if !delete {
        return world.check(image).await;
    }
    let (repository, digest) = image.0;
    sqlx::query("DELETE FROM manifests WHERE repo = $1 AND digest = $2")
        .bind(repository)
        .bind(digest)
        .execute(&world.pool)
        .await?;
    Ok(())
}

async fn push(world: &World, rng: &mut StdRng) -> sqlx::Result<()> {
    let repository = rng.random_range(0..REPOSITORIES);
    let count = rng.random_range(1..=3);
    let layers: Vec<String> =
        sample(rng, LAYERS, count).into_iter().map(|number| format!("L{number}")).collect();
    for layer in &layers {
        if head(world, repository, layer).await? {
            continue;
        }
        let from = rng.random_range(0..REPOSITORIES);
        if rng.random_range(0..10) < 4 && mount(world, from, repository, layer).await? {
            continue;
        }
        upload(world, rng, repository, layer).await?;
    }
    if rng.random_range(0..10) < 3 {
        pause(rng, LEASE * 3 / 2).await;
    }
    let digest = format!("{:032x}", rng.random::<u128>());
    if put(world, rng, repository, &layers, &digest).await? {
        world.acknowledged.lock().unwrap().insert((repository, digest), layers);
        world.pushed.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

async fn head(world: &World, repository: i32, layer: &str) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "UPDATE repo_blobs l SET lease_until = now() + INTERVAL '20 ms' FROM blobs b
         WHERE b.id = l.blob_id AND l.repo = $1 AND b.digest = $2",
    )
    .bind(repository)
    .bind(layer)
    .execute(&world.pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

async fn link(conn: &mut sqlx::PgConnection, repository: i32, blob: i64) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO repo_blobs VALUES ($1, $2, now() + INTERVAL '20 ms')
         ON CONFLICT (repo, blob_id) DO UPDATE SET lease_until = excluded.lease_until",
    )
    .bind(repository)
    .bind(blob)
    .execute(conn)
    .await?;
    Ok(())
}

async fn mount(world: &World, from: i32, to: i32, layer: &str) -> sqlx::Result<bool> {
    let mut tx = world.pool.begin().await?;
    let row = sqlx::query(
        "SELECT b.id FROM repo_blobs l JOIN blobs b ON b.id = l.blob_id
         WHERE l.repo = $1 AND b.digest = $2 FOR KEY SHARE OF b",
    )
    .bind(from)
    .bind(layer)
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else { return Ok(false) };
    link(&mut tx, to, row.get(0)).await?;
    tx.commit().await?;
    Ok(true)
}

async fn upload(world: &World, rng: &mut StdRng, repository: i32, layer: &str) -> sqlx::Result<()> {
    let id = format!("{:032x}", rng.random::<u128>());
    let by_digest = world.design.by_digest();
    let key = if by_digest { format!("cas/{layer}") } else { format!("o/{id}") };
    sqlx::query("INSERT INTO uploads VALUES ($1, $2)")
        .bind(&id)
        .bind(&key)
        .execute(&world.pool)
        .await?;
    // With digests for keys the write is left out when the object is there already.
    if by_digest && world.store.get(&key).is_some() {
        super::latency(rng).await;
    } else {
        world.store.put(rng, &key, layer).await;
    }
    let mut tx = world.pool.begin().await?;
    let closed = sqlx::query("DELETE FROM uploads WHERE id = $1").bind(&id);
    if closed.execute(&mut *tx).await?.rows_affected() != 1 {
        return Ok(());
    }
    let made = sqlx::query(
        "INSERT INTO blobs (digest, okey) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING
         RETURNING id",
    )
    .bind(layer)
    .bind(&key)
    .fetch_optional(&mut *tx)
    .await?;
    let blob: i64 = if let Some(row) = made {
        row.get(0)
    } else {
        let known = sqlx::query("SELECT id FROM blobs WHERE digest = $1 FOR KEY SHARE").bind(layer);
        let Some(row) = known.fetch_optional(&mut *tx).await? else { return Ok(()) };
        if !by_digest {
            let buried = sqlx::query("INSERT INTO tombstones VALUES ($1)").bind(&key);
            buried.execute(&mut *tx).await?;
        }
        row.get(0)
    };
    link(&mut tx, repository, blob).await?;
    tx.commit().await
}

async fn put(
    world: &World,
    rng: &mut StdRng,
    repository: i32,
    layers: &[String],
    digest: &str,
) -> sqlx::Result<bool> {
    let mut tx = world.pool.begin().await?;
    let mut found: Vec<(i64,)> = sqlx::query_as(
        "SELECT b.id FROM repo_blobs l JOIN blobs b ON b.id = l.blob_id
         WHERE l.repo = $1 AND b.digest = ANY($2)",
    )
    .bind(repository)
    .bind(layers)
    .fetch_all(&mut *tx)
    .await?;
    if found.len() != layers.len() {
        return Ok(false);
    }
    found.sort_unstable();
    let id: i64 = sqlx::query("INSERT INTO manifests (repo, digest) VALUES ($1, $2) RETURNING id")
        .bind(repository)
        .bind(digest)
        .fetch_one(&mut *tx)
        .await?
        .get(0);
    if rng.random_range(0..10) < 3 {
        let window = if world.design == Design::NoForeignKeys { 30_000 } else { 4000 };
        pause(rng, window).await;
    }
    for (blob,) in found {
        sqlx::query("INSERT INTO manifest_blobs VALUES ($1, $2, $3)")
            .bind(id)
            .bind(blob)
            .bind(repository)
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await?;
    Ok(true)
}
