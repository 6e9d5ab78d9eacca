//! Secrets of robots and personal tokens. What is kept verifies a secret and does not reveal it.

use std::time::Duration;

use roadstead_model::{PrincipalId, Timestamp};

use crate::{Conn, Result, Tx};

/// How old a note of the last use may be before it is made anew; not every use is worth a write.
const USE_NOTED_EVERY: Duration = Duration::from_mins(1);

/// A secret's row.
#[derive(Clone, Debug)]
pub struct Secret {
    /// The id.
    pub id: i64,
    /// Whose it is.
    pub principal: PrincipalId,
    /// `sha256:<base64>`, or a PHC string.
    pub verifier: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working; None for as long as the principal works.
    pub expires_at: Option<Timestamp>,
    /// When it was used last, to the minute.
    pub last_used_at: Option<Timestamp>,
}

impl Secret {
    /// Whether it works at this moment.
    pub fn works(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| end > now)
    }

    /// Whether a use at this moment should be noted.
    pub fn use_is_worth_a_note(&self, now: Timestamp) -> bool {
        self.last_used_at.is_none_or(|last| last.after(USE_NOTED_EVERY) <= now)
    }
}

type Row = (i64, i64, String, i64, Option<i64>, Option<i64>);

const SELECT: &str =
    "SELECT id, principal_id, verifier, created_at, expires_at, last_used_at FROM secret";

fn secret((id, principal, verifier, created, expires, used): Row) -> Secret {
    Secret {
        id,
        principal: PrincipalId(principal),
        verifier,
        created_at: Timestamp(created),
        expires_at: expires.map(Timestamp),
        last_used_at: used.map(Timestamp),
    }
}

/// Every secret of a principal, the oldest first.
pub async fn of_principal(conn: &mut Conn, principal: PrincipalId) -> Result<Vec<Secret>> {
    let rows: Vec<Row> = conn
        .query(SELECT)
        .push(" WHERE principal_id = $1 ORDER BY id")
        .bind(principal.0)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(secret).collect())
}

/// The secret with this id.
pub async fn find(conn: &mut Conn, id: i64) -> Result<Option<Secret>> {
    let row: Option<Row> =
        conn.query(SELECT).push(" WHERE id = $1").bind(id).fetch_optional().await?;
    Ok(row.map(secret))
}

/// Adds a secret and returns its id.
pub async fn insert(
    tx: &mut Tx,
    principal: PrincipalId,
    verifier: &str,
    expires_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<i64> {
    let (id,): (i64,) = tx
        .query(
            "INSERT INTO secret (principal_id, verifier, created_at, expires_at)
             VALUES ($1, $2, $3, $4) RETURNING id",
        )
        .bind(principal.0)
        .bind(verifier)
        .bind(now.0)
        .bind(expires_at.map(|at| at.0))
        .fetch_one()
        .await?;
    Ok(id)
}

/// Removes a secret of a principal; false when there is no such one.
pub async fn remove(tx: &mut Tx, principal: PrincipalId, id: i64) -> Result<bool> {
    let removed = tx
        .query("DELETE FROM secret WHERE principal_id = $1 AND id = $2")
        .bind(principal.0)
        .bind(id)
        .execute()
        .await?;
    Ok(removed == 1)
}

/// Removes every secret of a principal.
pub async fn remove_all_of(tx: &mut Tx, principal: PrincipalId) -> Result<()> {
    tx.query("DELETE FROM secret WHERE principal_id = $1").bind(principal.0).execute().await?;
    Ok(())
}

/// Notes that a secret was used.
pub async fn note_use(tx: &mut Tx, id: i64, now: Timestamp) -> Result<()> {
    tx.query_quietly("UPDATE secret SET last_used_at = $1 WHERE id = $2")
        .bind(now.0)
        .bind(id)
        .execute()
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests;
