//! Reading an object, in copies or in windows of the page cache.

use std::ops::Range;

use bytes::Bytes;
use roadstead_model::ObjectKey;
use roadstead_pages::Window;

use super::file::OpenFile;
use super::kept::Kept;

/// What is mapped at once. A multiple of every page size.
const SPAN: u64 = 32 << 20;

/// What is handed out at once; all of it is in memory.
const PIECE: u64 = 2 << 20;

/// Less than this is copied faster than it is mapped.
const WORTH: u64 = 128 << 10;

/// An object that is being read.
pub(in crate::blobs) struct Reading {
    file: OpenFile,
    /// Where the file is kept for others, if it is.
    kept: Option<(Kept, ObjectKey)>,
    windows: Option<Windows>,
}

/// Where a reader is that takes windows.
struct Windows {
    size: u64,
    /// The span that was read last.
    last: Option<(u64, Window)>,
    /// Up to here it is read by copying: something was not in memory.
    cold: u64,
}

impl Reading {
    pub(super) fn of(file: OpenFile) -> Self {
        Self { file, kept: None, windows: None }
    }

    pub(super) fn kept(file: OpenFile, kept: Kept, key: ObjectKey) -> Self {
        Self { file, kept: Some((kept, key)), windows: None }
    }

    /// Lets pieces be windows. `size` is the object's length.
    pub(in crate::blobs) fn in_windows(&mut self, size: u64) {
        if self.kept.is_some() {
            self.windows = Some(Windows { size, last: None, cold: 0 });
        }
    }

    /// The next piece at `offset`, at most up to `end`; empty only at `end`.
    ///
    /// # Errors
    /// `UnexpectedEof` when the file ends before `end`.
    pub(in crate::blobs) async fn piece(
        &mut self,
        offset: u64,
        end: u64,
    ) -> std::io::Result<Bytes> {
        match self.window(offset, end) {
            Some(bytes) => Ok(bytes),
            None => self.file.piece(offset, end).await,
        }
    }

    /// What is in memory from `offset` on; None when some of it is not, or cannot be had so.
    fn window(&mut self, offset: u64, end: u64) -> Option<Bytes> {
        let windows = self.windows.as_mut()?;
        let end = end.min(windows.size);
        if offset < windows.cold || end.saturating_sub(offset) < WORTH {
            return None;
        }
        let range = next_range(offset, end);
        let start = offset - offset % SPAN;
        if windows.last.as_ref().is_none_or(|(at, _)| *at != start) {
            windows.last = None;
            let (kept, key) = self.kept.as_ref()?;
            let length = usize::try_from(SPAN.min(windows.size - start)).ok()?;
            match kept.window(key, &self.file, start, length) {
                Ok(window) => windows.last = Some((start, window)),
                Err(error) => {
                    tracing::debug!(%key, %error, "an object cannot be mapped");
                    self.windows = None;
                    return None;
                }
            }
        }
        let (_, window) = windows.last.as_ref()?;
        if window.is_resident(range.clone()) {
            Some(window.bytes(range))
        } else {
            windows.cold = offset.saturating_add(PIECE);
            None
        }
    }
}

/// What of its span the next piece is. Pieces end at multiples of their length.
fn next_range(offset: u64, end: u64) -> Range<usize> {
    let stop = end.min(offset - offset % PIECE + PIECE);
    let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
    place(offset % SPAN)..place(offset % SPAN + (stop - offset))
}
