//! What is found while walking a store.

use roadstead_model::{Digest, ObjectKey};

/// Something in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// An object with the name of a key.
    Object(ObjectKey),
    /// Anything else, by its path.
    Stranger(String),
}

/// An object, and what its label says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The object.
    pub key: ObjectKey,
    /// Its length in bytes.
    pub size: u64,
    /// What its bytes hash to; None when it was never published, or the file system keeps no
    /// attributes.
    pub digest: Option<Digest>,
}
