//! Bytes that no part has yet.

use bytes::Bytes;
use object_store::PutPayload;

use crate::blobs::cloud::memory::{Buffer, Reserved};

/// What is behind the last part, once the tail was read back.
#[derive(Default)]
pub(super) struct Rest {
    /// Buffers that are full.
    full: Vec<Bytes>,
    /// How many bytes those have.
    in_full: u64,
    /// The one that fills.
    filling: Option<Buffer>,
    /// The memory that is set aside for more.
    reserved: Option<Reserved>,
    /// How many bytes of the session's tail are not read back yet.
    pub(super) in_tail: u64,
    /// Whether it is something else than the session's tail.
    pub(super) changed: bool,
}

impl Rest {
    /// Behind the last part, with so many bytes in the tail.
    pub(super) fn in_tail(in_tail: u64) -> Self {
        Self { in_tail, ..Self::default() }
    }

    /// With the tail.
    pub(super) fn length(&self) -> u64 {
        self.held() + self.in_tail
    }

    /// How many bytes are in memory.
    pub(super) fn held(&self) -> u64 {
        self.in_full + self.filling.as_ref().map_or(0, |buffer| buffer.as_ref().len() as u64)
    }

    pub(super) fn has_room(&self) -> bool {
        let in_buffer = self.filling.as_ref().map_or(0, Buffer::room);
        in_buffer > 0 || self.reserved.as_ref().is_some_and(|reserved| reserved.bytes() > 0)
    }

    pub(super) fn give_room(&mut self, reserved: Reserved) {
        self.reserved = Some(reserved);
    }

    /// Copies bytes, so that a client's small pieces cost no more memory than large ones; returns
    /// those that there is no room for.
    pub(super) fn append<'a>(&mut self, mut bytes: &'a [u8]) -> &'a [u8] {
        while !bytes.is_empty() {
            if let Some(buffer) = &mut self.filling {
                bytes = buffer.fill(bytes);
            }
            if !bytes.is_empty() {
                self.put_aside();
                self.filling = self.reserved.as_mut().and_then(Reserved::buffer);
                if self.filling.is_none() {
                    return bytes;
                }
            }
        }
        bytes
    }

    fn put_aside(&mut self) {
        if let Some(buffer) = self.filling.take().filter(|buffer| !buffer.as_ref().is_empty()) {
            self.in_full += buffer.as_ref().len() as u64;
            self.full.push(Bytes::from_owner(buffer));
        }
    }

    /// The bytes, which have their memory with them, leaving nothing.
    pub(super) fn take(&mut self) -> PutPayload {
        self.put_aside();
        self.reserved = None;
        self.in_full = 0;
        std::mem::take(&mut self.full).into_iter().collect()
    }
}
