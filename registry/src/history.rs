//! The history of tags, written in the transaction that moves one.

use roadstead_auth::Grant;
use roadstead_model::{Tag, Timestamp};
use roadstead_storage::Tx;
use roadstead_storage::tables::tag_history::{self, Move};

use crate::error::Result;

/// A tag of the grant's repository names something else from now on: [before, after], by digest.
pub(crate) async fn moved(
    tx: &mut Tx,
    grant: &Grant,
    tag: &Tag,
    [from, to]: [Option<&str>; 2],
    now: Timestamp,
) -> Result<()> {
    let moved = Move {
        project: grant.project(),
        repository: grant.name().as_str(),
        tag: tag.as_str(),
        from,
        to,
        by: grant.caller().actor().name,
    };
    Ok(tag_history::record(tx, moved, now).await?)
}
