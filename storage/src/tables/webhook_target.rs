//! To whom a policy tells what happened.

use roadstead_model::Timestamp;

use super::webhook_delivery::Status;
use crate::{Conn, Result, Tx};

/// A target's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The id.
    pub id: i64,
    /// Its policy.
    pub policy: i64,
    /// `http` or `slack`.
    pub kind: String,
    /// A URL.
    pub address: String,
    /// `Default`, `CloudEvents`, or empty for a kind that has no choice.
    pub payload_format: String,
    /// Whether any certificate will do.
    pub skip_cert_verify: bool,
    /// What is sent as `Authorization`; sealed.
    pub auth_header: Option<Vec<u8>>,
    /// What payloads are signed with; sealed.
    pub secret: Option<Vec<u8>>,
}

type Row = (i64, i64, String, String, String, bool, Option<Vec<u8>>, Option<Vec<u8>>);

const SELECT: &str = "SELECT id, policy_id, kind, address, payload_format, skip_cert_verify,
            auth_header, secret FROM webhook_target WHERE ";

fn target((id, policy, kind, address, format, skip, auth_header, secret): Row) -> Target {
    Target {
        id,
        policy,
        kind,
        address,
        payload_format: format,
        skip_cert_verify: skip,
        auth_header,
        secret,
    }
}

/// The targets of these policies, those of each in their order.
pub async fn of(conn: &mut Conn, policies: &[i64]) -> Result<Vec<Target>> {
    let rows: Vec<Row> = conn
        .query(SELECT)
        .push("policy_id IN ")
        .push_list(policies.iter().copied())
        .push(" ORDER BY policy_id, position")
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(target).collect())
}

/// The target with this id.
pub async fn find(conn: &mut Conn, id: i64) -> Result<Option<Target>> {
    let row: Option<Row> = conn.query(SELECT).push("id = $1").bind(id).fetch_optional().await?;
    Ok(row.map(target))
}

/// Makes a target without its secrets, which are sealed for its id.
pub async fn insert(tx: &mut Tx, position: i64, new: &Target) -> Result<i64> {
    let (id,): (i64,) = tx
        .query(
            "INSERT INTO webhook_target (policy_id, position, kind, address, payload_format,
                 skip_cert_verify) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
        )
        .bind(new.policy)
        .bind(position)
        .bind(new.kind.as_str())
        .bind(new.address.as_str())
        .bind(new.payload_format.as_str())
        .bind(new.skip_cert_verify)
        .fetch_one()
        .await?;
    Ok(id)
}

/// Changes a target, but not its secrets.
pub async fn update(tx: &mut Tx, position: i64, changed: &Target) -> Result<()> {
    tx.query(
        "UPDATE webhook_target SET position = $1, kind = $2, address = $3, payload_format = $4,
             skip_cert_verify = $5 WHERE id = $6",
    )
    .bind(position)
    .bind(changed.kind.as_str())
    .bind(changed.address.as_str())
    .bind(changed.payload_format.as_str())
    .bind(changed.skip_cert_verify)
    .bind(changed.id)
    .execute()
    .await?;
    Ok(())
}

/// Sets what is sealed.
pub async fn seal(
    tx: &mut Tx,
    id: i64,
    auth_header: Option<Vec<u8>>,
    secret: Option<Vec<u8>>,
) -> Result<()> {
    tx.query("UPDATE webhook_target SET auth_header = $1, secret = $2 WHERE id = $3")
        .bind(auth_header)
        .bind(secret)
        .bind(id)
        .execute()
        .await?;
    Ok(())
}

/// Every target that has something sealed.
pub async fn sealed(conn: &mut Conn) -> Result<Vec<Target>> {
    let query = conn.query(SELECT).push("auth_header IS NOT NULL OR secret IS NOT NULL");
    let rows: Vec<Row> = query.push(" ORDER BY id").fetch_all().await?;
    Ok(rows.into_iter().map(target).collect())
}

/// Removes a target. What waits for it is told to nobody any more.
pub async fn remove(tx: &mut Tx, id: i64, now: Timestamp) -> Result<()> {
    tx.query(
        "UPDATE webhook_delivery SET status = $1, log = log || $2, next_at = NULL, updated_at = $3
         WHERE target_id = $4 AND next_at IS NOT NULL",
    )
    .bind(Status::Stopped.name())
    .bind(format!("{} the target was removed\n", now.rfc3339()))
    .bind(now.0)
    .bind(id)
    .execute()
    .await?;
    for statement in [
        "UPDATE webhook_delivery SET target_id = NULL WHERE target_id = $1",
        "DELETE FROM webhook_target WHERE id = $1",
    ] {
        tx.query(statement).bind(id).execute().await?;
    }
    Ok(())
}
