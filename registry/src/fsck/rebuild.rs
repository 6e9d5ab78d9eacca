//! Blob rows made anew from what the store says of its objects, when the database is lost.
//!
//! Repositories, manifests and tags are in the database only: they come back with a backup, or
//! when clients push again. What this saves is the bytes: without rows they would be orphans.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use roadstead_model::{Algorithm, Clock, Digest, Origin};
use roadstead_storage::blobs::Label;
use roadstead_storage::tables::audit::{self, Actor, Event};
use roadstead_storage::tables::{blob, gc_queue};
use roadstead_storage::{Blobs, ContentHash, Db, Error as StorageError};
use serde::Serialize;

use super::{Progress, Stage};
use crate::error::Result;

/// How long what was rebuilt stays without being pushed again.
const KEPT: Duration = Duration::from_hours(30 * 24);
/// How many rows one transaction makes.
const BATCH: usize = 100;

/// What a rebuild did.
#[derive(Debug, Default, Serialize)]
pub struct Rebuilt {
    /// Objects in the store.
    pub objects: u64,
    /// Blobs that have a row now and had none.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that some row knows, or whose content another object has.
    pub known: u64,
    /// Objects without a label, which nobody finished, or which were hashed to learn their name.
    pub unlabelled: u64,
    /// Objects whose bytes do not hash to what their label says.
    pub damaged: Vec<String>,
}

/// Gives every labelled object that no row knows a row. With `deep` each is read first, and those
/// without a label are known by their SHA-256. May be repeated, and merges with what is there.
pub async fn rebuild(
    db: &Db,
    blobs: &Blobs,
    clock: &dyn Clock,
    deep: bool,
    progress: &Arc<Progress>,
) -> Result<Rebuilt> {
    progress.enter(Stage::Objects, 0);
    let mut rebuilt = Rebuilt::default();
    let mut labels = blobs.labels().chunks(BATCH);
    while let Some(batch) = labels.next().await {
        let mut rows: Vec<(Digest, Label)> = Vec::new();
        for label in batch {
            let label = label?;
            rebuilt.objects += 1;
            progress.step(if deep { label.size } else { 0 });
            if let Some(digest) = named(blobs, &label, deep, &mut rebuilt).await? {
                if deep && label.digest.is_none() {
                    blobs.label(&label.key, &digest).await?;
                }
                rows.push((digest, label));
            }
        }
        add(db, clock, deep, &rows, &mut rebuilt).await?;
    }
    let mut tx = db.begin().await?;
    let origin = Origin::default();
    let actor = Actor { principal: None, name: "system", origin: &origin };
    let what = format!("{} blobs of {} objects have a row again", rebuilt.blobs, rebuilt.objects);
    let event = Event::of("storage", "blobs", "rebuild").described(&what);
    audit::record(&mut tx, actor, event, clock.now()).await?;
    tx.commit().await?;
    Ok(rebuilt)
}

/// What an object's bytes are known by.
async fn named(
    blobs: &Blobs,
    label: &Label,
    deep: bool,
    rebuilt: &mut Rebuilt,
) -> Result<Option<Digest>> {
    rebuilt.unlabelled += u64::from(label.digest.is_none());
    if !deep {
        return Ok(label.digest.clone());
    }
    let algorithm = label.digest.as_ref().map_or(Algorithm::Sha256, Digest::algorithm);
    let found = match blobs.hash(&label.key, label.size, ContentHash::new(algorithm)).await {
        Ok(hash) => hash.finish(),
        Err(StorageError::Damaged { .. } | StorageError::Io { .. }) => {
            rebuilt.damaged.push(label.key.to_string());
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    if label.digest.as_ref().is_some_and(|digest| *digest != found) {
        rebuilt.damaged.push(label.key.to_string());
        return Ok(None);
    }
    Ok(Some(found))
}

async fn add(
    db: &Db,
    clock: &dyn Clock,
    verified: bool,
    rows: &[(Digest, Label)],
    rebuilt: &mut Rebuilt,
) -> Result<()> {
    let now = clock.now();
    let mut tx = db.begin().await?;
    let (mut blobs, mut bytes, mut known) = (0, 0, 0);
    for (digest, Label { key, size, .. }) in rows {
        match blob::rebuild(&mut tx, digest, *size, key, verified, now).await? {
            Some(id) => {
                gc_queue::blob(&mut tx, id, now.after(KEPT)).await?;
                blobs += 1;
                bytes += size;
            }
            None => known += 1,
        }
    }
    tx.commit().await?;
    rebuilt.blobs += blobs;
    rebuilt.bytes += bytes;
    rebuilt.known += known;
    Ok(())
}
