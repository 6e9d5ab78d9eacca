//! What a backup says of itself; written last, so that a backup without it is none.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use roadstead_model::ObjectKey;
use roadstead_storage::dump::Table;
use serde::{Deserialize, Serialize};

use super::files;

/// The layout that this program reads and writes.
pub(crate) const FORMAT: &str = "roadstead-backup 1";
const FILE: &str = "backup.json";
/// The file of the secret key, if it is there.
pub(crate) const SECRET_KEY: &str = "secret-key";

/// A table, and how many rows of it there are.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Dumped {
    #[serde(flatten)]
    pub(crate) table: Table,
    pub(crate) rows: u64,
}

/// The objects of a backup.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) count: u64,
    pub(crate) bytes: u64,
}

/// The file `backup.json`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) format: String,
    /// The program's version.
    pub(crate) program: String,
    /// The newest migration.
    pub(crate) schema: i64,
    pub(crate) db_epoch: String,
    pub(crate) created_at: String,
    /// The directory with the rows.
    pub(crate) database: String,
    pub(crate) tables: Vec<Dumped>,
    pub(crate) sequences: BTreeMap<String, i64>,
    /// None when the objects were left out.
    pub(crate) blobs: Option<Kept>,
    /// Blobs that could not be copied, because their objects are damaged.
    #[serde(default)]
    pub(crate) damaged: Vec<String>,
    pub(crate) secret_key: bool,
}

/// A blob's row, as far as its object needs it.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) digest: roadstead_model::Digest,
    pub(crate) size: u64,
    pub(crate) key: ObjectKey,
}

impl Manifest {
    /// That of a directory; None when there is no backup in it.
    pub(crate) fn read(directory: &Path) -> anyhow::Result<Option<Self>> {
        let path = directory.join(FILE);
        match std::fs::read(&path) {
            Ok(bytes) => {
                let manifest: Self =
                    serde_json::from_slice(&bytes).with_context(|| path.display().to_string())?;
                super::check(&manifest)?;
                Ok(Some(manifest))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| path.display().to_string()),
        }
    }

    pub(crate) fn write(&self, directory: &Path) -> anyhow::Result<()> {
        files::write(&directory.join(FILE), &serde_json::to_vec_pretty(self)?)
    }

    /// Where the rows of a table are.
    pub(crate) fn rows(&self, directory: &Path, table: &str) -> PathBuf {
        directory.join(&self.database).join(format!("{table}.jsonl"))
    }

    /// The objects that the rows name, one after the other.
    pub(crate) fn objects(
        &self,
        directory: &Path,
    ) -> anyhow::Result<impl Iterator<Item = anyhow::Result<Object>> + use<>> {
        let table = self.tables.iter().find(|dumped| dumped.table.name == "blob");
        let table = table.context("the backup has no blobs")?;
        let place = |name: &str| {
            let mut columns = table.table.columns.iter();
            columns.position(|column| column.name == name).context("a column is missing")
        };
        let (digest, size, key) = (place("digest")?, place("size")?, place("okey")?);
        let lines = files::lines(&self.rows(directory, "blob"))?;
        Ok(lines.map(move |line| {
            let row: Vec<serde_json::Value> = serde_json::from_str(&line?)?;
            let text = |at: usize| row.get(at).and_then(|value| value.as_str()).unwrap_or_default();
            let size = row.get(size).and_then(serde_json::Value::as_u64).context("no size")?;
            Ok(Object { digest: text(digest).parse()?, size, key: text(key).parse()? })
        }))
    }
}

/// Where an object is in a backup.
pub(crate) fn object(directory: &Path, key: &ObjectKey) -> PathBuf {
    directory.join("blobs").join(key.as_str())
}
