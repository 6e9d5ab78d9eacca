//! Artifacts: what manifests are to people.

use std::collections::HashMap;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use roadstead_model::{Digest, ManifestId};
use roadstead_storage::tables::artifact::{self, Artifact, Attributes};
use roadstead_storage::tables::blob::{self, Blob};
use roadstead_storage::tables::manifest;

use crate::Registry;
use crate::error::Result;

mod attributes;
mod describe;
pub(crate) mod kind;

use attributes::{MOST_BYTES, Reading};

/// How many configs are read at once.
const AT_ONCE: usize = 8;

impl Registry {
    /// What the configs of some artifacts say, read now where nobody has looked before. What
    /// cannot be read at the moment is left out, and tried again the next time.
    pub async fn attributes_of(
        &self,
        artifacts: &[Artifact],
    ) -> Result<HashMap<ManifestId, Attributes>> {
        let ids: Vec<ManifestId> = artifacts.iter().map(|artifact| artifact.id).collect();
        let mut known = artifact::attributes_of(&mut self.db.read().await?, &ids).await?;
        let unread = artifacts.iter().filter(|artifact| !known.contains_key(&artifact.id));
        let readings = self.readings(unread).await?;
        let read = stream::iter(readings)
            .map(|(id, reading, config)| async move { (id, self.read(reading, config).await) })
            .buffer_unordered(AT_ONCE);
        let read: Vec<_> = read.collect().await;
        let mut fresh = Vec::new();
        for (id, attributes) in read {
            match attributes {
                Ok(Some(attributes)) => fresh.push((id, attributes)),
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "the config of an artifact was not read"),
            }
        }
        if let Err(error) = self.keep(&fresh).await {
            // They are read again the next time.
            tracing::debug!(%error, "attributes of artifacts were not kept");
        }
        known.extend(fresh);
        Ok(known)
    }

    async fn keep(&self, fresh: &[(ManifestId, Attributes)]) -> Result<()> {
        if fresh.is_empty() {
            return Ok(());
        }
        // What is left on a full disk is for deletes.
        self.blobs.require_space(0).await?;
        let mut tx = self.db.begin().await?;
        for (id, attributes) in fresh {
            artifact::keep_attributes(&mut tx, *id, attributes).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Begins to read the attributes of some: what is in the database.
    async fn readings(
        &self,
        unread: impl Iterator<Item = &Artifact>,
    ) -> Result<Vec<(ManifestId, Reading, Option<Blob>)>> {
        let mut conn = self.db.read().await?;
        let mut readings = Vec::new();
        for artifact in unread {
            let Some(bytes) = manifest::bytes(&mut conn, artifact.id).await? else { continue };
            let reading = Reading::of(&bytes);
            let config = match &reading.config {
                Some(digest) => blob::linked(&mut conn, artifact.repository, digest).await?,
                None => None,
            };
            readings.push((artifact.id, reading, config));
        }
        Ok(readings)
    }

    /// Reads the attributes of one; None when its config is missing or damaged.
    async fn read(&self, reading: Reading, config: Option<Blob>) -> Result<Option<Attributes>> {
        let attributes = match (&reading.config, config) {
            (None, _) => reading.attributes(b""),
            (Some(_), None) => return Ok(None),
            (Some(_), Some(config)) => match self.read_whole(&config, MOST_BYTES).await? {
                None => return Ok(None),
                Some(config) => reading.attributes(&config),
            },
        };
        Ok(Some(Attributes { attributes, children: reading.children }))
    }

    /// The bytes of a blob; None when it is damaged, or has more than `most`.
    pub(crate) async fn read_whole(&self, found: &Blob, most: u64) -> Result<Option<Bytes>> {
        if found.size > most {
            return Ok(None);
        }
        let mut stream = self.open_blob(found, 0..found.size).await?;
        let mut bytes = Vec::with_capacity(usize::try_from(found.size).unwrap_or_default());
        while (bytes.len() as u64) < found.size {
            let piece = stream.piece(bytes.len() as u64, found.size).await;
            let piece = piece.map_err(|source| roadstead_storage::Error::Io {
                what: format!("reading the blob {}", found.digest),
                source,
            })?;
            bytes.extend_from_slice(&piece);
        }
        let whole = Digest::of(found.digest.algorithm(), &bytes) == found.digest;
        Ok(whole.then(|| bytes.into()))
    }
}
