//! Parts on their way to the store.

use std::collections::BTreeMap;

use object_store::PutPayload;
use object_store::path::Path;
use tokio::task::JoinSet;

use super::cut_off;
use crate::blobs::cloud::Cloud;
use crate::error::{Error, Result};

/// The most parts that S3 takes.
pub(super) const MOST_PARTS: u64 = 10_000;

/// How many parts go up while the next one fills: an upload holds three in memory at most.
const AT_ONCE: usize = 2;

const MIB: u64 = 1 << 20;

/// How large the parts of an object of `length` bytes are: `usual`, or, when that would be too
/// many, as many whole MiB as needed.
pub(super) fn part_size_for(length: u64, usual: u64) -> u64 {
    let needed = length.div_ceil(MOST_PARTS).div_ceil(MIB) * MIB;
    if length > usual.saturating_mul(MOST_PARTS) { needed } else { usual }
}

/// Parts that are going up. Dropped, they are given up.
pub(super) struct InFlight {
    tasks: JoinSet<Result<(usize, String)>>,
    /// The number of the next part, from 0.
    next: usize,
    /// Ids of parts that arrived before the ones in front of them.
    arrived: BTreeMap<usize, String>,
}

impl InFlight {
    /// Behind as many parts as there are.
    pub(super) fn after(parts: usize) -> Self {
        Self { tasks: JoinSet::new(), next: parts, arrived: BTreeMap::new() }
    }

    /// Sends the next part. Its memory is given back when it is there.
    pub(super) fn send(
        &mut self,
        cloud: Cloud,
        path: Path,
        multipart: String,
        payload: PutPayload,
    ) -> Result<()> {
        let number = self.next;
        if number as u64 >= MOST_PARTS {
            return Err(Error::StoreSettings("an upload has too many parts".to_owned()));
        }
        self.next += 1;
        self.tasks.spawn(async move {
            let sent = cloud.0.store.put_part(&path, &multipart, number, payload);
            match cloud.try_ask(sent).await? {
                Ok(part) => Ok((number, part.content_id)),
                Err(object_store::Error::NotFound { .. }) => {
                    Err(Error::damaged(&path, "its multipart upload is gone"))
                }
                Err(error) => Err(Error::store("write a part")(error)),
            }
        });
        Ok(())
    }

    /// Waits until another part may be sent.
    pub(super) async fn make_room(&mut self, parts: &mut Vec<String>) -> Result<()> {
        while self.tasks.len() >= AT_ONCE {
            self.wait(parts).await?;
        }
        Ok(())
    }

    /// Waits for all parts.
    pub(super) async fn finish(&mut self, parts: &mut Vec<String>) -> Result<()> {
        while !self.tasks.is_empty() {
            self.wait(parts).await?;
        }
        Ok(())
    }

    /// Waits for one part, and puts the ids that are in turn behind the others.
    async fn wait(&mut self, parts: &mut Vec<String>) -> Result<()> {
        if let Some(sent) = self.tasks.join_next().await {
            let (number, id) = sent.map_err(cut_off)??;
            self.arrived.insert(number, id);
        }
        while let Some(id) = self.arrived.remove(&parts.len()) {
            parts.push(id);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_grow_only_where_there_would_be_too_many() {
        let usual = 8 * MIB;
        for (length, size) in [
            (0, usual),
            (usual * MOST_PARTS, usual),
            (usual * MOST_PARTS + 1, 9 * MIB),
            (5 << 40, 525 * MIB),
        ] {
            let found = part_size_for(length, usual);
            assert_eq!(found, size, "{length}");
            assert!(found.saturating_mul(MOST_PARTS) >= length);
        }
    }
}
