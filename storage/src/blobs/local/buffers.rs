//! Buffers for pieces, used again while the processor still has them in its cache.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

/// How much is read at once.
pub(super) const PIECE: usize = 256 << 10;

/// Pieces from here on are worth a buffer that is used again.
const WORTH: usize = 32 << 10;

/// How many are kept for the next readers.
const MOST: usize = 16;

/// The last one that was given back is the first to be used again.
static FREE: Mutex<Vec<Box<[u8]>>> = Mutex::new(Vec::new());

/// Memory to read into. What is in it is of no importance, but it was initialised once.
pub(super) struct Buffer {
    memory: Box<[u8]>,
    length: usize,
}

impl Buffer {
    /// With room for `length` bytes, at most [`PIECE`].
    pub(super) fn with(length: usize) -> Self {
        let length = length.min(PIECE);
        if length < WORTH {
            return Self { memory: vec![0; length].into(), length };
        }
        let free = FREE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Self { memory: free.unwrap_or_else(|| vec![0; PIECE].into()), length }
    }

    pub(super) fn room(&mut self) -> &mut [u8] {
        &mut self.memory[..self.length]
    }

    /// Its first `length` bytes.
    pub(super) fn into_bytes(mut self, length: usize) -> Bytes {
        self.length = length.min(self.length);
        Bytes::from_owner(self)
    }

    /// Gives back to the system what waits for readers.
    pub(super) fn free_all() {
        let freed = std::mem::take(&mut *FREE.lock().unwrap_or_else(PoisonError::into_inner));
        drop(freed);
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.memory[..self.length]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.memory.len() != PIECE {
            return;
        }
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < MOST {
            free.push(std::mem::take(&mut self.memory));
        }
    }
}
