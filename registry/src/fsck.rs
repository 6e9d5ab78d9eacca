//! Proving that rows and bytes agree, while the server runs or not.
//!
//! First the rows among themselves, then every blob's object, then every file's row. Keys are in
//! a row before a byte is written, so a file without one is a true orphan, however young.

use roadstead_model::{BlobId, Digest, ManifestId};
use roadstead_storage::blobs::Found;
use roadstead_storage::tables::blob::{self, Blob};
use roadstead_storage::tables::{held, link, manifest};
use roadstead_storage::{Blobs, ContentHash, Db, Error as StorageError};
use serde::Serialize;

use crate::error::Result;
use crate::manifest::Manifest;

/// How many rows are read at once; manifests come with their bytes.
const BATCH: i64 = 200;
const MANIFEST_BATCH: i64 = 8;

/// What was looked at, and what is wrong.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Manifests whose bytes and references were compared with their rows.
    pub manifests: u64,
    /// Blobs whose objects were looked at.
    pub blobs: u64,
    /// Bytes that were hashed; 0 unless it was a deep check.
    pub hashed_bytes: u64,
    /// Files that were looked up.
    pub files: u64,
    /// One line for each fault.
    pub faults: Vec<String>,
}

impl Report {
    fn fault(&mut self, line: impl Into<String>) {
        self.faults.push(line.into());
    }
}

/// Checks everything; with `deep`, every blob is read and hashed.
///
/// # Errors
/// When the check itself cannot go on. Faults are no errors: they are in the report.
pub async fn check(db: &Db, blobs: &Blobs, deep: bool) -> Result<Report> {
    let mut report = Report::default();
    rows(db, &mut report).await?;
    manifests(db, &mut report).await?;
    objects(db, blobs, deep, &mut report).await?;
    files(db, blobs, &mut report).await?;
    Ok(report)
}

async fn rows(db: &Db, report: &mut Report) -> Result<()> {
    let mut conn = db.snapshot().await?;
    for fault in conn.integrity_faults().await? {
        report.fault(format!("database: {fault}"));
    }
    for key in blob::keys_owned_twice(&mut conn).await? {
        report.fault(format!("key {key}: more than one row has it"));
    }
    for (project, counted, real) in link::miscounted(&mut conn).await? {
        report.fault(format!("project {project}: {counted} bytes counted, {real} held"));
    }
    Ok(())
}

async fn manifests(db: &Db, report: &mut Report) -> Result<()> {
    let mut after = ManifestId(0);
    loop {
        let mut conn = db.snapshot().await?;
        let claims = manifest::walk(&mut conn, after, MANIFEST_BATCH).await?;
        let Some(last) = claims.last() else {
            return Ok(());
        };
        after = last.id;
        for claim in claims {
            report.manifests += 1;
            let name = format!("{}@{}", claim.repository, claim.digest);
            let digest: Option<Digest> = claim.digest.parse().ok();
            let computed = digest.map(|d| Digest::of(d.algorithm(), &claim.bytes));
            if computed.as_ref().map(Digest::as_str) != Some(&claim.digest) {
                report.fault(format!("manifest {name}: its bytes have another digest"));
                continue;
            }
            let read = match Manifest::parse(&claim.media_type, &claim.bytes, usize::MAX - 1) {
                Ok(read) => read,
                Err(error) => {
                    report.fault(format!("manifest {name}: {error}"));
                    continue;
                }
            };
            let mut named: Vec<String> =
                read.names.iter().map(|named| named.digest.to_string()).collect();
            named.sort();
            named.dedup();
            let mut rows = held::held_digests(&mut conn, claim.id).await?;
            rows.sort();
            rows.dedup();
            if named != rows {
                report.fault(format!("manifest {name}: its rows do not hold what it names"));
            }
            if read.subject.map(String::from) != claim.subject {
                report.fault(format!("manifest {name}: its row has another subject"));
            }
        }
    }
}

async fn objects(db: &Db, blobs: &Blobs, deep: bool, report: &mut Report) -> Result<()> {
    let mut after = BlobId(0);
    loop {
        let rows = blob::walk(&mut db.read().await?, after, BATCH).await?;
        let Some(last) = rows.last() else {
            return Ok(());
        };
        after = last.id;
        for row in rows {
            report.blobs += 1;
            let Some(fault) = object_fault(blobs, &row, deep, report).await? else {
                continue;
            };
            // A push may have healed it, or collection taken it, since the row was read.
            let again = blob::find(&mut db.read().await?, &row.digest).await?;
            if again.is_some_and(|again| again.key == row.key) {
                report.fault(format!("blob {}: {fault}", row.digest));
            }
        }
    }
}

async fn object_fault(
    blobs: &Blobs,
    row: &Blob,
    deep: bool,
    report: &mut Report,
) -> Result<Option<String>> {
    match blobs.size(&row.key).await? {
        None => return Ok(Some(format!("object {} is missing", row.key))),
        Some(size) if size != row.size => {
            return Ok(Some(format!(
                "object {} has {size} bytes, its row says {}",
                row.key, row.size
            )));
        }
        Some(_) if !deep => return Ok(None),
        Some(_) => {}
    }
    let hash = ContentHash::new(row.digest.algorithm());
    match blobs.hash(&row.key, row.size, hash).await {
        Ok(hash) => {
            report.hashed_bytes += row.size;
            let found = hash.finish();
            Ok((found != row.digest).then(|| format!("object {} hashes to {found}", row.key)))
        }
        Err(StorageError::Io { what, source }) => Ok(Some(format!("{what}: {source}"))),
        Err(error) => Err(error.into()),
    }
}

async fn files(db: &Db, blobs: &Blobs, report: &mut Report) -> Result<()> {
    for found in blobs.walk().await? {
        report.files += 1;
        let key = match found {
            Found::Object(key) => key,
            Found::Stranger(path) => {
                report.fault(format!("file {}: does not belong here", path.display()));
                continue;
            }
        };
        let owners = blob::owners_of_key(&mut db.read().await?, &key).await?;
        // Deleted since the directory was listed, it is no orphan.
        if owners.is_empty() && blobs.size(&key).await?.is_some() {
            report.fault(format!("object {key}: no row knows it"));
        }
    }
    Ok(())
}
