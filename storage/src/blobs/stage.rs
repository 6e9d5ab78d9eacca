//! A key that is being written.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tokio::task::spawn_blocking;

use super::content_hash::ContentHash;
use super::local::sync_directory;
use crate::error::{Error, Result};

/// An open key, with how far it is written and the hash up to there.
pub struct Staged {
    file: File,
    /// Where the file's name is, when this opening made it; synced with the first bytes.
    made_in: Option<PathBuf>,
    offset: u64,
    hash: ContentHash,
}

impl Staged {
    pub(super) fn open(path: &Path, offset: u64, hash: ContentHash) -> Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).mode(0o600);
        let mut made_in = None;
        // A session's first bytes make the file; a repeated first attempt finds it there.
        let file = match options.clone().create_new(offset == 0).open(path) {
            Ok(file) => {
                made_in = path.parent().filter(|_| offset == 0).map(Path::to_owned);
                Ok(file)
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => options.open(path),
            Err(error) => Err(error),
        };
        let file = match file {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(damaged(path, "it is missing".to_owned()));
            }
            file => file.map_err(Error::io("open a blob for writing"))?,
        };
        let length = file.metadata().map_err(Error::io("look up a blob"))?.len();
        if length < offset {
            let what = format!("it has {length} bytes and {offset} were acknowledged");
            return Err(damaged(path, what));
        }
        if length > offset {
            file.set_len(offset).map_err(Error::io("cut a blob"))?;
        }
        Ok(Self { file, made_in, offset, hash })
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
    pub async fn flush(mut self) -> Result<Self> {
        run(move || {
            self.sync()?;
            if let Some(directory) = self.made_in.take() {
                sync_directory(&directory)?;
            }
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

fn damaged(path: &Path, what: String) -> Error {
    Error::Damaged { key: path.display().to_string(), what }
}

async fn run(work: impl FnOnce() -> Result<Staged> + Send + 'static) -> Result<Staged> {
    spawn_blocking(work).await.map_err(|error| Error::Io {
        what: "a write was cut off".to_owned(),
        source: std::io::Error::other(error),
    })?
}
