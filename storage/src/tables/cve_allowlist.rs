//! Vulnerabilities that a project accepts, or the system.

use std::collections::HashMap;

use roadstead_model::{ProjectId, Timestamp};

use super::setting;
use crate::{Conn, Error, Result, Tx};

/// How many projects one statement names.
const BATCH: usize = 500;
/// The setting that has the list of the system, in JSON.
const OF_SYSTEM: &str = "cve_allowlist";

/// A list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowlist {
    /// When it stops to be in force; None for never.
    pub expires_at: Option<Timestamp>,
    /// Names of vulnerabilities.
    pub items: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

type Row = (i64, Option<i64>, String, i64, i64);

fn allowlist((_, expires, items, created, updated): Row) -> Result<Allowlist> {
    let items = serde_json::from_str(&items);
    Ok(Allowlist {
        expires_at: expires.map(Timestamp),
        items: items.map_err(|error| Error::inconsistent("cve_allowlist", error))?,
        created_at: Timestamp(created),
        updated_at: Timestamp(updated),
    })
}

/// The lists of some projects; those that never had one are left out.
pub async fn of(conn: &mut Conn, projects: &[ProjectId]) -> Result<HashMap<ProjectId, Allowlist>> {
    let mut all = HashMap::new();
    for batch in projects.chunks(BATCH) {
        let rows: Vec<Row> = conn
            .query(
                "SELECT project_id, expires_at, items, created_at, updated_at FROM cve_allowlist
                 WHERE project_id IN ",
            )
            .push_list(batch.iter().map(|id| id.0))
            .fetch_all()
            .await?;
        for row in rows {
            all.insert(ProjectId(row.0), allowlist(row)?);
        }
    }
    Ok(all)
}

/// Gives a project a list, in place of the one that it has.
pub async fn put(
    tx: &mut Tx,
    project: ProjectId,
    expires_at: Option<Timestamp>,
    items: &[String],
    now: Timestamp,
) -> Result<()> {
    let items = serde_json::json!(items).to_string();
    tx.query(
        "INSERT INTO cve_allowlist (project_id, expires_at, items, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $4)
         ON CONFLICT (project_id) DO UPDATE SET expires_at = excluded.expires_at,
             items = excluded.items, updated_at = excluded.updated_at",
    )
    .bind(project.0)
    .bind(expires_at.map(|at| at.0))
    .bind(items)
    .bind(now.0)
    .execute()
    .await?;
    Ok(())
}

/// (when it stops to be in force, names, when it was made, when it was changed last).
type Kept = (Option<i64>, Vec<String>, i64, i64);

/// The list of the system; None where there never was one.
pub async fn of_system(conn: &mut Conn) -> Result<Option<Allowlist>> {
    let Some(text) = setting::get(conn, OF_SYSTEM).await? else {
        return Ok(None);
    };
    let kept: Kept = serde_json::from_str(&text)
        .map_err(|error| Error::inconsistent("setting", format!("{OF_SYSTEM}: {error}")))?;
    let (expires, items, created, updated) = kept;
    Ok(Some(Allowlist {
        expires_at: expires.map(Timestamp),
        items,
        created_at: Timestamp(created),
        updated_at: Timestamp(updated),
    }))
}

/// Gives the system a list, in place of the one that it has.
pub async fn put_of_system(
    tx: &mut Tx,
    expires_at: Option<Timestamp>,
    items: &[String],
    now: Timestamp,
) -> Result<()> {
    let created_at = of_system(tx).await?.map_or(now, |list| list.created_at);
    let kept = serde_json::json!([expires_at.map(|at| at.0), items, created_at.0, now.0]);
    setting::set(tx, OF_SYSTEM, &kept.to_string()).await
}

#[cfg(test)]
mod tests;
