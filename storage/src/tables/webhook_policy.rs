//! What a project wants to be told. Changes lock the project's row, which whoever raises an event
//! shares: an event is told to those whom it was raised for, or to nobody.

use roadstead_model::{ProjectId, Timestamp};

use super::project;
use crate::filter::Condition;
use crate::{Conn, Query, Result, Tx};

/// A policy's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The id.
    pub id: i64,
    /// The project.
    pub project: ProjectId,
    /// Its name, unique in the project.
    pub name: String,
    /// For people.
    pub description: String,
    /// The names of the events.
    pub event_types: Vec<String>,
    /// Whether it is in force.
    pub enabled: bool,
    /// The name of who made it, at the time.
    pub creator: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

type Row = (i64, i64, String, String, String, bool, String, i64, i64);

const SELECT: &str = "SELECT p.id, p.project_id, p.name, p.description, p.event_types, p.enabled,
            p.creator, p.created_at, p.updated_at FROM webhook_policy p WHERE p.project_id = $1";

fn policy(
    (id, project, name, description, types, enabled, creator, created, updated): Row,
) -> Policy {
    Policy {
        id,
        project: ProjectId(project),
        name,
        description,
        event_types: types.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        enabled,
        creator,
        created_at: Timestamp(created),
        updated_at: Timestamp(updated),
    }
}

fn narrowed<'c>(
    conn: &'c mut Conn,
    select: &'static str,
    project: ProjectId,
    conditions: &[Condition],
) -> Query<'c> {
    conn.query(select).bind(project.0).narrowed(conditions)
}

/// A page of the policies of a project; `order` is (column, descending).
pub async fn list(
    conn: &mut Conn,
    project: ProjectId,
    conditions: &[Condition],
    order: &[(&'static str, bool)],
    limit: i64,
    offset: i64,
) -> Result<Vec<Policy>> {
    let rows: Vec<Row> = narrowed(conn, SELECT, project, conditions)
        .ordered(order)
        .page(limit, offset)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(policy).collect())
}

/// How many policies [`list`] has.
pub async fn count(conn: &mut Conn, project: ProjectId, conditions: &[Condition]) -> Result<i64> {
    let select = "SELECT COUNT(*) FROM webhook_policy p WHERE p.project_id = $1";
    let (count,) = narrowed(conn, select, project, conditions).fetch_one::<(i64,)>().await?;
    Ok(count)
}

/// The policy of the project with this id.
pub async fn find(conn: &mut Conn, project: ProjectId, id: i64) -> Result<Option<Policy>> {
    let row: Option<Row> =
        conn.query(SELECT).push(" AND p.id = $2").bind(project.0).bind(id).fetch_optional().await?;
    Ok(row.map(policy))
}

/// The project of a policy.
pub async fn project_of(conn: &mut Conn, id: i64) -> Result<Option<ProjectId>> {
    let row: Option<(i64,)> = conn
        .query("SELECT project_id FROM webhook_policy WHERE id = $1")
        .bind(id)
        .fetch_optional()
        .await?;
    Ok(row.map(|(project,)| ProjectId(project)))
}

/// Makes a policy without targets, and returns its id; that of `new` means nothing.
///
/// # Errors
/// [`Error::Conflict`](crate::Error::Conflict) when the project has one of this name.
pub async fn insert(tx: &mut Tx, new: &Policy) -> Result<i64> {
    project::lock(tx, new.project, new.created_at).await?;
    let (id,): (i64,) = tx
        .query(
            "INSERT INTO webhook_policy (project_id, name, description, event_types, enabled,
                 creator, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $7) RETURNING id",
        )
        .bind(new.project.0)
        .bind(new.name.as_str())
        .bind(new.description.as_str())
        .bind(new.event_types.join(","))
        .bind(new.enabled)
        .bind(new.creator.as_str())
        .bind(new.created_at.0)
        .fetch_one()
        .await?;
    Ok(id)
}

/// Changes a policy, but not who made it when; false when the project has no such one.
///
/// # Errors
/// [`Error::Conflict`](crate::Error::Conflict) when the project has another one of this name.
pub async fn update(tx: &mut Tx, changed: &Policy) -> Result<bool> {
    project::lock(tx, changed.project, changed.updated_at).await?;
    let rows = tx
        .query(
            "UPDATE webhook_policy SET name = $1, description = $2, event_types = $3,
                 enabled = $4, updated_at = $5 WHERE id = $6 AND project_id = $7",
        )
        .bind(changed.name.as_str())
        .bind(changed.description.as_str())
        .bind(changed.event_types.join(","))
        .bind(changed.enabled)
        .bind(changed.updated_at.0)
        .bind(changed.id)
        .bind(changed.project.0)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Removes a policy with its targets and all that it told or was to tell; false when the project
/// has no such one.
pub async fn remove(tx: &mut Tx, project: ProjectId, id: i64, now: Timestamp) -> Result<bool> {
    project::lock(tx, project, now).await?;
    if find(tx, project, id).await?.is_none() {
        return Ok(false);
    }
    for statement in [
        "DELETE FROM webhook_delivery WHERE policy_id = $1",
        "DELETE FROM webhook_target WHERE policy_id = $1",
        "DELETE FROM webhook_policy WHERE id = $1",
    ] {
        tx.query(statement).bind(id).execute().await?;
    }
    Ok(true)
}
