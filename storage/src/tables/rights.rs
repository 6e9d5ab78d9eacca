//! What the bindings of a principal and of its groups amount to in one place.

use roadstead_model::{Permission, PrincipalId, RoleId};

use super::binding::Scope;
use crate::{Conn, Result};

/// Every permission that a principal and its groups have in a place, each with the pattern of
/// repositories that it is limited to (empty: none). What is bound in all projects counts in each;
/// in [`Scope::AllProjects`] nothing else does. Words that this program does not know are left
/// out.
pub async fn of(
    conn: &mut Conn,
    principal: PrincipalId,
    scope: Scope,
) -> Result<Vec<(Permission, String)>> {
    let project = match scope {
        Scope::Project(id) => id.0,
        Scope::System | Scope::AllProjects => 0,
    };
    let rows: Vec<(String, String, String)> = conn
        .query(concat!(
            "SELECT DISTINCT a.resource, a.action, b.pattern FROM role_binding b
             JOIN role_permission a ON a.role_id = b.role_id
             WHERE b.principal_id IN ",
            principals!("$1"),
            " AND ((b.scope = 'system' AND $2) OR (b.scope = 'all' AND NOT $2)
                 OR b.project_id = $3)"
        ))
        .bind(principal.0)
        .bind(scope == Scope::System)
        .bind(project)
        .fetch_all()
        .await?;
    let known = |(resource, action, pattern): (String, String, String)| {
        Some((Permission::named(&resource, &action)?, pattern))
    };
    Ok(rows.into_iter().filter_map(known).collect())
}

/// What the public set allows in a public project.
pub async fn of_everybody(conn: &mut Conn) -> Result<Vec<Permission>> {
    super::role::permissions(conn, RoleId::PUBLIC).await
}

/// Whether a principal, or a group of it, is project admin of any project.
pub async fn administers_a_project(conn: &mut Conn, principal: PrincipalId) -> Result<bool> {
    let row: Option<(i32,)> = conn
        .query(concat!(
            "SELECT 1 FROM role_binding b WHERE b.role_id = $1 AND b.scope = 'project'
               AND b.pattern = '' AND b.principal_id IN ",
            principals!("$2"),
            " LIMIT 1"
        ))
        .bind(RoleId::PROJECT_ADMIN.0)
        .bind(principal.0)
        .fetch_optional()
        .await?;
    Ok(row.is_some())
}

#[cfg(test)]
mod tests;
