//! A hundred thousand rows of each kind, which nobody has the time to push.

use std::time::Instant;

use roadstead_tests::Server;
use roadstead_tests::content::MANIFEST;

/// How many rows each list has.
pub const ROWS: i64 = 100_000;
/// How many referrers the subject has.
pub const REFERRERS: i64 = 10_000;
/// The id of the first artifact of `library/many`, and of the repositories of `wide`.
pub const FIRST: i64 = 1_000_000;
pub const FIRST_REFERRER: i64 = 3_000_000;
/// Where the ids of what is in short lists begin.
const FEW: i64 = 4_000_000;
/// What only indexes name comes behind.
const CHILDREN: i64 = 10_000;

/// What the two engines write differently.
struct Dialect {
    /// Before everything: nobody minds if these rows are lost with the machine.
    before: &'static str,
    own_ids: &'static str,
    bytes: &'static str,
    hexadecimal: &'static str,
    /// Behind everything, each by itself: nothing else makes rows in such numbers and looks at them
    /// before the database has cleaned up.
    after: &'static [&'static str],
}

const SQLITE: Dialect = Dialect {
    before: "PRAGMA synchronous = OFF",
    own_ids: "",
    bytes: "x'7b7d'",
    hexadecimal: "printf('%064x', i)",
    after: &["PRAGMA wal_checkpoint(TRUNCATE)"],
};

const POSTGRES: Dialect = Dialect {
    before: "SELECT 1",
    own_ids: "OVERRIDING SYSTEM VALUE",
    bytes: "'\\x7b7d'::bytea",
    hexadecimal: "lpad(to_hex(i), 64, '0')",
    after: &[
        "SELECT setval(pg_get_serial_sequence(name, 'id'), 10000000)
             FROM (VALUES ('repository'), ('manifest'), ('audit_log')) names (name)",
        "VACUUM ANALYZE",
    ],
};

/// The digest of the manifest that was made with this number.
pub fn digest(number: i64) -> String {
    format!("sha256:{number:064x}")
}

/// Rows for the lists, three of each in the same moment.
fn rows(dialect: &Dialect) -> String {
    let Dialect { own_ids, bytes, hexadecimal, .. } = dialect;
    let numbers = |last: i64| {
        format!(
            "WITH RECURSIVE n (i) AS (SELECT CAST(0 AS BIGINT)
                UNION ALL SELECT i + 1 FROM n WHERE i < {})",
            last - 1
        )
    };
    let (all, children, referrers) = (numbers(ROWS), numbers(CHILDREN), numbers(REFERRERS));
    let manifest = "INSERT INTO manifest (id, repo_id, digest, media_type, is_index, bytes, size,
                        created_at, kind, subject_digest, accessory_of, accessory_type)";
    let at = "1700000000000000 + i / 3 * 1000000";
    let columns = format!("'sha256:' || {hexadecimal}, '{MANIFEST}'");
    let subject = digest(7);
    let wide = FIRST + ROWS + CHILDREN;
    format!(
        "INSERT INTO repository (id, project_id, name, created_at, updated_at) {own_ids} VALUES
             (900001, 1, 'library/many', 0, 0), (900002, 1, 'library/tagged', 0, 0),
             (900003, 1, 'library/subject', 0, 0);
         {all} {manifest} {own_ids} SELECT {FIRST} + i, 900001, {columns}, i % 10 = 0, {bytes}, 2,
             {at}, 'IMAGE', NULL, NULL, NULL FROM n;
         {children} {manifest} {own_ids} SELECT {FIRST} + {ROWS} + i, 900001,
             'sha256:c' || substr({hexadecimal}, 2), '{MANIFEST}', FALSE, {bytes}, 2, {at}, 'IMAGE',
             NULL, NULL, NULL FROM n;
         {children} INSERT INTO manifest_child (parent_id, child_id)
             SELECT {FIRST} + i * 10, {FIRST} + {ROWS} + i FROM n;
         {manifest} {own_ids} VALUES (900002, 900002, '{subject}', '{MANIFEST}', FALSE, {bytes}, 2,
             0, 'IMAGE', NULL, NULL, NULL), (900003, 900003, '{subject}', '{MANIFEST}', FALSE,
             {bytes}, 2, 0, 'IMAGE', NULL, NULL, NULL);
         {all} INSERT INTO tag (repo_id, name, manifest_id, created_at, updated_at)
             SELECT 900002, 't' || ({FIRST} + i), 900002, 0, {at} FROM n;
         INSERT INTO tag (repo_id, name, manifest_id, created_at, updated_at)
             SELECT 900001, 't' || id, id, 0, 0 FROM manifest
             WHERE repo_id = 900001 AND id % 20 = 0 AND id < {FIRST} + {ROWS};
         {all} INSERT INTO repository (id, project_id, name, created_at, updated_at) {own_ids}
             SELECT {wide} + i, (SELECT id FROM project WHERE name = 'wide'),
                 'wide/r' || ({FIRST} + i), {at}, 0 FROM n;
         {all} {manifest} {own_ids} SELECT {wide} + i, {wide} + i, {columns}, FALSE, {bytes}, 2, {at},
             'IMAGE', NULL, NULL, NULL FROM n;
         {referrers} {manifest} {own_ids} SELECT {FIRST_REFERRER} + i, 900003,
             'sha256:e' || substr({hexadecimal}, 2), '{MANIFEST}', FALSE, {bytes}, 2, {at},
             'SIGNATURE', '{subject}', '{subject}', 'signature.cosign' FROM n;
         {all} INSERT INTO audit_log
                 (id, at, actor, address, request_id, project_id, resource_type, resource, operation)
             {own_ids} SELECT {FIRST} + i, {at}, 'admin', '127.0.0.1', 'one',
                 (SELECT id FROM project WHERE name = 'wide'), 'artifact',
                 'wide/r1@sha256:' || {hexadecimal}, 'create' FROM n;"
    )
}

/// The same for lists that fit on one page: `library/few`, `library/barely`, and the project `narrow`.
fn few(dialect: &Dialect) -> String {
    let Dialect { own_ids, hexadecimal, .. } = dialect;
    let manifest = "INSERT INTO manifest (id, repo_id, digest, media_type, is_index, bytes, size,
                        created_at, kind)";
    let some = "WITH RECURSIVE n (i) AS (SELECT CAST(0 AS BIGINT)
                    UNION ALL SELECT i + 1 FROM n WHERE i < 99)";
    let columns = format!("'sha256:' || {hexadecimal}, '{MANIFEST}', FALSE, {}", dialect.bytes);
    let (first, narrow) = (FEW, "(SELECT id FROM project WHERE name = 'narrow')");
    format!(
        "INSERT INTO repository (id, project_id, name, created_at, updated_at) {own_ids} VALUES
             (900004, 1, 'library/few', 0, 0), (900005, 1, 'library/barely', 0, 0);
         {some} {manifest} {own_ids}
             SELECT {first} + i, 900004, {columns}, 2, i, 'IMAGE' FROM n;
         {some} {manifest} {own_ids}
             SELECT 900005, 900005, {columns}, 2, 0, 'IMAGE' FROM n WHERE i = 7;
         {some} INSERT INTO tag (repo_id, name, manifest_id, created_at, updated_at)
             SELECT 900005, 't' || i, 900005, 0, i FROM n;
         {some} INSERT INTO repository (id, project_id, name, created_at, updated_at) {own_ids}
             SELECT {first} + i, {narrow}, 'narrow/r' || i, i, 0 FROM n;
         {some} {manifest} {own_ids}
             SELECT {first} + 1000 + i, {first} + i, {columns}, 2, i, 'IMAGE' FROM n;
         {some} INSERT INTO audit_log
                 (id, at, actor, address, request_id, project_id, resource_type, resource, operation)
             {own_ids} SELECT {first} + i, i, 'admin', '127.0.0.1', 'one', {narrow}, 'artifact',
                 'narrow/r1@sha256:' || {hexadecimal}, 'create' FROM n;"
    )
}

/// Fills the database of a server that has nothing.
pub async fn fill(server: &mut Server) {
    // There are no objects, and no manifest is what its digest says.
    server.damaged_on_purpose();
    server.admin().create_project("wide", true).await;
    server.admin().create_project("narrow", true).await;
    let dialect = if server.is_on_postgres() { &POSTGRES } else { &SQLITE };
    let since = Instant::now();
    let database = server.database().await;
    database
        .execute(
            &format!("{}; BEGIN; {} {} COMMIT;", dialect.before, rows(dialect), few(dialect)),
            &[],
        )
        .await;
    for statement in dialect.after {
        database.execute(statement, &[]).await;
    }
    database.close().await;
    println!("filled in {:?}", since.elapsed());
}
