//! Manifests that were there before anybody asked what they are.

use roadstead_storage::tables::artifact::{self, Undescribed};
use roadstead_storage::tables::manifest::Facts;

use super::attributes;
use crate::Registry;
use crate::error::Result;
use crate::manifest::Manifest;

/// How many are looked at in one transaction.
const BATCH: i64 = 50;

impl Registry {
    /// Looks at every manifest that nobody has looked at; says how many.
    pub async fn describe_all(&self) -> Result<u64> {
        let mut described = 0;
        loop {
            let batch = artifact::undescribed(&mut self.db.read().await?, BATCH).await?;
            if batch.is_empty() {
                return Ok(described);
            }
            let mut tx = self.db.begin().await?;
            for found in &batch {
                let read = self.reading_of(found);
                let signed = read.as_ref().and_then(|read| read.signs(&tags_of(found)));
                let size = attributes::content_size(&found.bytes);
                let unknown = Facts { kind: "UNKNOWN", ..Facts::default() };
                let facts = read.as_ref().map_or(unknown, |read| read.facts(signed.as_deref()));
                let facts = Facts { total_size: size, ..facts };
                let annotations = read.as_ref().and_then(|read| read.annotations.as_deref());
                artifact::describe(&mut tx, found.id, facts, annotations).await?;
            }
            tx.commit().await?;
            described += batch.len() as u64;
        }
    }

    /// None for one that an older version took, and that this one would refuse.
    fn reading_of(&self, found: &Undescribed) -> Option<Manifest> {
        Manifest::parse(&found.media_type, &found.bytes, self.limits.manifest_entries).ok()
    }
}

fn tags_of(found: &Undescribed) -> Vec<roadstead_model::Tag> {
    found.tags.iter().filter_map(|tag| tag.parse().ok()).collect()
}
