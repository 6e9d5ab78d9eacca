//! An open file, read in pieces without stalling the threads that serve others.

use std::fs::File;
use std::io::IoSliceMut;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use rustix::io::{Errno, ReadWriteFlags};
use tokio::task::spawn_blocking;

use super::buffers::Buffer;
use super::open_object;
use crate::error::{Error, Result};

/// Set once a file system has said that it cannot read without waiting.
static NOWAIT_UNSUPPORTED: AtomicBool = AtomicBool::new(false);

/// An open file. Copies share it.
#[derive(Clone)]
pub(super) struct OpenFile(Arc<File>);

impl OpenFile {
    /// Opens an object that a row knows. May wait for the disk.
    pub(super) fn open(path: &Path) -> Result<Self> {
        Ok(Self(Arc::new(open_object(path)?)))
    }

    pub(super) fn file(&self) -> &File {
        &self.0
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Its length, if it still has a name. Nothing is waited for: the kernel knows what is open.
    pub(super) fn length(&self) -> Result<Option<u64>> {
        let found = self.0.metadata().map_err(Error::io("look up a blob"))?;
        Ok((found.nlink() > 0).then_some(found.len()))
    }

    /// Whether it is what a path names. May wait for the disk; needs no file descriptor.
    pub(super) fn is_at(&self, path: &Path) -> std::io::Result<bool> {
        let (here, there) = (self.0.metadata()?, std::fs::metadata(path)?);
        Ok((here.dev(), here.ino()) == (there.dev(), there.ino()))
    }

    /// The next piece at `offset`, at most up to `end`; empty only at `end`.
    ///
    /// Bytes in the page cache are copied right here (`preadv2` with `RWF_NOWAIT`); only a miss
    /// costs a thread of the blocking pool, so a cold disk does not hold up warm requests.
    ///
    /// # Errors
    /// `UnexpectedEof` when the file ends before `end`.
    pub(super) async fn piece(&self, offset: u64, end: u64) -> std::io::Result<Bytes> {
        let wanted = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX);
        if wanted == 0 {
            return Ok(Bytes::new());
        }
        let mut buffer = Buffer::with(wanted);
        let mut filled = self.read_cached(buffer.room(), offset);
        if filled == 0 {
            let file = self.0.clone();
            let read = move || file.read_at(buffer.room(), offset).map(|n| (buffer, n));
            (buffer, filled) = spawn_blocking(read).await.map_err(std::io::Error::other)??;
        }
        if filled == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(buffer.into_bytes(filled))
    }

    /// How many bytes at `offset` could be had without waiting.
    fn read_cached(&self, buffer: &mut [u8], offset: u64) -> usize {
        if NOWAIT_UNSUPPORTED.load(Ordering::Relaxed) {
            return 0;
        }
        let mut slices = [IoSliceMut::new(buffer)];
        match rustix::io::preadv2(&*self.0, &mut slices, offset, ReadWriteFlags::NOWAIT) {
            Ok(n) => n,
            Err(Errno::OPNOTSUPP) => {
                NOWAIT_UNSUPPORTED.store(true, Ordering::Relaxed);
                0
            }
            // EAGAIN, and whatever the blocking read will report better.
            Err(_) => 0,
        }
    }
}
