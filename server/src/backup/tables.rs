//! One state of the database, in files.

use std::path::Path;

use roadstead_model::{Clock as _, SystemClock};
use roadstead_storage::tables::setting;
use roadstead_storage::{Db, dump};

use super::files::{self, Partial};
use super::manifest::{Dumped, FORMAT, Manifest};

/// Below this many bytes, lines are collected before they are written.
const BUFFER: usize = 1 << 18;

pub(super) async fn dump(db: &Db, directory: &Path) -> anyhow::Result<Manifest> {
    let name = format!("database-{}", uuid::Uuid::now_v7().simple());
    let target = directory.join(&name);
    files::make(&target)?;
    let mut snapshot = db.snapshot().await?;
    let mut manifest = Manifest {
        format: FORMAT.to_owned(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
        schema: dump::schema(&mut snapshot).await?,
        db_epoch: setting::get(&mut snapshot, "db_epoch").await?.unwrap_or_default(),
        created_at: SystemClock.now().rfc3339(),
        database: name,
        tables: Vec::new(),
        sequences: dump::sequences(&mut snapshot).await?,
        blobs: None,
        damaged: Vec::new(),
        secret_key: false,
    };
    for table in dump::tables(&mut snapshot).await? {
        let mut file = Partial::create(&target.join(format!("{}.jsonl", table.name)))?;
        let mut buffer = Vec::with_capacity(BUFFER);
        let rows = dump::rows(&mut snapshot, &table, |line| {
            buffer.extend_from_slice(line.as_bytes());
            buffer.push(b'\n');
            if buffer.len() >= BUFFER {
                file.write(&buffer)?;
                buffer.clear();
            }
            Ok::<(), anyhow::Error>(())
        });
        let rows = rows.await?;
        file.write(&buffer)?;
        file.finish()?;
        manifest.tables.push(Dumped { table, rows });
    }
    files::sync_directory(&target)?;
    files::sync_directory(directory)?;
    Ok(manifest)
}
