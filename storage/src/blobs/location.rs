//! Where blobs are kept.

use std::path::PathBuf;

use super::cloud::settings::StoreSettings;

/// A directory, or an object store.
#[derive(Clone, Debug)]
pub enum Location {
    /// A directory on a disk.
    Disk(PathBuf),
    /// A bucket, or a container, of an object store.
    Store(Box<StoreSettings>),
}

impl From<PathBuf> for Location {
    fn from(root: PathBuf) -> Self {
        Self::Disk(root)
    }
}
