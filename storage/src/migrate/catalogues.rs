//! What both engines made of their migrations, compared by their own catalogues.

use std::collections::BTreeSet;

use crate::Db;
use crate::testing::{database, on_both_engines};

/// (table, column, kind of value, whether it may be missing).
const SQLITE_COLUMNS: &str = "SELECT m.name, c.name, LOWER(c.type),
        CAST(c.\"notnull\" = 0 AND c.pk = 0 AS TEXT)
     FROM sqlite_master m JOIN pragma_table_info(m.name) c
     WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name <> '_sqlx_migrations'";
const POSTGRES_COLUMNS: &str = "SELECT CAST(table_name AS TEXT), CAST(column_name AS TEXT),
        CASE data_type WHEN 'bigint' THEN 'integer' WHEN 'boolean' THEN 'integer'
                       WHEN 'bytea' THEN 'blob' ELSE CAST(data_type AS TEXT) END,
        CASE is_nullable WHEN 'YES' THEN '1' ELSE '0' END
     FROM information_schema.columns
     WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations'";

/// (table, its columns, the other table and its columns, what happens when that row goes).
const SQLITE_REFERENCES: &str = "SELECT name, GROUP_CONCAT(own, ','),
        other || ' ' || GROUP_CONCAT(its, ','), gone FROM (
     SELECT m.name, f.id, f.\"from\" AS own, f.\"table\" AS other,
            COALESCE(f.\"to\", (SELECT p.name FROM pragma_table_info(f.\"table\") p WHERE p.pk = 1))
                AS its, f.on_delete AS gone
     FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f WHERE m.type = 'table'
     ORDER BY m.name, f.id, f.seq) GROUP BY name, id, other, gone";
const POSTGRES_REFERENCES: &str = "SELECT CAST(c.conrelid::regclass AS TEXT),
        (SELECT STRING_AGG(a.attname, ',' ORDER BY k.n) FROM UNNEST(c.conkey)
            WITH ORDINALITY k (number, n) JOIN pg_attribute a
            ON a.attrelid = c.conrelid AND a.attnum = k.number),
        CAST(c.confrelid::regclass AS TEXT) || ' ' ||
        (SELECT STRING_AGG(a.attname, ',' ORDER BY k.n) FROM UNNEST(c.confkey)
            WITH ORDINALITY k (number, n) JOIN pg_attribute a
            ON a.attrelid = c.confrelid AND a.attnum = k.number),
        CASE c.confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL'
             ELSE 'NO ACTION' END
     FROM pg_constraint c WHERE c.contype = 'f'";

/// (table, its columns, whether they are unique, whether only some rows are in it).
const SQLITE_INDEXES: &str = "SELECT name, GROUP_CONCAT(own, ','), CAST(\"unique\" AS TEXT),
        CAST(partial AS TEXT) FROM (
     SELECT m.name, i.name AS index_name, c.name AS own, i.\"unique\", i.partial
     FROM sqlite_master m JOIN pragma_index_list(m.name) i JOIN pragma_index_info(i.name) c
     WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name <> '_sqlx_migrations'
     ORDER BY m.name, i.name, c.seqno) GROUP BY name, index_name, \"unique\", partial
     UNION SELECT m.name, c.name, '1', '0' FROM sqlite_master m JOIN pragma_table_info(m.name) c
     WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name <> '_sqlx_migrations'
       AND c.pk = 1 AND c.type = 'INTEGER'
       AND NOT EXISTS (SELECT 1 FROM pragma_table_info(m.name) o WHERE o.pk = 2)";
const POSTGRES_INDEXES: &str = "SELECT CAST(i.indrelid::regclass AS TEXT),
        (SELECT STRING_AGG(a.attname, ',' ORDER BY k.n) FROM UNNEST(i.indkey)
            WITH ORDINALITY k (number, n) JOIN pg_attribute a
            ON a.attrelid = i.indrelid AND a.attnum = k.number),
        CASE WHEN i.indisunique THEN '1' ELSE '0' END,
        CASE WHEN i.indpred IS NULL THEN '0' ELSE '1' END
     FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid
     JOIN pg_namespace s ON s.oid = t.relnamespace
     WHERE s.nspname = 'public' AND t.relname <> '_sqlx_migrations'";

type Row = (String, String, String, String);

async fn rows(db: &Db, sqlite: &'static str, postgres: &'static str) -> BTreeSet<Row> {
    let mut conn = db.read().await.unwrap();
    let text = if conn.is_postgres() { postgres } else { sqlite };
    let rows: Vec<Row> = conn.query(text).fetch_all().await.unwrap();
    rows.into_iter().collect()
}

#[tokio::test]
async fn both_catalogues_have_the_same_columns_references_and_indexes() {
    let found = std::sync::Mutex::new(Vec::new());
    on_both_engines(async || {
        let (_kept, db) = database(1).await;
        let columns = rows(&db, SQLITE_COLUMNS, POSTGRES_COLUMNS).await;
        let references = rows(&db, SQLITE_REFERENCES, POSTGRES_REFERENCES).await;
        let indexes = rows(&db, SQLITE_INDEXES, POSTGRES_INDEXES).await;
        assert!(columns.len() > 100 && references.len() > 20 && indexes.len() > 30);
        found.lock().unwrap().push([columns, references, indexes]);
    })
    .await;
    let found = found.into_inner().unwrap();
    let [sqlite, postgres] = found.as_slice() else {
        return;
    };
    for (sqlite, postgres) in sqlite.iter().zip(postgres) {
        let only =
            |a: &BTreeSet<Row>, b: &BTreeSet<Row>| a.difference(b).cloned().collect::<Vec<_>>();
        assert_eq!(only(sqlite, postgres), [], "only SQLite has these");
        assert_eq!(only(postgres, sqlite), [], "only PostgreSQL has these");
    }
}
