//! Robots that robots made: they have no more than their maker has, and live no longer, now and
//! later. A person who changes one beyond that answers for it from then on.

use roadstead_model::{PrincipalId, Timestamp};
use roadstead_storage::tables::principal::{self, Kind, Principal};
use roadstead_storage::tables::robot::{self, Robot};
use roadstead_storage::{Conn, Tx};

use crate::caller::Caller;
use crate::error::{Error, Result};
use crate::permissions;

/// The end of what a principal makes: its own, when that is a robot's and comes first.
pub(super) fn no_later(expires_at: Option<Timestamp>, maker: &Principal) -> Option<Timestamp> {
    let end = maker.expires_at.filter(|_| maker.kind == Kind::Robot);
    match (expires_at, end) {
        (Some(own), Some(end)) => Some(own.min(end)),
        (own, end) => own.or(end),
    }
}

/// Makes the person who has changed a robot answerable for it, if it now has more than the robot
/// that made it.
///
/// # Errors
/// [`Error::Denied`] when it is no person who has.
pub(super) async fn adopt_if_more(tx: &mut Tx, by: &Caller, id: PrincipalId) -> Result<()> {
    let Some(changed) = robot::find(tx, id).await? else {
        return Ok(());
    };
    if changed.creator_type != "robot" || changed.disabled {
        return Ok(());
    }
    let maker = robot::find(tx, changed.creator).await?;
    if stays_within(tx, maker.as_ref(), &changed).await? {
        return Ok(());
    }
    match by.id().filter(|_| by.is_person()) {
        Some(person) => Ok(robot::adopt(tx, id, person).await?),
        None => Err(Error::Denied("a robot has no more than the robot that made it")),
    }
}

/// After a change of `maker`, disables what it made that now has more or lives longer, and what
/// those made in turn.
pub(super) async fn follow(
    tx: &mut Tx,
    by: &Caller,
    maker: PrincipalId,
    now: Timestamp,
) -> Result<()> {
    let mut makers = vec![maker];
    while let Some(id) = makers.pop() {
        let maker = robot::find(tx, id).await?;
        for made in robot::made_by(tx, id).await? {
            if made.disabled || stays_within(tx, maker.as_ref(), &made).await? {
                continue;
            }
            principal::set_disabled(tx, made.id, true, now).await?;
            let why = "disabled: it has more than the robot that made it";
            super::record(tx, by, made.project, &made.name, "update", why, now).await?;
            makers.push(made.id);
        }
    }
    Ok(())
}

/// Whether a robot has nothing that its maker, which may be gone, lacks.
async fn stays_within(conn: &mut Conn, maker: Option<&Robot>, made: &Robot) -> Result<bool> {
    let Some(maker) = maker.filter(|maker| !maker.disabled) else {
        return Ok(false);
    };
    let outlives = match (made.expires_at, maker.expires_at) {
        (_, None) => false,
        (made, Some(end)) => made.is_none_or(|made| made > end),
    };
    if outlives {
        return Ok(false);
    }
    let entries = permissions::of(conn, made.id).await?;
    let complete = permissions::completed(&entries, made.project.is_some());
    permissions::covers(conn, maker.id, &complete, false).await
}
