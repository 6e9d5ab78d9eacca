//! Which manifests refer to another (distribution-spec, "Listing Referrers").
//!
//! Every manifest with a subject is found here from the moment it is pushed, so what a fallback
//! tag lists needs no look: its entries that have a subject are among them.

use roadstead_auth::Grant;
use roadstead_model::{Digest, ManifestId};
use roadstead_storage::tables::referrer::{self, Referrer};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::Registry;
use crate::error::Result;

/// How many rows are read at once.
const BATCH: i64 = 256;

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
        let most = n.unwrap_or(usize::MAX);
        let mut conn = self.db.read().await?;
        let (mut page, mut bytes, mut last) = (Referrers::default(), 0, after);
        loop {
            let rows =
                referrer::list(&mut conn, repository, subject, artifact_type, last, BATCH).await?;
            if rows.is_empty() {
                return Ok(page);
            }
            for row in rows {
                let weight = weight(&row);
                let full = page.descriptors.len() >= most
                    || bytes + weight > self.limits.referrers_page_bytes;
                // One that is larger than a page stands alone on it.
                if full && (most == 0 || !page.descriptors.is_empty()) {
                    page.next = (most > 0).then_some(last);
                    return Ok(page);
                }
                bytes += weight;
                last = row.id;
                page.descriptors.push(descriptor(row));
            }
        }
    }
}

/// About how many bytes a descriptor takes as JSON.
fn weight(row: &Referrer) -> usize {
    256 + row.annotations.as_ref().map_or(0, String::len)
        + row.artifact_type.as_ref().map_or(0, String::len)
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
