//! A key that is being written to a file.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use roadstead_model::{Digest, ObjectKey};
use tokio::task::spawn_blocking;

use super::super::content_hash::ContentHash;
use super::{label, sync_directory};
use crate::error::{Error, Result};

/// How many bytes are kept in memory until something has to be done on a thread that may block
/// anyway: small blobs are written, labelled and synced in one go.
const HELD: usize = 64 << 10;

/// A key with how far it is written and the hash up to there. Its file is opened by whoever first
/// needs it, on a thread that may block.
pub(in crate::blobs) struct Appending {
    key: ObjectKey,
    path: PathBuf,
    file: Option<File>,
    /// Whether the file's name may not be durable: no bytes were acknowledged before.
    unnamed: bool,
    /// The end of the bytes, including those that are held.
    offset: u64,
    hash: ContentHash,
    /// Bytes that are hashed and not written.
    held: Vec<Bytes>,
    held_bytes: usize,
}

impl Appending {
    /// To append behind `offset` bytes, which were acknowledged.
    pub(super) fn new(key: ObjectKey, path: PathBuf, offset: u64, hash: ContentHash) -> Self {
        let (file, unnamed, held, held_bytes) = (None, offset == 0, Vec::new(), 0);
        Self { key, path, file, unnamed, offset, hash, held, held_bytes }
    }

    /// How many bytes there are.
    pub(in crate::blobs) fn offset(&self) -> u64 {
        self.offset
    }

    /// The hash of the bytes.
    pub(in crate::blobs) fn hash(&self) -> &ContentHash {
        &self.hash
    }

    /// Whether so many bytes more are only kept for now.
    pub(in crate::blobs) fn holds(&self, more: usize) -> bool {
        self.held_bytes + more <= HELD
    }

    /// The bytes, when none of them is written yet.
    pub(in crate::blobs) fn all_held(&self) -> Option<&[Bytes]> {
        (self.file.is_none() && self.offset == self.held_bytes as u64).then_some(&*self.held)
    }

    /// Appends and hashes `chunks`, on a thread that may block unless they are held. On an error
    /// the key is not usable any more until it is staged again from its last durable offset.
    pub(in crate::blobs) async fn write(mut self, chunks: Vec<Bytes>) -> Result<Self> {
        let more = chunks.iter().map(Bytes::len).sum();
        if self.holds(more) {
            for chunk in &chunks {
                self.hash.update(chunk);
            }
            self.offset += more as u64;
            self.held_bytes += more;
            self.held.extend(chunks);
            return Ok(self);
        }
        let mut chunks = Some(chunks);
        self.write_all(move || chunks.take()).await
    }

    /// Appends and hashes batch after batch, until there is none, on a thread that may block.
    pub(in crate::blobs) async fn write_all(
        mut self,
        mut next: impl FnMut() -> Option<Vec<Bytes>> + Send + 'static,
    ) -> Result<Self> {
        run(move || {
            self.write_held()?;
            let file = opened(&mut self.file, &self.path, self.offset)?;
            while let Some(chunks) = next() {
                for chunk in &chunks {
                    // Hashed right after the copy, while the bytes are still in the cache.
                    file.write_all_at(chunk, self.offset).map_err(Error::io("write a blob"))?;
                    self.hash.update(chunk);
                    self.offset += chunk.len() as u64;
                }
            }
            Ok(self)
        })
        .await
    }

    /// Makes the bytes so far durable.
    pub(in crate::blobs) async fn flush(mut self) -> Result<Self> {
        run(move || {
            self.write_held()?;
            self.sync()?;
            Ok(self)
        })
        .await
    }

    /// Makes the bytes durable, with the digest as their label.
    pub(in crate::blobs) async fn publish(mut self, digest: Option<Digest>) -> Result<ObjectKey> {
        let published = run(move || {
            self.write_held()?;
            if let Some(digest) = digest {
                label(opened(&mut self.file, &self.path, self.offset)?, &digest)?;
            }
            self.sync()?;
            Ok(self)
        });
        Ok(published.await?.key)
    }

    fn write_held(&mut self) -> Result<()> {
        let mut at = self.offset - self.held_bytes as u64;
        let file = opened(&mut self.file, &self.path, at)?;
        for chunk in self.held.drain(..) {
            file.write_all_at(&chunk, at).map_err(Error::io("write a blob"))?;
            at += chunk.len() as u64;
        }
        self.held_bytes = 0;
        Ok(())
    }

    /// The file first, then its name, once: whoever goes on behind acknowledged bytes finds it
    /// durable. A failed fsync is never tried again on the same file: the kernel may have dropped
    /// the pages and would call the second one a success.
    fn sync(&mut self) -> Result<()> {
        let file = opened(&mut self.file, &self.path, self.offset)?;
        file.sync_all().map_err(Error::io("sync a blob"))?;
        if self.unnamed
            && let Some(directory) = self.path.parent()
        {
            sync_directory(directory)?;
            self.unnamed = false;
        }
        Ok(())
    }
}

/// The file, opened if it is not yet: then it ends at `offset`, and what stands behind is cut off.
fn opened<'f>(file: &'f mut Option<File>, path: &Path, offset: u64) -> Result<&'f File> {
    let opened = match file.take() {
        Some(file) => file,
        None => open(path, offset)?,
    };
    let file: &File = file.insert(opened);
    Ok(file)
}

fn open(path: &Path, offset: u64) -> Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    // A session's first bytes make the file; a repeated first attempt finds it there.
    let file = match options.clone().create_new(offset == 0).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => options.open(path),
        file => file,
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
    Ok(file)
}

fn damaged(path: &Path, what: String) -> Error {
    Error::damaged(path.display(), what)
}

async fn run(work: impl FnOnce() -> Result<Appending> + Send + 'static) -> Result<Appending> {
    spawn_blocking(work).await.map_err(|error| Error::Io {
        what: "a write was cut off".to_owned(),
        source: std::io::Error::other(error),
    })?
}
