//! Vulnerabilities that a project accepts.

use std::collections::HashMap;

use roadstead_model::{ProjectId, Timestamp};

use crate::{Conn, Error, Result, Tx};

/// How many projects one statement names.
const BATCH: usize = 500;

/// A project's list.
#[derive(Clone, Debug)]
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
