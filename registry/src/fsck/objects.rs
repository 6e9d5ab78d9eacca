//! Blobs and the objects that hold their bytes.

use futures_util::stream::{self, StreamExt as _};
use roadstead_model::{BlobId, Digest};
use roadstead_storage::tables::affected;
use roadstead_storage::tables::blob::{self, Blob, State};
use roadstead_storage::{Blobs, ContentHash, Error as StorageError};

use super::pace::Pace;
use super::report::{Fault, Kind, Report};
use super::{Check, Stage, repair};
use crate::error::Result;

/// How many rows are read at once.
const BATCH: i64 = 200;
/// How many objects are looked at, and how many are read, at the same time.
const LOOKING: usize = 16;
const READING: usize = 2;
/// The most images that are named with a damaged blob.
const AFFECTED: i64 = 1000;

/// What was found of one blob.
pub(super) struct Look {
    pub(super) hashed: Option<u64>,
    pub(super) fault: Option<(Kind, String)>,
}

impl Check {
    pub(super) async fn check_objects(&self, report: &mut Report) -> Result<()> {
        let (count, _) = blob::total(&mut self.db.read().await?).await?;
        self.progress.enter(Stage::Blobs, u64::try_from(count).unwrap_or(0));
        let mut after = self.options.after.unwrap_or(BlobId(0));
        loop {
            if self.progress.is_stopped() {
                report.stopped_after = Some(after.0);
                return Ok(());
            }
            let rows = blob::walk(&mut self.db.read().await?, after, BATCH).await?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            let last = last.id;
            let together = if self.options.deep { READING } else { LOOKING };
            let mut looks =
                stream::iter(rows).map(async |row| (self.look(&row).await, row)).buffered(together);
            while let Some((look, row)) = looks.next().await {
                self.note(&row, look?, report).await?;
                if self.progress.is_stopped() {
                    report.stopped_after = Some(row.id.0);
                    return Ok(());
                }
            }
            after = last;
        }
    }

    async fn look(&self, row: &Blob) -> Result<Look> {
        let deep = self.options.deep && self.options.subset.is_none_or(|s| s.has(row.id));
        let size = self.blobs.size(&row.key).await?;
        let fault = match size {
            None => Some((Kind::Missing, format!("object {} is missing", row.key))),
            Some(size) if size != row.size => Some(self.wrong_size(row, size, deep).await?),
            Some(_) if deep => return self.read(row).await,
            Some(_) if row.state != State::Ok => {
                Some((Kind::Suspect, "a read found it damaged; check it with --deep".to_owned()))
            }
            Some(_) => None,
        };
        Ok(Look { hashed: None, fault })
    }

    async fn read(&self, row: &Blob) -> Result<Look> {
        match digest_of(&self.blobs, &self.pace, row, row.size).await {
            Ok(found) => {
                let fault = if found == row.digest {
                    None
                } else {
                    Some(self.wrong_bytes(row, &found).await?)
                };
                Ok(Look { hashed: Some(row.size), fault })
            }
            Err(StorageError::Damaged { what, .. }) => {
                Ok(Look { hashed: None, fault: Some((Kind::Truncated, what)) })
            }
            Err(StorageError::Io { what, source }) => {
                let detail = format!("{what}: {source}");
                Ok(Look { hashed: None, fault: Some((Kind::Unreadable, detail)) })
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn wrong_bytes(&self, row: &Blob, found: &Digest) -> Result<(Kind, String)> {
        let other = blob::find(&mut self.db.read().await?, found).await?;
        let kind = if other.is_some() { Kind::Swapped } else { Kind::Flipped };
        Ok((kind, format!("object {} hashes to {found}", row.key)))
    }

    /// An object of another length may be another blob's as a whole.
    async fn wrong_size(&self, row: &Blob, size: u64, deep: bool) -> Result<(Kind, String)> {
        let detail = format!("object {} has {size} bytes, its row says {}", row.key, row.size);
        if deep && let Ok(found) = digest_of(&self.blobs, &self.pace, row, size).await {
            let (kind, other) = self.wrong_bytes(row, &found).await?;
            if kind == Kind::Swapped {
                return Ok((kind, other));
            }
        }
        let kind = if size < row.size { Kind::Truncated } else { Kind::Overlong };
        Ok((kind, detail))
    }

    async fn note(&self, row: &Blob, look: Look, report: &mut Report) -> Result<()> {
        report.blobs += 1;
        report.hashed_blobs += u64::from(look.hashed.is_some());
        report.hashed_bytes += look.hashed.unwrap_or(0);
        self.progress.step(look.hashed.unwrap_or(0));
        let Some((kind, detail)) = look.fault else {
            if self.options.repair && look.hashed.is_some() && row.state != State::Ok {
                repair::set_state(&self.db, row, State::Ok, self.clock.now()).await?;
            }
            return Ok(());
        };
        let mut conn = self.db.read().await?;
        // A push may have healed it, or collection taken it, since the row was read.
        let again = blob::find(&mut conn, &row.digest).await?;
        if again.is_none_or(|again| again.key != row.key) {
            return Ok(());
        }
        let mut fault = Fault::new(kind, format!("blob {}", row.digest), detail);
        fault.affects = affected::by_blob(&mut conn, row.id, AFFECTED).await?;
        drop(conn);
        if self.options.repair {
            fault.repair = self.mark(row, kind).await?;
        }
        report.add(fault);
        Ok(())
    }

    /// Marks a damaged blob, so that the next push of it heals it.
    async fn mark(&self, row: &Blob, kind: Kind) -> Result<Option<&'static str>> {
        let (state, done) = match kind {
            Kind::Missing | Kind::Truncated | Kind::Overlong => {
                (State::Missing, "marked as missing: the next push of it heals it")
            }
            Kind::Flipped | Kind::Swapped => {
                (State::Suspect, "marked as damaged: the next push of it heals it")
            }
            // A disk that cannot be read may be read again tomorrow.
            _ => return Ok(None),
        };
        if row.state != state {
            repair::set_state(&self.db, row, state, self.clock.now()).await?;
        }
        Ok(Some(done))
    }
}

/// What the first `size` bytes of a blob's object hash to; the object must have that many.
pub(super) async fn digest_of(
    blobs: &Blobs,
    pace: &Pace,
    row: &Blob,
    size: u64,
) -> Result<Digest, StorageError> {
    let broken = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::UnexpectedEof => {
            StorageError::Damaged { key: row.key.to_string(), what: "it ends early".to_owned() }
        }
        _ => StorageError::Io { what: "read a blob".to_owned(), source },
    };
    let mut object = blobs.read(&row.key, size, 0..size).await?;
    let (mut hash, mut offset) = (ContentHash::new(row.digest.algorithm()), 0);
    while offset < size {
        let piece = object.piece(offset, size).await.map_err(broken)?;
        hash.update(&piece);
        offset += piece.len() as u64;
        pace.spend(piece.len() as u64).await;
    }
    Ok(hash.finish())
}
