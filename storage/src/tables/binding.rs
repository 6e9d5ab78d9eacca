//! Bindings: which principal has which role where.

use std::collections::HashMap;

use roadstead_model::{
    Action, Pattern, PrincipalId, ProjectId, RepositoryId, Resource, RoleId, Timestamp,
};

use crate::{Conn, Result, Turn, Tx};

/// Where a role holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// On the system as a whole; its permissions are those of the system.
    System,
    /// In every project, also those to come.
    AllProjects,
    /// In one project.
    Project(ProjectId),
}

impl Scope {
    const fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::AllProjects => "all",
            Self::Project(_) => "project",
        }
    }

    fn project(self) -> Option<i64> {
        match self {
            Self::Project(id) => Some(id.0),
            _ => None,
        }
    }
}

/// A binding's row.
#[derive(Clone, Debug)]
pub struct Binding {
    /// The id.
    pub id: i64,
    /// Who.
    pub principal: PrincipalId,
    /// What.
    pub role: RoleId,
    /// Where.
    pub scope: Scope,
    /// Only the repositories whose name below the project matches; empty for everything.
    pub pattern: String,
}

type Row = (i64, i64, i64, String, Option<i64>, String);

fn binding((id, principal, role, scope, project, pattern): Row) -> Binding {
    let scope = match (scope.as_str(), project) {
        ("system", _) => Scope::System,
        (_, Some(id)) => Scope::Project(ProjectId(id)),
        _ => Scope::AllProjects,
    };
    Binding { id, principal: PrincipalId(principal), role: RoleId(role), scope, pattern }
}

/// Every binding of a principal itself, by id.
pub async fn of_principal(conn: &mut Conn, principal: PrincipalId) -> Result<Vec<Binding>> {
    let rows: Vec<Row> = conn
        .query(
            "SELECT id, principal_id, role_id, scope, project_id, pattern FROM role_binding
             WHERE principal_id = $1 ORDER BY id",
        )
        .bind(principal.0)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(binding).collect())
}

/// Gives a principal a role. In a project, the project's row is locked: its repositories stay
/// as they are until the transaction ends.
///
/// # Errors
/// [`Error::Conflict`](crate::Error::Conflict) when the principal has a role with the same pattern
/// there; [`Error::Reference`](crate::Error::Reference) when there is no such role.
pub async fn insert(
    tx: &mut Tx,
    principal: PrincipalId,
    role: RoleId,
    scope: Scope,
    pattern: &str,
    now: Timestamp,
) -> Result<i64> {
    match scope {
        Scope::Project(project) => {
            super::project::lock(tx, project, now).await?;
        }
        Scope::AllProjects if !pattern.is_empty() => tx.take_turn(Turn::Patterns).await?,
        Scope::AllProjects | Scope::System => {}
    }
    let (id,): (i64,) = tx
        .query(
            "INSERT INTO role_binding
                 (principal_id, role_id, scope, project_id, pattern, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $6) RETURNING id",
        )
        .bind(principal.0)
        .bind(role.0)
        .bind(scope.name())
        .bind(scope.project())
        .bind(pattern)
        .bind(now.0)
        .fetch_one()
        .await?;
    if !pattern.is_empty() {
        bind_repositories(tx, id, scope, pattern).await?;
    }
    Ok(id)
}

/// Notes which repositories a new binding's pattern matches.
async fn bind_repositories(tx: &mut Tx, id: i64, scope: Scope, pattern: &str) -> Result<()> {
    let Ok(pattern) = Pattern::parse(pattern) else {
        return Ok(());
    };
    let repositories: Vec<(i64, String)> = tx
        .query("SELECT id, name FROM repository WHERE project_id = $1 OR $2")
        .bind(scope.project().unwrap_or_default())
        .bind(scope.project().is_none())
        .fetch_all()
        .await?;
    for (repository, name) in repositories {
        if pattern.matches(below_project(&name)) {
            bind_repository(tx, id, RepositoryId(repository)).await?;
        }
    }
    Ok(())
}

async fn bind_repository(tx: &mut Tx, binding: i64, repository: RepositoryId) -> Result<()> {
    tx.query(
        "INSERT INTO bound_repository (binding_id, repo_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
    )
    .bind(binding)
    .bind(repository.0)
    .execute()
    .await?;
    Ok(())
}

/// The part of a repository's name that patterns are about.
pub fn below_project(name: &str) -> &str {
    name.split_once('/').map_or(name, |(_project, rest)| rest)
}

/// Notes which bindings a new repository comes under.
pub(super) async fn repository_created(
    tx: &mut Tx,
    project: ProjectId,
    repository: RepositoryId,
    name: &str,
) -> Result<()> {
    tx.share_turn(Turn::Patterns).await?;
    let bindings: Vec<(i64, String)> = tx
        .query(
            "SELECT id, pattern FROM role_binding
             WHERE pattern <> '' AND (project_id = $1 OR scope = 'all')",
        )
        .bind(project.0)
        .fetch_all()
        .await?;
    for (id, pattern) in bindings {
        if Pattern::parse(&pattern).is_ok_and(|pattern| pattern.matches(below_project(name))) {
            bind_repository(tx, id, repository).await?;
        }
    }
    Ok(())
}

/// Takes every role from a principal, and removes those that only it had.
pub async fn remove_all_of(tx: &mut Tx, principal: PrincipalId) -> Result<()> {
    remove_where(tx, "principal_id = $1", principal.0).await
}

/// Removes every binding in a project.
pub async fn remove_all_in(tx: &mut Tx, project: ProjectId) -> Result<()> {
    remove_where(tx, "project_id = $1", project.0).await
}

async fn remove_where(tx: &mut Tx, condition: &'static str, id: i64) -> Result<()> {
    let roles: Vec<(i64,)> = tx
        .query("DELETE FROM role_binding WHERE ")
        .push(condition)
        .push(" RETURNING role_id")
        .bind(id)
        .fetch_all()
        .await?;
    for (role,) in roles {
        for statement in [
            "DELETE FROM role_permission WHERE role_id = $1
               AND role_id IN (SELECT id FROM role WHERE kind = 'private')
               AND NOT EXISTS (SELECT 1 FROM role_binding b WHERE b.role_id = $1)",
            "DELETE FROM role WHERE id = $1 AND kind = 'private'
               AND NOT EXISTS (SELECT 1 FROM role_binding b WHERE b.role_id = $1)",
        ] {
            tx.query(statement).bind(role).execute().await?;
        }
    }
    Ok(())
}

/// What a principal and its groups may do with a resource: each action, and the pattern of
/// repositories that it is limited to (empty: none). `project` is None for the system.
pub async fn actions(
    conn: &mut Conn,
    principal: PrincipalId,
    project: Option<ProjectId>,
    resource: Resource,
) -> Result<Vec<(Action, String)>> {
    let rows: Vec<(String, String)> = conn
        .query(concat!(
            "SELECT DISTINCT a.action, b.pattern FROM role_binding b
             JOIN role_permission a ON a.role_id = b.role_id
             WHERE a.resource = $1 AND b.principal_id IN ",
            principals!("$2"),
            " AND ((b.scope = 'system' AND $3 = 0)
                 OR (b.scope = 'all' AND $3 <> 0) OR b.project_id = $3)"
        ))
        .bind(resource.name())
        .bind(principal.0)
        .bind(project.map_or(0, |id| id.0))
        .fetch_all()
        .await?;
    Ok(rows
        .into_iter()
        .filter_map(|(action, pattern)| Some((Action::named(&action)?, pattern)))
        .collect())
}

/// What the public set allows with a resource.
pub async fn public_actions(conn: &mut Conn, resource: Resource) -> Result<Vec<Action>> {
    let rows: Vec<(String,)> = conn
        .query("SELECT action FROM role_permission WHERE role_id = $1 AND resource = $2")
        .bind(RoleId::PUBLIC.0)
        .bind(resource.name())
        .fetch_all()
        .await?;
    Ok(rows.iter().filter_map(|(name,)| Action::named(name)).collect())
}

/// Whether a principal, or a group of it, has any role that reaches a project.
pub async fn reaches(conn: &mut Conn, principal: PrincipalId, project: ProjectId) -> Result<bool> {
    let row: Option<(i32,)> = conn
        .query(concat!(
            "SELECT 1 FROM role_binding b WHERE (b.project_id = $1 OR b.scope = 'all')
               AND b.principal_id IN ",
            principals!("$2"),
            " LIMIT 1"
        ))
        .bind(project.0)
        .bind(principal.0)
        .fetch_optional()
        .await?;
    Ok(row.is_some())
}

/// The ids of the roles that a principal and its groups have in each project, whatever they are
/// limited to.
pub async fn roles_by_project(
    conn: &mut Conn,
    principal: PrincipalId,
) -> Result<HashMap<ProjectId, Vec<RoleId>>> {
    let rows: Vec<(i64, i64)> = conn
        .query(concat!(
            "SELECT DISTINCT b.project_id, b.role_id FROM role_binding b
             JOIN role o ON o.id = b.role_id
             WHERE b.scope = 'project' AND o.kind <> 'private'
               AND b.principal_id IN ",
            principals!("$1"),
            " ORDER BY b.project_id, b.role_id"
        ))
        .bind(principal.0)
        .fetch_all()
        .await?;
    let mut roles: HashMap<ProjectId, Vec<RoleId>> = HashMap::new();
    for (project, role) in rows {
        roles.entry(ProjectId(project)).or_default().push(RoleId(role));
    }
    Ok(roles)
}

/// The ids of the roles that a principal and its groups have in a project, whatever they are
/// limited to.
pub async fn roles_in(
    conn: &mut Conn,
    project: ProjectId,
    principal: PrincipalId,
) -> Result<Vec<RoleId>> {
    let rows: Vec<(i64,)> = conn
        .query(concat!(
            "SELECT DISTINCT b.role_id FROM role_binding b JOIN role o ON o.id = b.role_id
             WHERE b.project_id = $1 AND o.kind <> 'private'
               AND b.principal_id IN ",
            principals!("$2"),
            " ORDER BY b.role_id"
        ))
        .bind(project.0)
        .bind(principal.0)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(id,)| RoleId(id)).collect())
}

#[cfg(test)]
mod tests;
