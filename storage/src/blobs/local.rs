//! Blobs as files: 256 fixed directories below `b/`, one file per key.
//!
//! A file is never renamed: nothing refers to it before its row does. What survives a power cut
//! was measured; the order that does is: extended attribute, fsync of the file, fsync of its
//! directory, and only then the row.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use roadstead_model::{Digest, ObjectKey};
use rustix::fs::XattrFlags;
use tokio::task::spawn_blocking;

use super::DIGEST_ATTRIBUTE;
use super::content_hash::ContentHash;
use super::read::BlobStream;
use super::stage::Staged;
use crate::error::{Error, Result};

/// The layout that this program reads and writes.
const FORMAT: &str = "roadstead-blobs 1\n";

/// A share of the file system that uploads leave free, so that deletes and the database go on:
/// 5 %, but never more than 2 GiB.
const RESERVE_DIVISOR: u64 = 20;
const LARGEST_RESERVE: u64 = 2 << 30;

/// The store of blobs on a local disk.
#[derive(Clone)]
pub struct Blobs {
    root: Arc<Path>,
}

/// How large a disk is, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// All of it.
    pub total: u64,
    /// What is left for this program.
    pub free: u64,
}

/// A file found while walking the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A file with the name of a key.
    Object(ObjectKey),
    /// Anything else.
    Stranger(PathBuf),
}

impl Blobs {
    /// Opens the store below `root`, making it if it is new.
    ///
    /// # Errors
    /// [`Error::NewerFormat`] when a newer program wrote it.
    pub async fn open(root: PathBuf) -> Result<Self> {
        blocking(move || {
            private_directory(&root)?;
            check_format(&root)?;
            let objects = root.join("b");
            private_directory(&objects)?;
            for shard in 0..=u8::MAX {
                private_directory(&objects.join(format!("{shard:02x}")))?;
            }
            sync_directory(&objects)?;
            sync_directory(&root)?;
            Ok(Self { root: root.into() })
        })
        .await
    }

    pub(super) fn path(&self, key: &ObjectKey) -> PathBuf {
        self.root.join("b").join(key.shard()).join(key.name())
    }

    /// Opens a key for appending after its first `offset` bytes. What stands behind them was
    /// never acknowledged, is not trusted, and is cut off.
    pub async fn stage(&self, key: &ObjectKey, offset: u64, hash: ContentHash) -> Result<Staged> {
        let path = self.path(key);
        blocking(move || Staged::open(&path, offset, hash)).await
    }

    /// Cuts a key that is being written back to its first `offset` bytes, if it is there.
    pub async fn cut(&self, key: &ObjectKey, offset: u64) -> Result<()> {
        let path = self.path(key);
        blocking(move || match File::options().write(true).open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Error::io("open a blob for writing")(error)),
            Ok(file) => file.set_len(offset).map_err(Error::io("cut a blob")),
        })
        .await
    }

    /// Hashes the first `length` bytes of a key again.
    pub async fn hash(
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

    /// Makes a staged key durable under its final content; afterwards it can be referred to.
    pub async fn publish(&self, key: &ObjectKey, staged: Staged, digest: &Digest) -> Result<()> {
        let directory = self.root.join("b").join(key.shard());
        let digest = digest.clone();
        blocking(move || {
            label(staged.file(), &digest)?;
            staged.sync()?;
            sync_directory(&directory)
        })
        .await
    }

    /// The length of a key's object in bytes; None when there is none.
    pub async fn size(&self, key: &ObjectKey) -> Result<Option<u64>> {
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
    pub async fn read(&self, key: &ObjectKey, size: u64) -> Result<BlobStream> {
        let path = self.path(key);
        let name = key.to_string();
        blocking(move || {
            let file = open_object(&path)?;
            let found = file.metadata().map_err(Error::io("look up a blob"))?.len();
            if found != size {
                let what = format!("it has {found} bytes and should have {size}");
                return Err(Error::Damaged { key: name, what });
            }
            Ok(BlobStream::new(file, size))
        })
        .await
    }

    /// Deletes the objects of keys, durably; those that are not there count as deleted. Returns
    /// the keys that could not be deleted.
    pub async fn delete(&self, keys: Vec<ObjectKey>) -> Result<Vec<ObjectKey>> {
        let blobs = self.clone();
        blocking(move || {
            let (mut failed, mut shards) = (Vec::new(), BTreeSet::new());
            for key in keys {
                match fs::remove_file(blobs.path(&key)) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        tracing::warn!(%key, %error, "an object could not be deleted");
                        failed.push(key);
                    }
                    _ => {
                        shards.insert(key.shard().to_owned());
                    }
                }
            }
            for shard in shards {
                sync_directory(&blobs.root.join("b").join(shard))?;
            }
            Ok(failed)
        })
        .await
    }

    /// Everything in the store: objects, and what does not belong there.
    pub async fn walk(&self) -> Result<Vec<Found>> {
        let objects = self.root.join("b");
        blocking(move || {
            let mut found = Vec::new();
            for shard in entries(&objects)? {
                if !shard.is_dir() {
                    found.push(Found::Stranger(shard));
                    continue;
                }
                let prefix = file_name(&shard);
                for file in entries(&shard)? {
                    let key = format!("b/{prefix}/{}", file_name(&file)).parse();
                    found.push(key.map_or(Found::Stranger(file), Found::Object));
                }
            }
            Ok(found)
        })
        .await
    }

    /// The size of the disk and what is free on it, in bytes.
    pub async fn space(&self) -> Result<Space> {
        let root = self.root.clone();
        blocking(move || {
            let stat = rustix::fs::statvfs(&*root)
                .map_err(|error| Error::io("ask for free space")(error.into()))?;
            let total = stat.f_blocks.saturating_mul(stat.f_frsize);
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            Ok(Space { total, free })
        })
        .await
    }

    /// Fails when fewer bytes than the reserve would be left after writing `bytes` more.
    ///
    /// # Errors
    /// [`Error::Full`].
    pub async fn require_space(&self, bytes: u64) -> Result<()> {
        let Space { total, free } = self.space().await?;
        let reserve = (total / RESERVE_DIVISOR).min(LARGEST_RESERVE);
        if free < reserve.saturating_add(bytes) { Err(Error::Full("blobs")) } else { Ok(()) }
    }
}

async fn blocking<T: Send + 'static>(
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
        std::io::ErrorKind::NotFound => {
            Error::Damaged { key: path.display().to_string(), what: "it is missing".to_owned() }
        }
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

pub(super) fn sync_directory(path: &Path) -> Result<()> {
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

fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let list = |directory| -> std::io::Result<Vec<PathBuf>> {
        fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect()
    };
    list(directory).map_err(Error::io("list a directory"))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
