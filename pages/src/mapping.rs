//! The calls themselves.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::ptr::NonNull;

use rustix::mm::{MapFlags, ProtFlags};

/// How many pages are asked for at once.
const PAGES: usize = 1024;

/// Read-only memory that is backed by a file, until dropped.
pub(crate) struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: the memory belongs to the process and not to a thread, and is never written.
unsafe impl Send for Mapping {}
// SAFETY: as above; all access is by shared reference.
unsafe impl Sync for Mapping {}

impl Mapping {
    pub(crate) fn of(file: &File, offset: u64, length: usize) -> io::Result<Self> {
        let (prot, flags) = (ProtFlags::READ, MapFlags::SHARED);
        // SAFETY: the kernel chooses an address where nothing is mapped (no MAP_FIXED), so nobody's
        // memory is replaced. An offset or a length that it does not like is an error.
        let start =
            unsafe { rustix::mm::mmap(std::ptr::null_mut(), length, prot, flags, file, offset) }?;
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, length })
    }
}

impl AsRef<[u8]> for Mapping {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `length` bytes from `start` on are mapped readable until `self` is dropped, which
        // the slice does not outlive; that they do not change is argued in the room's first lines.
        // The kernel maps less than half of the address space at once, so `length` fits.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: exactly what was mapped in `of`, once, and nobody has a reference to it any more.
        // It cannot fail for a whole mapping; if it did, the memory would just stay mapped.
        let _ = unsafe { rustix::mm::munmap(self.start.as_ptr().cast::<c_void>(), self.length) };
    }
}

/// Whether all pages of a range of a mapping are in memory.
///
/// `mincore` and not `cachestat`: it counts a page that is still being read as missing.
pub(crate) fn is_resident(mapped: &[u8], range: Range<usize>) -> bool {
    let page = rustix::param::page_size();
    let mut at = range.start - range.start % page;
    let mut there = [0_u8; PAGES];
    while at < range.end {
        let length = (range.end - at).min(PAGES * page);
        let address = mapped[at..].as_ptr().cast_mut().cast::<c_void>();
        // SAFETY: it writes a byte for each page that `length` bytes begin, of which there are at
        // most `PAGES`; it does not touch the pages themselves, whatever the address is.
        if unsafe { libc::mincore(address, length, there.as_mut_ptr()) } != 0 {
            return false;
        }
        if there[..length.div_ceil(page)].iter().any(|page| page & 1 == 0) {
            return false;
        }
        at += length;
    }
    true
}
