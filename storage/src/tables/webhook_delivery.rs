//! What is to be told, and how that went: the outbox of webhooks. Each row is one event for one
//! target; Harbor calls it an execution, and its only task.

use roadstead_model::{ProjectId, Timestamp};

use crate::filter::Condition;
use crate::{Conn, Query, Result};

mod queue;
mod work;

pub use super::execution::Status;
pub use queue::{Listener, artifacts, insert, listeners, projects_with, raise, repository};
pub use work::{
    Outcome, due, finish, give_up_beyond, is_anything_due, is_switched_off, take, trim,
};

/// A delivery's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The id.
    pub id: i64,
    /// What the receiver knows it by.
    pub uid: String,
    /// Its policy.
    pub policy: i64,
    /// The kind of its target: `http` or `slack`.
    pub kind: String,
    /// What happened.
    pub event_type: String,
    /// The [`Event`](roadstead_model::webhook::Event), in JSON.
    pub event: String,
    /// How far it is: the name of a [`Status`].
    pub status: String,
    /// How often it was tried.
    pub attempts: i64,
    /// Until when it waits, or is worked on; None when that is over.
    pub next_at: Option<Timestamp>,
    /// What happened to it, in lines for people.
    pub log: String,
    /// When it happened.
    pub created_at: Timestamp,
    /// When something happened to it last.
    pub updated_at: Timestamp,
}

type Row = (i64, String, i64, String, String, String, String, i64, Option<i64>, String, i64, i64);

const SELECT: &str = "SELECT d.id, d.uid, d.policy_id, d.kind, d.event_type, d.event, d.status,
            d.attempts, d.next_at, d.log, d.created_at, d.updated_at FROM webhook_delivery d
     WHERE ";

fn delivery(row: Row) -> Delivery {
    let (id, uid, policy, kind, event_type, event, ..) = row;
    let (.., status, attempts, next, log, created, updated) = row;
    Delivery {
        id,
        uid,
        policy,
        kind,
        event_type,
        event,
        status,
        attempts,
        next_at: next.map(Timestamp),
        log,
        created_at: Timestamp(created),
        updated_at: Timestamp(updated),
    }
}

fn narrowed<'c>(query: Query<'c>, policy: i64, conditions: &[Condition]) -> Query<'c> {
    query.push("d.policy_id = $1").bind(policy).narrowed(conditions)
}

/// Deliveries of a policy; `order` is (column, descending).
pub async fn list(
    conn: &mut Conn,
    policy: i64,
    conditions: &[Condition],
    order: &[(&'static str, bool)],
    limit: i64,
    offset: i64,
) -> Result<Vec<Delivery>> {
    let rows: Vec<Row> = narrowed(conn.query(SELECT), policy, conditions)
        .ordered(order)
        .page(limit, offset)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(delivery).collect())
}

/// How many deliveries [`list`] has.
pub async fn count(conn: &mut Conn, policy: i64, conditions: &[Condition]) -> Result<i64> {
    let query = conn.query("SELECT COUNT(*) FROM webhook_delivery d WHERE ");
    let (count,) = narrowed(query, policy, conditions).fetch_one::<(i64,)>().await?;
    Ok(count)
}

/// The delivery of a policy with this id.
pub async fn find(conn: &mut Conn, policy: i64, id: i64) -> Result<Option<Delivery>> {
    let query = conn.query(SELECT).push("d.policy_id = $1 AND d.id = $2");
    let row: Option<Row> = query.bind(policy).bind(id).fetch_optional().await?;
    Ok(row.map(delivery))
}

/// When each policy of a project last had something to tell, by the name of the event.
pub async fn last_triggers(
    conn: &mut Conn,
    project: ProjectId,
) -> Result<Vec<(i64, String, Timestamp)>> {
    let rows: Vec<(i64, String, i64)> = conn
        .query(
            "SELECT d.policy_id, d.event_type, MAX(d.created_at) FROM webhook_delivery d
             WHERE d.policy_id IN (SELECT id FROM webhook_policy WHERE project_id = $1)
             GROUP BY d.policy_id, d.event_type",
        )
        .bind(project.0)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(id, event, at)| (id, event, Timestamp(at))).collect())
}

#[cfg(test)]
mod tests;
