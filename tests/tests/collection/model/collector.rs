//! Those who collect.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;

use super::{Design, World, is_refusal, pause};

pub async fn run(world: Arc<World>, mut rng: StdRng) {
    while world.goes_on() {
        for result in [
            links(&world).await,
            blobs(&world, &mut rng).await,
            sessions(&world).await,
            objects(&world, &mut rng).await,
        ] {
            match result {
                Err(error) if !is_refusal(&error) => panic!("{error}"),
                _ => {}
            }
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn links(world: &World) -> sqlx::Result<()> {
    sqlx::query(
        "DELETE FROM repo_blobs l WHERE (repo, blob_id) IN (
             SELECT repo, blob_id FROM repo_blobs WHERE lease_until < now()
             ORDER BY repo, blob_id LIMIT 20 FOR UPDATE SKIP LOCKED)
         AND NOT EXISTS (SELECT 1 FROM manifest_blobs h
                         WHERE h.repo = l.repo AND h.blob_id = l.blob_id)",
    )
    .execute(&world.pool)
    .await?;
    Ok(())
}

async fn blobs(world: &World, rng: &mut StdRng) -> sqlx::Result<()> {
    let mut found: Vec<(i64, String)> = sqlx::query_as(
        "SELECT id, okey FROM blobs b
         WHERE NOT EXISTS (SELECT 1 FROM repo_blobs l WHERE l.blob_id = b.id)
           AND NOT EXISTS (SELECT 1 FROM manifest_blobs h WHERE h.blob_id = b.id)",
    )
    .fetch_all(&world.pool)
    .await?;
    found.shuffle(rng);
    for (id, key) in found {
        if rng.random_range(0..10) < 3 {
            pause(rng, 3000).await;
        }
        let gone = if world.design == Design::DigestObjectFirst {
            object_first(world, rng, id, &key).await
        } else {
            row_first(world, rng, id).await
        };
        match gone {
            Ok(true) => {
                world.collected.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) if !is_refusal(&error) => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

async fn row_first(world: &World, rng: &mut StdRng, id: i64) -> sqlx::Result<bool> {
    let mut tx = world.pool.begin().await?;
    let gone: Option<(String,)> = sqlx::query_as(
        "DELETE FROM blobs b WHERE id = $1
           AND NOT EXISTS (SELECT 1 FROM repo_blobs l WHERE l.blob_id = b.id)
           AND NOT EXISTS (SELECT 1 FROM manifest_blobs h WHERE h.blob_id = b.id)
         RETURNING okey",
    )
    .bind(id)
    .fetch_optional(&mut *tx)
    .await?;
    let Some((key,)) = gone else { return Ok(false) };
    if !world.design.by_digest() {
        let buried = sqlx::query("INSERT INTO tombstones VALUES ($1)").bind(&key);
        buried.execute(&mut *tx).await?;
    }
    tx.commit().await?;
    if world.design.by_digest() {
        world.store.delete(rng, &key).await;
    }
    Ok(true)
}

async fn object_first(world: &World, rng: &mut StdRng, id: i64, key: &str) -> sqlx::Result<bool> {
    let mut tx = world.pool.begin().await?;
    let used: Option<(i32,)> = sqlx::query_as(
        "SELECT 1 FROM repo_blobs WHERE blob_id = $1
         UNION ALL SELECT 1 FROM manifest_blobs WHERE blob_id = $1 LIMIT 1",
    )
    .bind(id)
    .fetch_optional(&mut *tx)
    .await?;
    if used.is_some() {
        return Ok(false);
    }
    world.store.delete(rng, key).await;
    let gone = sqlx::query("DELETE FROM blobs WHERE id = $1").bind(id).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(gone.rows_affected() == 1)
}

async fn sessions(world: &World) -> sqlx::Result<()> {
    if world.design.by_digest() {
        return Ok(());
    }
    sqlx::query(
        "WITH gone AS (DELETE FROM uploads WHERE id IN (
             SELECT id FROM uploads WHERE expires < now() LIMIT 20 FOR UPDATE SKIP LOCKED)
             RETURNING okey)
         INSERT INTO tombstones SELECT okey FROM gone",
    )
    .execute(&world.pool)
    .await?;
    Ok(())
}

async fn objects(world: &World, rng: &mut StdRng) -> sqlx::Result<()> {
    let found: Vec<(String,)> =
        sqlx::query_as("SELECT okey FROM tombstones LIMIT 50").fetch_all(&world.pool).await?;
    for (key,) in &found {
        world.store.delete(rng, key).await;
    }
    let keys: Vec<String> = found.into_iter().map(|(key,)| key).collect();
    sqlx::query("DELETE FROM tombstones WHERE okey = ANY($1)")
        .bind(keys)
        .execute(&world.pool)
        .await?;
    Ok(())
}
