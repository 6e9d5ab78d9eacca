//! For how long what is deleted in a project can be brought back, and whether it counts until then.

use std::time::Duration;

use roadstead_model::{ProjectId, Timestamp};

use crate::{Conn, Result, Tx};

/// What is set for a project.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// For how many days; None for as long as the server's setting says, 0 for not at all.
    pub days: Option<i64>,
    /// Whether what is kept counts in the quota.
    pub counted: bool,
}

/// How something that is deleted now is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// It can be brought back until then, and afterwards until collection comes by.
    pub until: Timestamp,
    /// Whether it counts in the quota.
    pub counted: bool,
}

const DAY: Duration = Duration::from_hours(24);

impl Rules {
    /// For how long, where the server's setting is `default`.
    pub fn window(&self, default: Duration) -> Duration {
        match self.days {
            None => default,
            Some(days) => DAY.saturating_mul(u32::try_from(days.max(0)).unwrap_or(u32::MAX)),
        }
    }
}

/// What is set for a project; the default where nothing is.
pub async fn find(conn: &mut Conn, project: ProjectId) -> Result<Rules> {
    let row: Option<(Option<i64>, bool)> = conn
        .query("SELECT days, counted FROM project_undelete WHERE project_id = $1")
        .bind(project.0)
        .fetch_optional()
        .await?;
    Ok(row.map(|(days, counted)| Rules { days, counted }).unwrap_or_default())
}

/// How something is kept that is deleted now; None where it is not.
pub async fn keeping(
    conn: &mut Conn,
    project: ProjectId,
    default: Duration,
    now: Timestamp,
) -> Result<Option<Keeping>> {
    let rules = find(conn, project).await?;
    let window = rules.window(default);
    let keeping = Keeping { until: now.after(window), counted: rules.counted };
    Ok((!window.is_zero()).then_some(keeping))
}

/// Sets the rules of a project. What was deleted before is kept as long as they say, too; whether it
/// counts was decided when it was deleted.
///
/// # Errors
/// [`Error::Reference`](crate::Error::Reference) when the project is gone.
pub async fn set(
    tx: &mut Tx,
    project: ProjectId,
    rules: Rules,
    default: Duration,
    now: Timestamp,
) -> Result<()> {
    tx.query(
        "INSERT INTO project_undelete (project_id, days, counted, updated_at)
         VALUES ($1, $2, $3, $4) ON CONFLICT (project_id)
         DO UPDATE SET days = excluded.days, counted = excluded.counted,
                       updated_at = excluded.updated_at",
    )
    .bind(project.0)
    .bind(rules.days)
    .bind(rules.counted)
    .bind(now.0)
    .execute()
    .await?;
    let window = i64::try_from(rules.window(default).as_micros()).unwrap_or(i64::MAX / 2);
    for statement in [
        "UPDATE deleted_artifact SET kept_until = deleted_at + $2 WHERE project_id = $1",
        "UPDATE deleted_tag SET kept_until = deleted_at + $2 WHERE project_id = $1",
        "UPDATE deleted_repository SET kept_until = deleted_at + $2 WHERE project_id = $1",
    ] {
        tx.query(statement).bind(project.0).bind(window).execute().await?;
    }
    Ok(())
}
