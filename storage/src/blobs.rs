//! The bytes of blobs, under opaque keys.
//!
//! This room knows keys and bytes; which digest a key holds is SQL's to know. A key is written
//! once: [`Blobs::stage`] makes it or goes on with it while its session lives, [`Blobs::publish`]
//! makes it durable, and from then on it is only read, until it is deleted.

mod content_hash;
mod local;
mod read;
mod stage;

pub use content_hash::ContentHash;
pub use local::{Blobs, Found, Space};
pub use read::BlobStream;
pub use stage::Staged;

/// The extended attribute that carries a blob's digest, so that SQL can be rebuilt from the disk.
pub(crate) const DIGEST_ATTRIBUTE: &str = "user.oci.digest";
