//! The memory for bytes that wait to be sent to the store, shared by all uploads of the process.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Error, Result};

/// What is counted at once.
const UNIT: usize = 64 << 10;

/// The size of a buffer that is used again.
const BUFFER: usize = 256 << 10;

/// How many buffers are kept while nobody uses them: 32 MiB, which is one upload and a bit.
const IDLE: usize = 128;

/// How long an upload waits for its turn.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Memory {
    free: Arc<Semaphore>,
    units: u32,
    idle: Arc<Idle>,
}

/// Buffers to be used again. Whoever allocates and frees whole parts, on one thread after the
/// other, has the allocator keep several times of what is in use.
#[derive(Default)]
struct Idle(Mutex<Vec<Vec<u8>>>);

impl Idle {
    fn take(&self) -> Vec<u8> {
        let idle = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.unwrap_or_else(|| Vec::with_capacity(BUFFER))
    }

    fn give_back(&self, mut bytes: Vec<u8>) {
        bytes.clear();
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE {
            idle.push(bytes);
        }
    }
}

/// Memory that is set aside, and not in a buffer yet, until dropped.
pub(super) struct Reserved {
    permit: OwnedSemaphorePermit,
    bytes: u64,
    idle: Arc<Idle>,
}

/// A buffer, and its memory, until dropped.
pub(super) struct Buffer {
    bytes: Vec<u8>,
    size: usize,
    /// Where it goes, if it is of the size that is used again.
    idle: Option<Arc<Idle>>,
    _permit: Option<OwnedSemaphorePermit>,
}

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT as u64)).unwrap_or(u32::MAX)
}

impl Memory {
    pub(super) fn new(bytes: u64) -> Self {
        let units = units(bytes).max(1);
        let permits = usize::try_from(units).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(permits)), units, idle: Arc::default() }
    }

    /// Sets memory aside, all of it at once, so that no two uploads wait for each other's halves.
    ///
    /// # Errors
    /// [`Error::StoreBusy`] when there is none for a while.
    pub(super) async fn reserve(&self, bytes: u64) -> Result<Reserved> {
        let units = units(bytes).clamp(1, self.units);
        let permit = self.free.clone().acquire_many_owned(units);
        match tokio::time::timeout(PATIENCE, permit).await {
            Ok(Ok(permit)) => Ok(Reserved { permit, bytes, idle: self.idle.clone() }),
            _ => Err(Error::StoreBusy),
        }
    }
}

impl Reserved {
    /// How many bytes are not in a buffer yet.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// A buffer from what is set aside; None when nothing is left of it.
    pub(super) fn buffer(&mut self) -> Option<Buffer> {
        let size = usize::try_from(self.bytes).unwrap_or(BUFFER).min(BUFFER);
        if size == 0 {
            return None;
        }
        self.bytes -= size as u64;
        // The last one has the rest; there are fewer units than bytes where all memory is taken.
        let units = size.div_ceil(UNIT).min(self.permit.num_permits());
        let (idle, bytes) = if size == BUFFER {
            (Some(self.idle.clone()), self.idle.take())
        } else {
            (None, Vec::with_capacity(size))
        };
        Some(Buffer { bytes, size, idle, _permit: self.permit.split(units) })
    }
}

impl Buffer {
    /// How many more bytes it takes.
    pub(super) fn room(&self) -> usize {
        self.size - self.bytes.len()
    }

    /// Copies as much as there is room for; returns what there is none for.
    pub(super) fn fill<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (now, later) = bytes.split_at(self.room().min(bytes.len()));
        self.bytes.extend_from_slice(now);
        later
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(idle) = &self.idle {
            idle.give_back(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: u64 = super::UNIT as u64;

    #[tokio::test(start_paused = true)]
    async fn an_upload_waits_for_memory_and_not_for_ever() {
        let memory = Memory::new(4 * UNIT);
        let all = memory.reserve(100 * UNIT).await.unwrap();
        assert!(matches!(memory.reserve(1).await, Err(Error::StoreBusy)));
        drop(all);
        let half = memory.reserve(2 * UNIT).await.unwrap();
        let _other = memory.reserve(2 * UNIT).await.unwrap();
        drop(half);
        assert!(memory.reserve(UNIT).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_free_when_the_last_buffer_is_gone_and_buffers_are_used_again() {
        let size = 2 * BUFFER as u64 + 10;
        let memory = Memory::new(size);
        let mut reserved = memory.reserve(size).await.unwrap();
        let buffers: Vec<Buffer> = std::iter::from_fn(|| reserved.buffer()).collect();
        let sizes: Vec<usize> = buffers.iter().map(|buffer| buffer.size).collect();
        assert_eq!(sizes, [BUFFER, BUFFER, 10]);
        drop(reserved);
        let place = buffers[0].bytes.as_ptr();
        let mut buffers = buffers.into_iter();
        assert_eq!(buffers.next().unwrap().fill(&vec![7; BUFFER + 3]), [7; 3]);
        assert!(matches!(memory.reserve(size).await, Err(Error::StoreBusy)), "one buffer is free");
        let again = memory.reserve(BUFFER as u64).await.unwrap().buffer().unwrap();
        assert_eq!((again.bytes.as_ptr(), again.as_ref()), (place, &[][..]));
        drop((again, buffers));
        assert!(memory.reserve(size).await.is_ok());
    }

    #[tokio::test]
    async fn a_part_larger_than_all_memory_takes_all_of_it() {
        let memory = Memory::new(UNIT);
        let mut reserved = memory.reserve(3 * BUFFER as u64).await.unwrap();
        let buffers: Vec<Buffer> = std::iter::from_fn(|| reserved.buffer()).collect();
        assert_eq!(buffers.len(), 3);
    }
}
