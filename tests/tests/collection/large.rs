//! Stores with many blobs, which nobody has the time to push.

use std::time::Duration;

use roadstead_tests::content::{MANIFEST, image};
use roadstead_tests::{Server, Setup, free_port};

use super::holds::Holds;
use super::stage::on_demand;

/// In how many repositories the blobs are.
const REPOSITORIES: usize = 100;

/// How large a store is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub blobs: usize,
    /// Blobs without a manifest, whose lease has ended.
    pub garbage: usize,
}

/// What the two engines write differently.
struct Dialect {
    /// Before and after everything.
    frame: [&'static str; 2],
    /// Where a statement gives ids.
    own_ids: &'static str,
    bytes: &'static str,
    hexadecimal: fn(&str, usize) -> String,
}

const SQLITE: Dialect = Dialect {
    frame: ["PRAGMA foreign_keys = OFF; BEGIN;", "COMMIT;"],
    own_ids: "",
    bytes: "x'7b7d'",
    hexadecimal: |number, width| format!("printf('%0{width}x', {number})"),
};

const POSTGRES: Dialect = Dialect {
    frame: [
        "BEGIN; SET LOCAL session_replication_role = replica;",
        "SELECT setval(pg_get_serial_sequence(name, 'id'), 10000000)
             FROM (VALUES ('repository'), ('blob'), ('manifest')) names (name);
         COMMIT; ANALYZE;",
    ],
    own_ids: "OVERRIDING SYSTEM VALUE",
    bytes: "'\\x7b7d'::bytea",
    hexadecimal: |number, width| format!("lpad(to_hex({number}), {width}, '0')"),
};

/// Rows of a store, images of ten layers each, in place of what the server had. The objects are not
/// there: collection must not need those that live, and deletes the others if they are there.
fn rows(Size { blobs, garbage }: Size, dialect: &Dialect) -> String {
    let live = blobs - garbage;
    let numbers = |last: usize| {
        format!(
            "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {})",
            last - 1
        )
    };
    let r = REPOSITORIES;
    let (all, repositories) = (numbers(blobs), numbers(r));
    let images = numbers(live / 10);
    let Dialect { frame: [before, after], own_ids, bytes, hexadecimal } = dialect;
    let digest = hexadecimal("i", 64);
    let (shard, number) = (hexadecimal("i % 256", 2), hexadecimal("i", 10));
    format!(
        "{before}
         {repositories} INSERT INTO repository (id, project_id, name, created_at, updated_at)
             {own_ids} SELECT 1000 + i, 1, 'library/r' || i, 0, 0 FROM n;
         {all} INSERT INTO blob (id, digest, size, okey, verified_at, created_at) {own_ids}
             SELECT 1000 + i, 'sha256:' || {digest}, 1, 'b/' || {shard}
                 || '/01900000-0000-7000-8000-' || {number} || {shard}, 0, 0 FROM n;
         {all} INSERT INTO repo_blob (repo_id, blob_id, lease_until)
             SELECT 1000 + i % {r}, 1000 + i, 0 FROM n;
         INSERT INTO project_blob (project_id, blob_id)
             SELECT 1, id FROM blob WHERE id >= 1000;
         {images} INSERT INTO manifest
                 (id, repo_id, digest, media_type, is_index, bytes, size, created_at) {own_ids}
             SELECT 1000 + i, 1000 + i % {r}, 'sha256:' || {digest}, '{MANIFEST}', FALSE,
                 {bytes}, 2, 0 FROM n;
         {images}, k (j) AS (SELECT 0 UNION ALL SELECT j + 1 FROM k WHERE j < 9)
             INSERT INTO manifest_blob (manifest_id, repo_id, blob_id)
             SELECT 1000 + i, 1000 + i % {r}, 1000 + (i / {r}) * 10 * {r} + j * {r} + i % {r}
             FROM n, k;
         INSERT INTO tag (repo_id, name, manifest_id, created_at, updated_at)
             SELECT repo_id, 'v' || id, id, 0, 0 FROM manifest WHERE id >= 1000;
         INSERT INTO gc_queue (kind, target_id, repo_id, not_before)
             SELECT 'link', blob_id, repo_id, 0 FROM repo_blob WHERE blob_id >= {};
         UPDATE project_usage SET used = used + {blobs} + 2 * {} WHERE project_id = 1; {after}",
        1000 + live,
        live / 10,
    )
}

/// A store with a real image in it, how long it took to be ready after a kill, and where its
/// transactions of collection are measured.
pub async fn store(size: Size, rate: &str, on: fn(Setup) -> Setup) -> (Server, Duration, Holds) {
    let port = free_port();
    let mut server = on(on_demand())
        .env("ROADSTEAD_COLLECTION_RATE", rate)
        .env("ROADSTEAD_LOG", "warn")
        // It would find that the objects are not there.
        .env("ROADSTEAD_SCRUB_INTERVAL", "off")
        .env("ROADSTEAD_ADMIN_LISTEN", format!("127.0.0.1:{port}"))
        .start();
    server.damaged_on_purpose();
    server.admin().push_image("library/real", "v1", b"a layer that is there").await;
    server.admin().push_blob("library/real", b"{}").await;
    let manifest = image(b"{}", &[]).to_string();
    let put = server.admin().put_manifest("library/real", "small", MANIFEST, manifest).await;
    assert_eq!(put.status(), 201);
    let dialect = if server.is_on_postgres() { &POSTGRES } else { &SQLITE };
    let database = server.database().await;
    database.execute(&rows(size, dialect), &[]).await;
    database.close().await;
    server.kill();
    let ready = server.start();
    (server, ready, Holds::of(port))
}
