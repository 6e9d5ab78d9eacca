//! Manifests: their bytes, and the rows that repeat what the bytes say.

use roadstead_model::{Digest, ManifestId};
use roadstead_storage::Conn;
use roadstead_storage::tables::held;
use roadstead_storage::tables::manifest::{self, Claim};

use super::Check;
use super::report::{Fault, Kind, Report};
use crate::error::Result;
use crate::manifest::Manifest;

/// How many are read at once; they come with their bytes.
const BATCH: i64 = 8;

impl Check {
    pub(super) async fn check_manifests(&self, report: &mut Report) -> Result<()> {
        let mut after = ManifestId(0);
        loop {
            let mut conn = self.db.snapshot().await?;
            let claims = manifest::walk(&mut conn, after, BATCH).await?;
            let Some(last) = claims.last() else {
                return Ok(());
            };
            after = last.id;
            for claim in claims {
                report.manifests += 1;
                self.progress.step(0);
                if let Some((kind, detail)) = fault_of(&mut conn, &claim).await? {
                    let name = format!("{}@{}", claim.repository, claim.digest);
                    report.add(Fault::new(kind, name, detail));
                }
            }
        }
    }
}

async fn fault_of(conn: &mut Conn, claim: &Claim) -> Result<Option<(Kind, String)>> {
    let digest: Option<Digest> = claim.digest.parse().ok();
    let computed = digest.map(|digest| Digest::of(digest.algorithm(), &claim.bytes));
    if computed.as_ref().map(Digest::as_str) != Some(&claim.digest) {
        return Ok(Some((Kind::ManifestDamaged, "its bytes have another digest".to_owned())));
    }
    let read = match Manifest::parse(&claim.media_type, &claim.bytes, usize::MAX - 1) {
        Ok(read) => read,
        Err(error) => return Ok(Some((Kind::ManifestDiffers, error.clone()))),
    };
    let mut named: Vec<String> = read.names.iter().map(|n| n.digest.to_string()).collect();
    named.sort();
    named.dedup();
    let mut rows = held::held_digests(conn, claim.id).await?;
    rows.sort();
    rows.dedup();
    let differs = |what: &str| Ok(Some((Kind::ManifestDiffers, what.to_owned())));
    if named != rows {
        return differs("its rows do not hold what it names");
    }
    if read.subject.map(String::from) != claim.subject {
        return differs("its row has another subject");
    }
    Ok(None)
}
