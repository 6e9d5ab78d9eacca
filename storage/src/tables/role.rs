//! Roles: named sets of permissions, as rows.

use roadstead_model::{Permission, RoleId, Timestamp};

use crate::{Conn, Error, Result, Tx};

/// Where a role comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Harbor's; cannot be changed.
    Builtin,
    /// Made by an administrator.
    Custom,
    /// The permissions of one robot or token.
    Private,
}

impl Kind {
    /// The word used in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Builtin => "builtin",
            Self::Custom => "custom",
            Self::Private => "private",
        }
    }

    fn named(name: &str) -> Result<Self> {
        [Self::Builtin, Self::Custom, Self::Private]
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| Error::inconsistent("role", format!("kind {name:?}")))
    }
}

/// A role's row.
#[derive(Clone, Debug)]
pub struct Role {
    /// The id.
    pub id: RoleId,
    /// Its name.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Where it comes from.
    pub kind: Kind,
    /// When it was made; 0 for Harbor's.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

type Row = (i64, String, String, String, i64, i64);

const SELECT: &str = "SELECT id, name, description, kind, created_at, updated_at FROM role";

fn role((id, name, description, kind, created, updated): Row) -> Result<Role> {
    Ok(Role {
        id: RoleId(id),
        name,
        description,
        kind: Kind::named(&kind)?,
        created_at: Timestamp(created),
        updated_at: Timestamp(updated),
    })
}

/// The role with this id, unless it is a private one.
pub async fn find(conn: &mut Conn, id: RoleId) -> Result<Option<Role>> {
    let row: Option<Row> = conn
        .query(SELECT)
        .push(" WHERE id = $1 AND kind <> 'private'")
        .bind(id.0)
        .fetch_optional()
        .await?;
    row.map(role).transpose()
}

/// Every role that members of projects can be given, by id.
pub async fn list(conn: &mut Conn, limit: i64, offset: i64) -> Result<Vec<Role>> {
    let rows: Vec<Row> = conn
        .query(SELECT)
        .push(" WHERE kind <> 'private' AND id > 0 ORDER BY id")
        .page(limit, offset)
        .fetch_all()
        .await?;
    rows.into_iter().map(role).collect()
}

/// How many roles [`list`] has.
pub async fn count(conn: &mut Conn) -> Result<i64> {
    let (count,) = conn
        .query("SELECT COUNT(*) FROM role WHERE kind <> 'private' AND id > 0")
        .fetch_one::<(i64,)>()
        .await?;
    Ok(count)
}

/// What a role allows. Words that this program does not know are left out.
pub async fn permissions(conn: &mut Conn, id: RoleId) -> Result<Vec<Permission>> {
    let rows: Vec<(String, String)> = conn
        .query(
            "SELECT resource, action FROM role_permission WHERE role_id = $1
             ORDER BY resource, action",
        )
        .bind(id.0)
        .fetch_all()
        .await?;
    Ok(rows.iter().filter_map(|(r, a)| Permission::named(r, a)).collect())
}

/// The description of a role of any kind.
pub async fn description(conn: &mut Conn, id: RoleId) -> Result<String> {
    let row: Option<(String,)> = conn
        .query("SELECT description FROM role WHERE id = $1")
        .bind(id.0)
        .fetch_optional()
        .await?;
    Ok(row.map(|(text,)| text).unwrap_or_default())
}

/// Makes a role.
///
/// # Errors
/// [`Error::Conflict`] when the name is taken.
pub async fn insert(
    tx: &mut Tx,
    kind: Kind,
    name: &str,
    description: &str,
    permissions: &[Permission],
    now: Timestamp,
) -> Result<RoleId> {
    let (id,): (i64,) = tx
        .query(
            "INSERT INTO role (name, description, kind, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $4) RETURNING id",
        )
        .bind(name)
        .bind(description)
        .bind(kind.name())
        .bind(now.0)
        .fetch_one()
        .await?;
    add_permissions(tx, RoleId(id), permissions).await?;
    Ok(RoleId(id))
}

async fn add_permissions(tx: &mut Tx, id: RoleId, permissions: &[Permission]) -> Result<()> {
    for permission in permissions {
        tx.query(
            "INSERT INTO role_permission (role_id, resource, action) VALUES ($1, $2, $3)
             ON CONFLICT DO NOTHING",
        )
        .bind(id.0)
        .bind(permission.resource.name())
        .bind(permission.action.name())
        .execute()
        .await?;
    }
    Ok(())
}

/// Changes a custom role; false when there is no such one.
///
/// # Errors
/// [`Error::Conflict`] when the name is taken.
pub async fn update(
    tx: &mut Tx,
    id: RoleId,
    name: &str,
    description: &str,
    permissions: &[Permission],
    now: Timestamp,
) -> Result<bool> {
    let changed = tx
        .query(
            "UPDATE role SET name = $1, description = $2, updated_at = $3
             WHERE id = $4 AND kind = 'custom'",
        )
        .bind(name)
        .bind(description)
        .bind(now.0)
        .bind(id.0)
        .execute()
        .await?;
    if changed == 0 {
        return Ok(false);
    }
    tx.query("DELETE FROM role_permission WHERE role_id = $1").bind(id.0).execute().await?;
    add_permissions(tx, id, permissions).await?;
    Ok(true)
}

/// Removes a custom role; false when there is no such one.
///
/// # Errors
/// [`Error::Reference`] while somebody has it.
pub async fn remove(tx: &mut Tx, id: RoleId) -> Result<bool> {
    let custom = tx
        .query("SELECT 1 FROM role WHERE id = $1 AND kind = 'custom'")
        .bind(id.0)
        .fetch_optional::<(i32,)>()
        .await?;
    if custom.is_none() {
        return Ok(false);
    }
    tx.query("DELETE FROM role_permission WHERE role_id = $1").bind(id.0).execute().await?;
    Ok(tx.query("DELETE FROM role WHERE id = $1").bind(id.0).execute().await? == 1)
}

#[cfg(test)]
mod tests;
