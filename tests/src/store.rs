//! A server's objects as files, for tests that damage them or look at them behind its back.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Every object's file below a store of blobs (`<data>/blobs`).
pub fn objects(store: &Path) -> Vec<PathBuf> {
    let shards = std::fs::read_dir(store.join("b")).expect("shards");
    let mut files: Vec<PathBuf> = shards
        .flat_map(|shard| std::fs::read_dir(shard.expect("a shard").path()).expect("its files"))
        .map(|file| file.expect("a file").path())
        .collect();
    files.sort();
    files
}

/// The digest that a file is labelled with.
pub fn label(file: &Path) -> Option<String> {
    let mut value = [0_u8; 256];
    let length = rustix::fs::getxattr(file, "user.oci.digest", &mut value).ok()?;
    String::from_utf8(value[..length].to_vec()).ok()
}

/// The file of each digest.
pub fn by_digest(store: &Path) -> HashMap<String, PathBuf> {
    let labelled = |file: PathBuf| label(&file).map(|digest| (digest, file));
    objects(store).into_iter().filter_map(labelled).collect()
}
