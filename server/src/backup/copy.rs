//! The objects that a dump names, copied and compared with their digests on the way.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use futures_util::stream::{self, StreamExt as _};
use roadstead_storage::{Blobs, ContentHash, Error as StorageError};

use super::files::{self, Partial};
use super::manifest::{Kept, Manifest, Object, object};

/// How many are copied at once.
const TOGETHER: usize = 4;

/// What copying did.
#[derive(Default)]
pub(super) struct Done {
    pub(super) kept: Kept,
    pub(super) copied: u64,
    pub(super) damaged: Vec<String>,
}

enum Outcome {
    There,
    Copied,
    Damaged,
}

pub(super) async fn objects(
    blobs: &Blobs,
    directory: &Path,
    manifest: &Manifest,
) -> anyhow::Result<Done> {
    for shard in 0..=u8::MAX {
        files::make(&directory.join(format!("blobs/b/{shard:02x}")))?;
    }
    let mut done = Done::default();
    let mut outcomes = stream::iter(manifest.objects(directory)?)
        .map(async |found| {
            let found = found?;
            let outcome = copy(blobs, directory, &found).await?;
            Ok::<_, anyhow::Error>((found, outcome))
        })
        .buffer_unordered(TOGETHER);
    while let Some(outcome) = outcomes.next().await {
        let (found, outcome) = outcome?;
        match outcome {
            Outcome::Damaged => {
                done.damaged.push(found.digest.to_string());
                continue;
            }
            Outcome::Copied => done.copied += 1,
            Outcome::There => {}
        }
        done.kept.count += 1;
        done.kept.bytes += found.size;
    }
    drop(outcomes);
    for shard in 0..=u8::MAX {
        files::sync_directory(&directory.join(format!("blobs/b/{shard:02x}")))?;
    }
    files::sync_directory(&directory.join("blobs/b"))?;
    Ok(done)
}

async fn copy(blobs: &Blobs, directory: &Path, found: &Object) -> anyhow::Result<Outcome> {
    let path = object(directory, &found.key);
    // Keys are never written twice: what has the name and the length has the bytes.
    if fs::metadata(&path).is_ok_and(|file| file.len() == found.size) {
        return Ok(Outcome::There);
    }
    let mut source = match blobs.read(&found.key, found.size, 0..found.size).await {
        Err(StorageError::Damaged { .. }) => return Ok(Outcome::Damaged),
        source => source?,
    };
    let mut file = Partial::create(&path)?;
    let (mut hash, mut offset) = (ContentHash::new(found.digest.algorithm()), 0);
    while offset < found.size {
        let piece = source.piece(offset, found.size).await;
        let piece = piece.with_context(|| format!("cannot read {}", found.digest))?;
        hash.update(&piece);
        file.write(&piece)?;
        offset += piece.len() as u64;
    }
    if hash.finish() != found.digest {
        file.give_up();
        return Ok(Outcome::Damaged);
    }
    file.finish()?;
    Ok(Outcome::Copied)
}

/// Takes away what the backup does not name any more.
pub(super) fn prune(directory: &Path, manifest: &Manifest) -> anyhow::Result<()> {
    let mut named = HashSet::new();
    for found in manifest.objects(directory)? {
        named.insert(object(directory, &found?.key));
    }
    for shard in fs::read_dir(directory.join("blobs/b"))? {
        for file in fs::read_dir(shard?.path())? {
            let path = file?.path();
            if !named.contains(&path) {
                fs::remove_file(&path)
                    .with_context(|| format!("cannot remove {}", path.display()))?;
            }
        }
    }
    Ok(())
}
