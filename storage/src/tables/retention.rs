//! Retention policies: which artifacts of a project stay. A project has at most one.

use roadstead_model::{ProjectId, RETENTION, Timestamp};

use super::execution::vendor;
use super::schedule;
use crate::{Conn, Result, Tx};

pub mod candidate;
pub mod task;
pub mod verdict;

#[cfg(test)]
mod tests;

/// A policy's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The id, never given to another.
    pub id: i64,
    /// Its project.
    pub project: ProjectId,
    /// What it says.
    pub text: Text,
}

/// What a policy says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// How its rules are joined: `or`.
    pub algorithm: String,
    /// Its rules, in JSON.
    pub rules: String,
    /// When it is executed, as a cron expression of six fields; empty for never by itself.
    pub cron: String,
    /// Whether artifacts go where the rules select nothing at all.
    pub delete_when_nothing_matches: bool,
}

type Row = (i64, i64, String, String, String, bool);

const SELECT: &str = "SELECT id, project_id, algorithm, rules, cron, delete_when_nothing_matches
     FROM retention_policy WHERE ";

fn policy(row: Row) -> Policy {
    let (id, project, algorithm, rules, cron, delete_when_nothing_matches) = row;
    let text = Text { algorithm, rules, cron, delete_when_nothing_matches };
    Policy { id, project: ProjectId(project), text }
}

/// The policy with this id.
pub async fn find(conn: &mut Conn, id: i64) -> Result<Option<Policy>> {
    let row: Option<Row> = conn.query(SELECT).push("id = $1").bind(id).fetch_optional().await?;
    Ok(row.map(policy))
}

/// The policy of a project.
pub async fn of_project(conn: &mut Conn, project: ProjectId) -> Result<Option<Policy>> {
    let row: Option<Row> =
        conn.query(SELECT).push("project_id = $1").bind(project.0).fetch_optional().await?;
    Ok(row.map(policy))
}

/// Adds a policy and returns its id.
///
/// # Errors
/// [`Error::Conflict`](crate::Error::Conflict) when the project has one.
pub async fn insert(tx: &mut Tx, project: ProjectId, text: &Text, now: Timestamp) -> Result<i64> {
    let (id,): (i64,) = tx
        .query(
            "INSERT INTO retention_policy (project_id, algorithm, rules, cron,
                 delete_when_nothing_matches, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $6) RETURNING id",
        )
        .bind(project.0)
        .bind(text.algorithm.as_str())
        .bind(text.rules.as_str())
        .bind(text.cron.as_str())
        .bind(text.delete_when_nothing_matches)
        .bind(now.0)
        .fetch_one()
        .await?;
    Ok(id)
}

/// Changes what a policy says; false when it is gone.
pub async fn update(tx: &mut Tx, id: i64, text: &Text, now: Timestamp) -> Result<bool> {
    let changed = tx
        .query(
            "UPDATE retention_policy SET algorithm = $1, rules = $2, cron = $3,
                 delete_when_nothing_matches = $4, updated_at = $5 WHERE id = $6",
        )
        .bind(text.algorithm.as_str())
        .bind(text.rules.as_str())
        .bind(text.cron.as_str())
        .bind(text.delete_when_nothing_matches)
        .bind(now.0)
        .bind(id)
        .execute()
        .await?;
    Ok(changed == 1)
}

/// Removes a policy with its schedule and its executions, also one that runs; false when it is gone.
pub async fn remove(tx: &mut Tx, id: i64) -> Result<bool> {
    schedule::remove_of(tx, (RETENTION, id)).await?;
    vendor::remove_all(tx, (RETENTION, id)).await?;
    Ok(tx.query("DELETE FROM retention_policy WHERE id = $1").bind(id).execute().await? == 1)
}
