//! Robot accounts.

use roadstead_model::{PrincipalId, ProjectId, Timestamp};

use super::principal::{self, Kind};
use crate::filter::Condition;
use crate::{Conn, Query, Result, Tx};

/// A robot's row. Its permissions are bindings to private roles.
#[derive(Clone, Debug)]
pub struct Robot {
    /// The principal's id.
    pub id: PrincipalId,
    /// Without the prefix: `name`, or `project+name`.
    pub name: String,
    /// The project it belongs to; None at system level.
    pub project: Option<ProjectId>,
    /// Free text.
    pub description: String,
    /// In days; -1 is for ever.
    pub duration: i64,
    /// None for never.
    pub expires_at: Option<Timestamp>,
    /// May not do anything.
    pub disabled: bool,
    /// `local` for people, `robot` for robots.
    pub creator_type: String,
    /// Who made it.
    pub creator: PrincipalId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

type Row = (i64, String, Option<i64>, String, i64, Option<i64>, bool, String, i64, i64, i64);

const SELECT: &str = "SELECT p.id, p.name, r.project_id, r.description, r.duration, r.expires_at,
            p.disabled, r.creator_type, r.creator_id, p.created_at, p.updated_at
     FROM robot r JOIN principal p ON p.id = r.principal_id WHERE 1 = 1";

fn robot(row: Row) -> Robot {
    let (id, name, project, description, duration, expires, disabled, ..) = row;
    let (.., creator_type, creator, created, updated) = row;
    Robot {
        id: PrincipalId(id),
        name,
        project: project.map(ProjectId),
        description,
        duration,
        expires_at: expires.map(Timestamp),
        disabled,
        creator_type,
        creator: PrincipalId(creator),
        created_at: Timestamp(created),
        updated_at: Timestamp(updated),
    }
}

/// What a new robot needs.
#[derive(Clone, Copy, Debug)]
pub struct NewRobot<'a> {
    /// Without the prefix.
    pub name: &'a str,
    /// None at system level.
    pub project: Option<ProjectId>,
    /// Free text.
    pub description: &'a str,
    /// In days; -1 is for ever.
    pub duration: i64,
    /// None for never.
    pub expires_at: Option<Timestamp>,
    /// `local` or `robot`.
    pub creator_type: &'a str,
    /// Who makes it.
    pub creator: PrincipalId,
}

/// Makes a robot.
///
/// # Errors
/// [`Error::Conflict`](crate::Error::Conflict) when the name is taken.
pub async fn insert(tx: &mut Tx, new: NewRobot<'_>, now: Timestamp) -> Result<PrincipalId> {
    let id = principal::insert(tx, Kind::Robot, new.name, now).await?;
    tx.query(
        "INSERT INTO robot (principal_id, level, project_id, description, duration, expires_at,
                            creator_type, creator_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(id.0)
    .bind(if new.project.is_some() { "project" } else { "system" })
    .bind(new.project.map(|id| id.0))
    .bind(new.description)
    .bind(new.duration)
    .bind(new.expires_at.map(|at| at.0))
    .bind(new.creator_type)
    .bind(new.creator.0)
    .execute()
    .await?;
    Ok(id)
}

/// The robot with this id.
pub async fn find(conn: &mut Conn, id: PrincipalId) -> Result<Option<Robot>> {
    let row: Option<Row> =
        conn.query(SELECT).push(" AND p.id = $1").bind(id.0).fetch_optional().await?;
    Ok(row.map(robot))
}

/// Changes what may change of a robot.
pub async fn update(
    tx: &mut Tx,
    id: PrincipalId,
    description: &str,
    duration: i64,
    expires_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<()> {
    tx.query(
        "UPDATE robot SET description = $1, duration = $2, expires_at = $3 WHERE principal_id = $4",
    )
    .bind(description)
    .bind(duration)
    .bind(expires_at.map(|at| at.0))
    .bind(id.0)
    .execute()
    .await?;
    principal::touch(tx, id, now).await
}

fn narrowed<'c>(
    conn: &'c mut Conn,
    select: &'static str,
    project: Option<ProjectId>,
    conditions: &[Condition],
) -> Query<'c> {
    let query = conn.query(select);
    let query = match project {
        Some(project) => query.push(" AND r.project_id = ").push_bind(project.0),
        None => query.push(" AND r.project_id IS NULL"),
    };
    query.narrowed(conditions)
}

/// The robots of a project, or of the system; `order` is (column, descending).
pub async fn list(
    conn: &mut Conn,
    project: Option<ProjectId>,
    conditions: &[Condition],
    order: &[(&'static str, bool)],
    limit: i64,
    offset: i64,
) -> Result<Vec<Robot>> {
    let rows: Vec<Row> = narrowed(conn, SELECT, project, conditions)
        .ordered(order)
        .page(limit, offset)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(robot).collect())
}

/// How many robots [`list`] has.
pub async fn count(
    conn: &mut Conn,
    project: Option<ProjectId>,
    conditions: &[Condition],
) -> Result<i64> {
    let select = "SELECT COUNT(*) FROM robot r JOIN principal p ON p.id = r.principal_id
                  WHERE 1 = 1";
    let (count,) = narrowed(conn, select, project, conditions).fetch_one::<(i64,)>().await?;
    Ok(count)
}

/// The robots that belong to a project.
pub async fn ids_in(conn: &mut Conn, project: ProjectId) -> Result<Vec<PrincipalId>> {
    let rows: Vec<(i64,)> = conn
        .query("SELECT principal_id FROM robot WHERE project_id = $1")
        .bind(project.0)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(id,)| PrincipalId(id)).collect())
}

/// The robots that a robot has made and is still answerable for.
pub async fn made_by(conn: &mut Conn, maker: PrincipalId) -> Result<Vec<Robot>> {
    let rows: Vec<Row> = conn
        .query(SELECT)
        .push(" AND r.creator_type = 'robot' AND r.creator_id = $1 ORDER BY p.id")
        .bind(maker.0)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(robot).collect())
}

/// Makes a person answerable for a robot, in place of who made it.
pub async fn adopt(tx: &mut Tx, id: PrincipalId, person: PrincipalId) -> Result<()> {
    tx.query("UPDATE robot SET creator_type = 'local', creator_id = $1 WHERE principal_id = $2")
        .bind(person.0)
        .bind(id.0)
        .execute()
        .await?;
    Ok(())
}

/// Moves the end of a robot, whatever its duration says.
pub async fn set_expiry(
    tx: &mut Tx,
    id: PrincipalId,
    expires_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<()> {
    tx.query("UPDATE robot SET expires_at = $1 WHERE principal_id = $2")
        .bind(expires_at.map(|at| at.0))
        .bind(id.0)
        .execute()
        .await?;
    principal::touch(tx, id, now).await
}

#[cfg(test)]
mod tests;
