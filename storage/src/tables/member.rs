//! Members: the people and groups that have a role in a project, as bindings.

use roadstead_model::{PrincipalId, ProjectId, RoleId, Timestamp};

use super::principal::Kind;
use crate::{Conn, Query, Result, Tx};

/// A member of a project.
#[derive(Clone, Debug)]
pub struct Member {
    /// The binding's id.
    pub id: i64,
    /// The project.
    pub project: ProjectId,
    /// Who it is.
    pub entity: PrincipalId,
    /// Their name; for groups the group's.
    pub entity_name: String,
    /// Whether it is a group.
    pub is_group: bool,
    /// The role.
    pub role: RoleId,
    /// The role's name.
    pub role_name: String,
    /// Only the repositories whose name below the project matches; empty for everything.
    pub pattern: String,
}

type Row = (i64, i64, i64, String, String, i64, String, String);

const SELECT: &str = "SELECT b.id, b.project_id, b.principal_id, COALESCE(g.group_name, p.name),
            p.kind, b.role_id, o.name, b.pattern
     FROM role_binding b JOIN principal p ON p.id = b.principal_id
     JOIN role o ON o.id = b.role_id LEFT JOIN user_group g ON g.principal_id = p.id
     WHERE b.project_id = $1 AND p.kind IN ('user', 'group')";

fn member(row: Row) -> Member {
    let (id, project, entity, entity_name, kind, role, role_name, pattern) = row;
    Member {
        id,
        project: ProjectId(project),
        entity: PrincipalId(entity),
        entity_name,
        is_group: kind == Kind::Group.name(),
        role: RoleId(role),
        role_name,
        pattern,
    }
}

fn narrowed<'c>(query: Query<'c>, project: ProjectId, name: &str) -> Query<'c> {
    let query = query.bind(project.0);
    if name.is_empty() {
        return query;
    }
    query.containing("COALESCE(g.group_name, p.name)", name)
}

/// Members by name; `name` narrows to those whose name contains it.
pub async fn list(
    conn: &mut Conn,
    project: ProjectId,
    name: &str,
    limit: i64,
    offset: i64,
) -> Result<Vec<Member>> {
    let rows: Vec<Row> = narrowed(conn.query(SELECT), project, name)
        .push(" ORDER BY 4, b.id")
        .page(limit, offset)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(member).collect())
}

/// How many members [`list`] has.
pub async fn count(conn: &mut Conn, project: ProjectId, name: &str) -> Result<i64> {
    let select = "SELECT COUNT(*) FROM role_binding b JOIN principal p ON p.id = b.principal_id
         LEFT JOIN user_group g ON g.principal_id = p.id
         WHERE b.project_id = $1 AND p.kind IN ('user', 'group')";
    let (count,) = narrowed(conn.query(select), project, name).fetch_one::<(i64,)>().await?;
    Ok(count)
}

/// How many members of a project have each role.
pub async fn count_by_role(conn: &mut Conn, project: ProjectId) -> Result<Vec<(RoleId, i64)>> {
    let rows: Vec<(i64, i64)> = conn
        .query(
            "SELECT b.role_id, COUNT(*) FROM role_binding b
             JOIN principal p ON p.id = b.principal_id
             WHERE b.project_id = $1 AND p.kind IN ('user', 'group') GROUP BY b.role_id",
        )
        .bind(project.0)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(role, count)| (RoleId(role), count)).collect())
}

/// Whether nobody but this member administers the whole project.
pub async fn is_last_admin(conn: &mut Conn, project: ProjectId, id: i64) -> Result<bool> {
    let rows: Vec<(i64,)> = conn
        .query(
            "SELECT b.id FROM role_binding b JOIN principal p ON p.id = b.principal_id
             WHERE b.project_id = $1 AND b.role_id = $2 AND b.pattern = ''
               AND p.kind IN ('user', 'group') LIMIT 2",
        )
        .bind(project.0)
        .bind(RoleId::PROJECT_ADMIN.0)
        .fetch_all()
        .await?;
    Ok(rows == [(id,)])
}

/// A member of the project.
pub async fn find(conn: &mut Conn, project: ProjectId, id: i64) -> Result<Option<Member>> {
    let row: Option<Row> =
        conn.query(SELECT).push(" AND b.id = $2").bind(project.0).bind(id).fetch_optional().await?;
    Ok(row.map(member))
}

/// Gives a member another role.
///
/// # Errors
/// [`Error::Reference`](crate::Error::Reference) when there is no such role.
pub async fn set_role(
    tx: &mut Tx,
    project: ProjectId,
    id: i64,
    role: RoleId,
    now: Timestamp,
) -> Result<bool> {
    let changed = tx
        .query(
            "UPDATE role_binding SET role_id = $1, updated_at = $2
             WHERE id = $3 AND project_id = $4",
        )
        .bind(role.0)
        .bind(now.0)
        .bind(id)
        .bind(project.0)
        .execute()
        .await?;
    Ok(changed == 1)
}

/// Removes a member from the project.
pub async fn remove(tx: &mut Tx, project: ProjectId, id: i64) -> Result<bool> {
    let removed = tx
        .query("DELETE FROM role_binding WHERE id = $1 AND project_id = $2")
        .bind(id)
        .bind(project.0)
        .execute()
        .await?;
    Ok(removed == 1)
}

#[cfg(test)]
mod tests;
