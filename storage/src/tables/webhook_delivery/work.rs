//! Working on the outbox. Who takes a row moves its `next_at` into the future, where it is the
//! proof of having it; a worker that dies needs no other handling.

use roadstead_model::Timestamp;

use super::{Delivery, Row, SELECT, Status, delivery};
use crate::{Conn, Result, Tx};

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What the delivery is now.
    pub status: Status,
    /// When it is tried again; None for never.
    pub next_at: Option<Timestamp>,
    /// A line for the log.
    pub line: String,
}

/// Whether an administrator has switched webhooks off.
pub async fn is_switched_off(conn: &mut Conn) -> Result<bool> {
    let value = super::super::setting::get(conn, "config.notification_enable").await?;
    Ok(value.is_some_and(|value| value == "false"))
}

/// Whether something waits to be told.
pub async fn is_anything_due(conn: &mut Conn, now: Timestamp) -> Result<bool> {
    let row: Option<(i64,)> = conn
        .query("SELECT id FROM webhook_delivery WHERE next_at <= $1 LIMIT 1")
        .bind(now.0)
        .fetch_optional()
        .await?;
    Ok(row.is_some())
}

/// Targets for which something waits, behind one of them.
pub async fn due(conn: &mut Conn, behind: i64, now: Timestamp, limit: i64) -> Result<Vec<i64>> {
    let rows: Vec<(i64,)> = conn
        .query(
            "SELECT t.id FROM webhook_target t WHERE t.id > $1
               AND EXISTS (SELECT 1 FROM webhook_delivery d
                           WHERE d.target_id = t.id AND d.next_at <= $2)
             ORDER BY t.id LIMIT $3",
        )
        .bind(behind)
        .bind(now.0)
        .bind(limit)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Takes what waits longest for a target, until `until`: of all workers one gets it.
pub async fn take(
    tx: &mut Tx,
    target: i64,
    now: Timestamp,
    until: Timestamp,
) -> Result<Option<Delivery>> {
    let skip_locked = tx.skip_locked();
    let row: Option<Row> = tx
        .query(SELECT)
        .push("d.target_id = $1 AND d.next_at <= $2 ORDER BY d.next_at, d.id LIMIT 1")
        .push(skip_locked)
        .bind(target)
        .bind(now.0)
        .fetch_optional()
        .await?;
    let Some(found) = row.map(delivery) else {
        return Ok(None);
    };
    tx.query(
        "UPDATE webhook_delivery SET status = $1, attempts = attempts + 1, next_at = $2,
             updated_at = $3 WHERE id = $4",
    )
    .bind(Status::Running.name())
    .bind(until.0)
    .bind(now.0)
    .bind(found.id)
    .execute()
    .await?;
    Ok(Some(Delivery { attempts: found.attempts + 1, next_at: Some(until), ..found }))
}

/// Notes how an attempt ended; false when the delivery is not the worker's any more.
pub async fn finish(
    tx: &mut Tx,
    taken: &Delivery,
    outcome: &Outcome,
    now: Timestamp,
) -> Result<bool> {
    let changed = tx
        .query(
            "UPDATE webhook_delivery SET status = $1, next_at = $2, log = log || $3,
                 updated_at = $4 WHERE id = $5 AND next_at = $6",
        )
        .bind(outcome.status.name())
        .bind(outcome.next_at.map(|at| at.0))
        .bind(format!("{} {}\n", now.rfc3339(), outcome.line))
        .bind(now.0)
        .bind(taken.id)
        .bind(taken.next_at.map(|at| at.0))
        .execute()
        .await?;
    Ok(changed == 1)
}

/// Gives the oldest up when more than `keep` wait for a target; returns how many.
pub async fn give_up_beyond(tx: &mut Tx, target: i64, keep: i64, now: Timestamp) -> Result<u64> {
    let (waiting,): (i64,) = tx
        .query("SELECT COUNT(*) FROM webhook_delivery WHERE target_id = $1 AND next_at IS NOT NULL")
        .bind(target)
        .fetch_one()
        .await?;
    if waiting <= keep {
        return Ok(0);
    }
    tx.query(
        "UPDATE webhook_delivery SET status = $1, next_at = NULL, log = log || $2, updated_at = $3
         WHERE id IN (SELECT id FROM webhook_delivery WHERE target_id = $4 AND next_at IS NOT NULL
                      ORDER BY id LIMIT $5)",
    )
    .bind(Status::Error.name())
    .bind(format!("{} given up: too many wait for this target\n", now.rfc3339()))
    .bind(now.0)
    .bind(target)
    .bind(waiting - keep)
    .execute()
    .await
}

/// Forgets all but the newest `keep` deliveries of a policy that are over.
pub async fn trim(tx: &mut Tx, policy: i64, keep: i64) -> Result<u64> {
    tx.query(
        "DELETE FROM webhook_delivery WHERE policy_id = $1 AND next_at IS NULL AND id NOT IN
             (SELECT id FROM webhook_delivery WHERE policy_id = $1 AND next_at IS NULL
              ORDER BY id DESC LIMIT $2)",
    )
    .bind(policy)
    .bind(keep)
    .execute()
    .await
}
