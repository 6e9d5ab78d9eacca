//! A key that is being written.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use bytes::Bytes;
use tokio::task::spawn_blocking;

use super::content_hash::ContentHash;
use crate::error::{Error, Result};

/// An open key, with how far it is written and the hash up to there.
pub struct Staged {
    file: File,
    offset: u64,
    hash: ContentHash,
}

impl Staged {
    pub(super) fn open(path: &Path, offset: u64, hash: ContentHash) -> Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).mode(0o600);
        // A session's first bytes make the file; a repeated first attempt finds it there.
        let file = if offset == 0 {
            options.clone().create_new(true).open(path).or_else(|error| match error.kind() {
                std::io::ErrorKind::AlreadyExists => options.open(path),
                _ => Err(error),
            })
        } else {
            options.open(path)
        };
        let file = file.map_err(Error::io("open a blob for writing"))?;
        let length = file.metadata().map_err(Error::io("look up a blob"))?.len();
        if length < offset {
            return Err(Error::Damaged {
                key: path.display().to_string(),
                what: format!("it has {length} bytes and {offset} were acknowledged"),
            });
        }
        if length > offset {
            file.set_len(offset).map_err(Error::io("cut a blob"))?;
        }
        Ok(Self { file, offset, hash })
    }

    /// How many bytes are written.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The hash of the bytes written.
    pub fn hash(&self) -> &ContentHash {
        &self.hash
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Appends and hashes `chunks` on a thread that may block. On an error the key is not usable
    /// any more until it is staged again from its last durable offset.
    pub async fn write(mut self, chunks: Vec<Bytes>) -> Result<Self> {
        run(move || {
            for chunk in &chunks {
                // Hashed right after the copy, while the bytes are still in the cache.
                self.file.write_all_at(chunk, self.offset).map_err(Error::io("write a blob"))?;
                self.hash.update(chunk);
                self.offset += chunk.len() as u64;
            }
            Ok(self)
        })
        .await
    }

    /// Makes the bytes written so far durable.
    pub async fn flush(self) -> Result<Self> {
        run(move || {
            self.sync()?;
            Ok(self)
        })
        .await
    }

    /// A failed fsync is never tried again on the same file: the kernel may have dropped the
    /// pages and would call the second one a success.
    pub(super) fn sync(&self) -> Result<()> {
        self.file.sync_all().map_err(Error::io("sync a blob"))
    }
}

async fn run(work: impl FnOnce() -> Result<Staged> + Send + 'static) -> Result<Staged> {
    spawn_blocking(work).await.map_err(|error| Error::Io {
        what: "a write was cut off".to_owned(),
        source: std::io::Error::other(error),
    })?
}
