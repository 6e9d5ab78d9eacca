//! Which manifests refer to another (distribution-spec, "Listing Referrers").
//!
//! Every manifest with a subject is found here from the moment it is pushed, so what a fallback
//! tag lists needs no look: its entries that have a subject are among them.

use roadstead_auth::Grant;
use roadstead_model::{Digest, ManifestId};
use roadstead_storage::tables::referrer::{self, Referrer, Weight};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::Registry;
use crate::error::Result;

/// The most referrers of a page.
const MOST: usize = 10_000;

/// About how many bytes a descriptor takes without its texts.
const DESCRIPTOR: usize = 256;

/// The descriptor of a referrer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    media_type: String,
    digest: String,
    size: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<Box<RawValue>>,
}

/// A page of referrers.
#[derive(Debug, Default)]
pub(crate) struct Referrers {
    pub(crate) descriptors: Vec<Descriptor>,
    /// Where the next page begins, when there is one.
    pub(crate) next: Option<ManifestId>,
}

impl Registry {
    /// Referrers of a digest, whether it exists or not, after the row `after`. A page ends after
    /// `n` of them, or before it grows beyond what clients read.
    pub(crate) async fn referrers(
        &self,
        grant: &Grant,
        subject: &Digest,
        artifact_type: Option<&str>,
        after: ManifestId,
        n: Option<usize>,
    ) -> Result<Referrers> {
        let Some(repository) = grant.repository() else {
            return Ok(Referrers::default());
        };
        let most = n.unwrap_or(MOST).min(MOST);
        if most == 0 {
            return Ok(Referrers::default());
        }
        let mut conn = self.db.read().await?;
        let limit = i64::try_from(most).unwrap_or(i64::MAX - 1) + 1;
        let found =
            referrer::weights(&mut conn, repository, subject, artifact_type, after, limit).await?;
        let fitting = self.fitting(&found, most);
        let ids: Vec<ManifestId> = found[..fitting].iter().map(|weight| weight.id).collect();
        let next = ids.last().copied().filter(|_| fitting < found.len());
        let rows = referrer::list(&mut conn, &ids).await?;
        Ok(Referrers { descriptors: rows.into_iter().map(descriptor).collect(), next })
    }

    /// How many of them fit on a page; one that is larger than a page stands alone on it.
    fn fitting(&self, found: &[Weight], most: usize) -> usize {
        let mut bytes = 0;
        let fits = |weight: &&Weight| {
            bytes += DESCRIPTOR + weight.characters;
            bytes <= self.limits.referrers_page_bytes
        };
        found.iter().take(most).take_while(fits).count().max(1).min(found.len())
    }
}

fn descriptor(row: Referrer) -> Descriptor {
    Descriptor {
        media_type: row.media_type,
        digest: row.digest,
        size: row.size,
        artifact_type: row.artifact_type,
        annotations: row.annotations.and_then(|json| RawValue::from_string(json).ok()),
    }
}
