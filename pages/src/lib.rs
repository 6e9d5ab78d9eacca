//! Files as memory, so that the kernel can copy from the page cache to a socket without a detour
//! through a buffer of ours.
//!
//! This room is apart because it is the only one with `unsafe`. What could go wrong, and why it
//! does not:
//!
//! - **The memory goes away while somebody has it.** A [`Bytes`] owns its mapping; the last one
//!   that is dropped unmaps it. Nothing else does.
//! - **The memory changes while somebody has it.** Blobs are written once, below a directory of mode
//!   0700, and only read afterwards. Whoever breaks into that directory changes what clients get,
//!   as with any way of reading; and nobody below looks at the bytes, see next.
//! - **A page cannot be had** (the file was cut off by hand, the disk has an error). Whoever *reads*
//!   such a page in this process is killed by SIGBUS. So the bytes are for the kernel only: `write`
//!   and `sendmsg` fail with EFAULT instead. Who asks for windows promises that (see
//!   `BlobStream::for_the_kernel` in `storage`); TLS, HTTP/2, hashes and everything else that has a
//!   look gets copies.
//! - **A page is not there yet.** The thread that writes it would wait for the disk.
//!   [`Window::is_resident`] tells, and the caller reads in another way.

use std::fs::File;
use std::io;
use std::ops::Range;

use bytes::Bytes;

mod mapping;

use mapping::Mapping;

/// A part of a file as memory. Copies share it.
#[derive(Clone, Debug)]
pub struct Window(Bytes);

impl Window {
    /// Maps `length` bytes of a file from `offset` on, which is a multiple of the page size.
    ///
    /// # Errors
    /// When the kernel refuses; also when it would not say which pages are there, because the file
    /// is somebody else's.
    pub fn of(file: &File, offset: u64, length: usize) -> io::Result<Self> {
        // For other people's files `mincore` says that everything is there.
        if rustix::fs::fstat(file)?.st_uid != rustix::process::geteuid().as_raw() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(Self(Bytes::from_owner(Mapping::of(file, offset, length)?)))
    }

    /// How many bytes it has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has none; never.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether all pages of a range were read from the disk and are in memory just now. A page that
    /// is still on its way is not there.
    pub fn is_resident(&self, range: Range<usize>) -> bool {
        range.end <= self.len() && mapping::is_resident(&self.0, range)
    }

    /// A range's bytes, to be handed to the kernel and to nobody else.
    ///
    /// # Panics
    /// When the range is not in the window.
    pub fn bytes(&self, range: Range<usize>) -> Bytes {
        self.0.slice(range)
    }
}
