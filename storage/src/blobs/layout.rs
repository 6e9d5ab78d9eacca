//! Where the bytes of an unfinished upload are in an object store.

use roadstead_model::ObjectKey;

/// The acknowledged bytes of a session: whole parts first, and then the tail. Empty on a disk,
/// where all of them are in the key's file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// The multipart upload that was begun for the session's key.
    pub multipart: Option<String>,
    /// How many bytes each part has, once there is a multipart upload.
    pub part_size: u64,
    /// The parts' ids at the store, in order.
    pub parts: Vec<String>,
    /// The object with the bytes behind the last part.
    pub tail: Option<ObjectKey>,
}

impl Layout {
    /// How many bytes the parts have.
    pub(super) fn in_parts(&self) -> u64 {
        self.part_size * self.parts.len() as u64
    }
}
