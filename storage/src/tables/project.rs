//! Projects.

use std::collections::HashMap;

use roadstead_model::{
    PrincipalId, ProjectId, ProjectName, RepositoryId, RepositoryName, RoleId, Timestamp,
};

use super::binding::{self, Scope};
use super::repository::HAS_CONTENT;
use super::viewer::{SEES_PROJECT, SEES_REPOSITORY, Viewer};
use super::{deleted, retention};
use crate::filter::Condition;
use crate::{Conn, Result, Tx};

/// A project's row.
#[derive(Clone, Debug)]
pub struct Project {
    /// The id, never given to another.
    pub id: ProjectId,
    /// Its name.
    pub name: String,
    /// Who made it.
    pub owner: PrincipalId,
    /// That principal's name.
    pub owner_name: String,
    /// Whether everybody may pull.
    pub public: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

type Row = (i64, String, i64, String, bool, i64, i64);

const SELECT: &str = "SELECT p.id, p.name, p.owner_id, o.name, p.public, p.created_at, p.updated_at
     FROM project p JOIN principal o ON o.id = p.owner_id";

fn project(row: Row) -> Project {
    let (id, name, owner, owner_name, public, created, updated) = row;
    Project {
        id: ProjectId(id),
        name,
        owner: PrincipalId(owner),
        owner_name,
        public,
        created_at: Timestamp(created),
        updated_at: Timestamp(updated),
    }
}

/// Makes a project with `quota` bytes of storage (-1: unlimited) and its owner as project admin.
///
/// # Errors
/// [`Error::Conflict`](crate::Error::Conflict) when the name is taken.
pub async fn insert(
    tx: &mut Tx,
    name: &ProjectName,
    owner: PrincipalId,
    public: bool,
    quota: i64,
    now: Timestamp,
) -> Result<ProjectId> {
    let (id,): (i64,) = tx
        .query(
            "INSERT INTO project (name, owner_id, public, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $4) RETURNING id",
        )
        .bind(name.as_str())
        .bind(owner.0)
        .bind(public)
        .bind(now.0)
        .fetch_one()
        .await?;
    tx.query("INSERT INTO project_usage (project_id, used, quota) VALUES ($1, 0, $2)")
        .bind(id)
        .bind(quota)
        .execute()
        .await?;
    let scope = Scope::Project(ProjectId(id));
    binding::insert(tx, owner, RoleId::PROJECT_ADMIN, scope, "", now).await?;
    Ok(ProjectId(id))
}

/// The project with this name.
pub async fn find(conn: &mut Conn, name: &str) -> Result<Option<Project>> {
    let row: Option<Row> =
        conn.query(SELECT).push(" WHERE p.name = $1").bind(name).fetch_optional().await?;
    Ok(row.map(project))
}

/// The project with this id.
pub async fn find_by_id(conn: &mut Conn, id: ProjectId) -> Result<Option<Project>> {
    let row: Option<Row> =
        conn.query(SELECT).push(" WHERE p.id = $1").bind(id.0).fetch_optional().await?;
    Ok(row.map(project))
}

/// What a list of projects is narrowed to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter<'a> {
    /// Part of the name.
    pub name: Option<&'a str>,
    /// The owner's name.
    pub owner: Option<&'a str>,
    /// Public ones, or private ones.
    pub public: Option<bool>,
    /// What else is asked for.
    pub conditions: &'a [Condition],
    /// (column, descending).
    pub order: &'a [(&'static str, bool)],
}

fn narrowed<'c>(
    conn: &'c mut Conn,
    select: &'static str,
    viewer: Viewer,
    filter: Filter<'_>,
) -> crate::Query<'c> {
    let (everything, principal, via) = viewer.parameters();
    let query = conn.query(select).push(" WHERE ").push(SEES_PROJECT);
    let mut query = query.bind(everything).bind(principal).bind(via);
    if let Some(name) = filter.name {
        query = query.containing("p.name", name);
    }
    if let Some(owner) = filter.owner {
        query = query.push(" AND o.name = ").push_bind(owner);
    }
    if let Some(public) = filter.public {
        query = query.push(" AND p.public = ").push_bind(public);
    }
    query.narrowed(filter.conditions)
}

/// The projects that the viewer can see, by name; `limit` rows from `offset`.
pub async fn list(
    conn: &mut Conn,
    viewer: Viewer,
    filter: Filter<'_>,
    limit: i64,
    offset: i64,
) -> Result<Vec<Project>> {
    let rows: Vec<Row> = narrowed(conn, SELECT, viewer, filter)
        .ordered(filter.order)
        .page(limit, offset)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(project).collect())
}

/// How many projects the viewer can see.
pub async fn count(conn: &mut Conn, viewer: Viewer, filter: Filter<'_>) -> Result<i64> {
    let select = "SELECT COUNT(*) FROM project p JOIN principal o ON o.id = p.owner_id";
    let (count,) = narrowed(conn, select, viewer, filter).fetch_one::<(i64,)>().await?;
    Ok(count)
}

/// Where a repository name leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The project.
    pub project: ProjectId,
    /// Whether everybody may pull.
    pub public: bool,
    /// The repository, if anything was ever pushed to it.
    pub repository: Option<RepositoryId>,
}

/// Resolves a repository's name to ids; None when its project does not exist.
pub async fn place(conn: &mut Conn, name: &RepositoryName) -> Result<Option<Place>> {
    let row: Option<(i64, bool, Option<i64>)> = conn
        .query(
            "SELECT p.id, p.public, r.id FROM project p
             LEFT JOIN repository r ON r.project_id = p.id AND r.name = $2 WHERE p.name = $1",
        )
        .bind(name.project())
        .bind(name.as_str())
        .fetch_optional()
        .await?;
    Ok(row.map(|(project, public, repository)| Place {
        project: ProjectId(project),
        public,
        repository: repository.map(RepositoryId),
    }))
}

/// Keeps a project's row, and with it its rules and patterns, from being changed before the
/// transaction ends, and its repositories from being deleted as a whole. Whoever changes content
/// does this first, so that nobody waits in a circle with such a deletion.
pub async fn share(tx: &mut Tx, id: ProjectId) -> Result<()> {
    tx.share("SELECT id FROM project WHERE id = $1 FOR SHARE", id.0).await
}

/// Notes a change of the project, and keeps whoever shares its row waiting for the transaction.
/// False when the project is gone.
pub async fn lock(tx: &mut Tx, id: ProjectId, now: Timestamp) -> Result<bool> {
    let locked = tx
        .query("UPDATE project SET updated_at = $1 WHERE id = $2")
        .bind(now.0)
        .bind(id.0)
        .execute()
        .await?;
    Ok(locked == 1)
}

/// Makes a project public, or private.
pub async fn set_public(tx: &mut Tx, id: ProjectId, public: bool, now: Timestamp) -> Result<()> {
    tx.query("UPDATE project SET public = $1, updated_at = $2 WHERE id = $3")
        .bind(public)
        .bind(now.0)
        .bind(id.0)
        .execute()
        .await?;
    Ok(())
}

/// How many repositories with content a project has.
pub async fn count_repositories(conn: &mut Conn, id: ProjectId) -> Result<i64> {
    let counts = repositories_of(conn, &[id]).await?;
    Ok(counts.get(&id).copied().unwrap_or(0))
}

/// How many repositories with content some projects have; those without any are left out.
pub async fn repositories_of(
    conn: &mut Conn,
    ids: &[ProjectId],
) -> Result<HashMap<ProjectId, i64>> {
    let rows: Vec<(i64, i64)> = conn
        .query("SELECT r.project_id, COUNT(*) FROM repository r WHERE ")
        .push(HAS_CONTENT)
        .push(" AND r.project_id IN ")
        .push_list(ids.iter().map(|id| id.0))
        .push(" GROUP BY r.project_id")
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(id, count)| (ProjectId(id), count)).collect())
}

/// Removes a project whose content, robots and members are gone, and what is kept of that; false
/// when it is gone itself.
///
/// # Errors
/// [`Error::Reference`](crate::Error::Reference) while something is left in it.
pub async fn remove(tx: &mut Tx, id: ProjectId, now: Timestamp) -> Result<bool> {
    deleted::remove_all_in(tx, id, now).await?;
    if let Some(policy) = retention::of_project(tx, id).await? {
        retention::remove(tx, policy.id).await?;
    }
    for statement in [
        "DELETE FROM webhook_delivery WHERE policy_id IN
             (SELECT id FROM webhook_policy WHERE project_id = $1)",
        "DELETE FROM webhook_target WHERE policy_id IN
             (SELECT id FROM webhook_policy WHERE project_id = $1)",
        "DELETE FROM webhook_policy WHERE project_id = $1",
        "DELETE FROM immutable_rule WHERE project_id = $1",
        "DELETE FROM project_metadata WHERE project_id = $1",
        "DELETE FROM cve_allowlist WHERE project_id = $1",
        "DELETE FROM label WHERE project_id = $1",
        "DELETE FROM project_blob WHERE project_id = $1",
        "DELETE FROM project_usage WHERE project_id = $1",
    ] {
        tx.query(statement).bind(id.0).execute().await?;
    }
    Ok(tx.query("DELETE FROM project WHERE id = $1").bind(id.0).execute().await? == 1)
}

/// How many projects, and repositories with content, there are: (public projects, public
/// repositories, private projects, private repositories), as far as the viewer may pull from them.
pub async fn statistics(conn: &mut Conn, viewer: Viewer) -> Result<(i64, i64, i64, i64)> {
    let (everything, principal, via) = viewer.parameters();
    let rows: Vec<(bool, i64, i64)> = conn
        .query(
            "SELECT p.public, COUNT(*), CAST(COALESCE(SUM((SELECT COUNT(*) FROM repository r
                 WHERE r.project_id = p.id AND ",
        )
        .push(HAS_CONTENT)
        .push(" AND ")
        .push(SEES_REPOSITORY)
        .push(")), 0) AS BIGINT) FROM project p WHERE ")
        .push(SEES_PROJECT)
        .push(" GROUP BY p.public")
        .bind(everything)
        .bind(principal)
        .bind(via)
        .fetch_all()
        .await?;
    let of = |wanted: bool| {
        let row = rows.iter().find(|(public, ..)| *public == wanted);
        row.map_or((0, 0), |(_, projects, repositories)| (*projects, *repositories))
    };
    let ((public, public_repositories), (private, private_repositories)) = (of(true), of(false));
    Ok((public, public_repositories, private, private_repositories))
}

#[cfg(test)]
mod tests;
