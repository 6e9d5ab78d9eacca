//! Blobs as files: 256 fixed directories below `b/`, one file per key.
//!
//! A file is never renamed: nothing refers to it before its row does. What survives a power cut
//! was measured; the order that does is: extended attribute, fsync of the file, fsync of its
//! directory, and only then the row.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use roadstead_model::{Digest, ObjectKey};
use rustix::fs::XattrFlags;
use tokio::task::spawn_blocking;

use super::FORMAT;
use super::content_hash::ContentHash;
use super::read::BlobStream;
use super::stage::Staged;
use crate::error::{Error, Result};
use file::OpenFile;
use kept::Kept;

mod append;
mod buffers;
mod file;
mod kept;
mod reading;
mod serve;
mod walk;

pub(super) use append::Appending;
pub(super) use reading::Reading;

/// The extended attribute that carries a blob's digest, so that SQL can be rebuilt from the disk.
const DIGEST_ATTRIBUTE: &str = "user.oci.digest";

/// A share of the file system that uploads leave free, so that deletes and the database go on:
/// 5 %, but never more than 2 GiB.
const RESERVE_DIVISOR: u64 = 20;
const LARGEST_RESERVE: u64 = 2 << 30;

/// The store of blobs on a local disk.
#[derive(Clone)]
pub(super) struct Local {
    root: Arc<Path>,
    /// What the disk had when it was asked last.
    seen: Arc<Mutex<Option<(Instant, Space)>>>,
    kept: Kept,
}

/// How large a disk is, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// All of it.
    pub total: u64,
    /// What is left for this program.
    pub free: u64,
}

/// How long an answer about the space is good for, where there is more than can be written in
/// that time.
const LATELY: Duration = Duration::from_millis(100);
const AMPLE: u64 = 1 << 30;

impl Space {
    /// Whether the reserve is left after writing `bytes` more.
    fn has_room(self, bytes: u64) -> bool {
        self.free >= reserve_of(self.total).saturating_add(bytes)
    }
}

impl Local {
    /// Opens the store below `root`, making it if it is new.
    ///
    /// # Errors
    /// [`Error::NewerFormat`] when a newer program wrote it.
    pub(super) async fn open(root: PathBuf) -> Result<Self> {
        blocking(move || {
            private_directory(&root)?;
            check_format(&root)?;
            let objects = root.join("b");
            private_directory(&objects)?;
            make_shards(&objects)?;
            sync_directory(&objects)?;
            sync_directory(&root)?;
            Ok(Self { root: root.into(), seen: Arc::default(), kept: Kept::default() })
        })
        .await
    }

    fn path(&self, key: &ObjectKey) -> PathBuf {
        self.root.join("b").join(key.shard()).join(key.name())
    }

    /// A key to append to after its first `offset` bytes. What stands behind them was never
    /// acknowledged, is not trusted, and is cut off when the file is opened.
    pub(super) fn stage(&self, key: &ObjectKey, offset: u64, hash: ContentHash) -> Staged {
        Staged::file(Appending::new(key.clone(), self.path(key), offset, hash))
    }

    /// Cuts a key that is being written back to its first `offset` bytes, if it is there.
    pub(super) async fn cut(&self, key: &ObjectKey, offset: u64) -> Result<()> {
        let path = self.path(key);
        blocking(move || match File::options().write(true).open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Error::io("open a blob for writing")(error)),
            Ok(file) => file.set_len(offset).map_err(Error::io("cut a blob")),
        })
        .await
    }

    /// Hashes the first `length` bytes of a key again.
    pub(super) async fn hash(
        &self,
        key: &ObjectKey,
        length: u64,
        hash: ContentHash,
    ) -> Result<ContentHash> {
        let path = self.path(key);
        blocking(move || {
            use std::io::Read as _;
            let file = open_object(&path)?;
            let mut rest = file.take(length);
            let (mut hash, mut buffer) = (hash, vec![0; 1 << 18]);
            loop {
                match rest.read(&mut buffer).map_err(Error::io("read a blob"))? {
                    0 => return Ok(hash),
                    n => hash.update(&buffer[..n]),
                }
            }
        })
        .await
    }

    pub(super) async fn label(&self, key: &ObjectKey, digest: &Digest) -> Result<()> {
        let (path, digest) = (self.path(key), digest.clone());
        blocking(move || {
            let file = open_object(&path)?;
            label(&file, &digest)?;
            file.sync_all().map_err(Error::io("sync a blob"))
        })
        .await
    }

    /// The length of a key's object in bytes; None when there is none.
    pub(super) async fn size(&self, key: &ObjectKey) -> Result<Option<u64>> {
        let path = self.path(key);
        blocking(move || match fs::metadata(&path) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("look up a blob")(error)),
        })
        .await
    }

    /// Opens a key for reading. The object must have `size` bytes.
    ///
    /// # Errors
    /// [`Error::Damaged`] when it is missing or has another length.
    pub(super) async fn read(&self, key: &ObjectKey, size: u64) -> Result<BlobStream> {
        let (path, key) = (self.path(key), key.clone());
        blocking(move || {
            let file = OpenFile::open(&path)?;
            let found = file.length()?;
            if found != Some(size) {
                return Err(Error::damaged(key, serve::wrong(found, size)));
            }
            Ok(BlobStream::file(Reading::of(file), size))
        })
        .await
    }

    /// Deletes the objects of keys, durably; those that are not there count as deleted. Returns
    /// the keys that could not be deleted.
    pub(super) async fn delete(&self, keys: Vec<ObjectKey>) -> Result<Vec<ObjectKey>> {
        let local = self.clone();
        blocking(move || {
            let (mut failed, mut shards) = (Vec::new(), BTreeSet::new());
            for key in keys {
                local.kept.forget(&key);
                match fs::remove_file(local.path(&key)) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        tracing::warn!(%key, %error, "an object could not be deleted");
                        failed.push(key);
                    }
                    _ => {
                        shards.insert(key.shard().to_owned());
                        // Whoever opened it before that may have kept it since.
                        local.kept.forget(&key);
                    }
                }
            }
            for shard in shards {
                sync_directory(&local.root.join("b").join(shard))?;
            }
            Ok(failed)
        })
        .await
    }

    /// The size of the disk and what is free on it, in bytes.
    pub(super) async fn space(&self) -> Result<Space> {
        let root = self.root.clone();
        blocking(move || space_at(&root)).await
    }

    /// Fails when fewer bytes than the reserve would be left after writing `bytes` more.
    ///
    /// # Errors
    /// [`Error::Full`].
    pub(super) async fn require_space(&self, bytes: u64) -> Result<()> {
        if self.seen_lately().is_some_and(|seen| seen.has_room(bytes.saturating_add(AMPLE))) {
            return Ok(());
        }
        let space = self.space().await?;
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), space));
        if space.has_room(bytes) { Ok(()) } else { Err(Error::Full("blobs")) }
    }

    fn seen_lately(&self) -> Option<Space> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.filter(|(at, _)| at.elapsed() < LATELY).map(|(_, space)| space)
    }
}

/// How many bytes of a disk uploads leave free.
pub(crate) fn reserve_of(total: u64) -> u64 {
    (total / RESERVE_DIVISOR).min(LARGEST_RESERVE)
}

/// The size of the disk that a path is on, and what is free on it.
pub(crate) fn space_at(path: &Path) -> Result<Space> {
    let stat =
        rustix::fs::statvfs(path).map_err(|error| Error::io("ask for free space")(error.into()))?;
    let total = stat.f_blocks.saturating_mul(stat.f_frsize);
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    Ok(Space { total, free })
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    spawn_blocking(work).await.map_err(|error| Error::Io {
        what: "a file operation was cut off".to_owned(),
        source: std::io::Error::other(error),
    })?
}

/// Opens an object that a row knows.
fn open_object(path: &Path) -> Result<File> {
    File::open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::damaged(path.display(), "it is missing"),
        _ => Error::io("open a blob")(error),
    })
}

fn private_directory(path: &Path) -> Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(Error::io(format!("make the directory {}", path.display()))(error))
        }
        _ => Ok(()),
    }
}

/// Makes the directories that are not there yet.
fn make_shards(objects: &Path) -> Result<()> {
    let entries = fs::read_dir(objects).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
    let entries = entries.map_err(Error::io("list the shards of the store"))?;
    let there: BTreeSet<_> = entries.iter().map(fs::DirEntry::file_name).collect();
    for shard in 0..=u8::MAX {
        let name = format!("{shard:02x}");
        if !there.contains(OsStr::new(&name)) {
            private_directory(&objects.join(name))?;
        }
    }
    Ok(())
}

fn check_format(root: &Path) -> Result<()> {
    let path = root.join("format");
    match fs::read_to_string(&path) {
        Ok(found) if found == FORMAT => Ok(()),
        // A crash between making the file and writing it leaves it empty.
        Ok(found) if !found.is_empty() => {
            Err(Error::NewerFormat { found: found.trim().to_owned(), known: FORMAT.trim() })
        }
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io(format!("read {}", path.display()))(error))
        }
        _ => {
            fs::write(&path, FORMAT).map_err(Error::io(format!("write {}", path.display())))?;
            File::open(&path).and_then(|file| file.sync_all()).map_err(Error::io("sync a file"))
        }
    }
}

fn sync_directory(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(Error::io("sync a directory"))
}

/// Writes the digest beside the bytes. File systems without extended attributes do without: only
/// rebuilding a lost database needs it.
fn label(file: &File, digest: &Digest) -> Result<()> {
    use rustix::io::Errno;
    match rustix::fs::fsetxattr(
        file,
        DIGEST_ATTRIBUTE,
        digest.as_str().as_bytes(),
        XattrFlags::empty(),
    ) {
        Err(Errno::OPNOTSUPP | Errno::PERM) | Ok(()) => Ok(()),
        Err(error) => Err(Error::io("label a blob")(error.into())),
    }
}
