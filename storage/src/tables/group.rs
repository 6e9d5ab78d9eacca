//! Groups of people, which come from a directory.

use roadstead_model::{PrincipalId, Timestamp};

use super::principal::{self, Kind};
use crate::{Conn, Query, Result, Tx};

/// A group's row.
#[derive(Clone, Debug)]
pub struct Group {
    /// The principal's id.
    pub id: PrincipalId,
    /// The name that people see.
    pub name: String,
    /// Harbor's number: 1 LDAP, 2 HTTP, 3 OIDC.
    pub kind: i64,
    /// The distinguished name, in LDAP.
    pub ldap_dn: String,
}

/// Harbor's number for groups of an LDAP directory.
pub const LDAP: i64 = 1;
/// Harbor's number for groups of an HTTP proxy that authenticates.
pub const HTTP: i64 = 2;
/// Harbor's number for groups of an OpenID provider.
pub const OIDC: i64 = 3;

type Row = (i64, String, i64, String);

const SELECT: &str = "SELECT principal_id, group_name, group_type, ldap_group_dn FROM user_group";

fn group((id, name, kind, ldap_dn): Row) -> Group {
    Group { id: PrincipalId(id), name, kind, ldap_dn }
}

/// The name of the principal: what makes the group the one it is.
fn principal_name(kind: i64, name: &str, ldap_dn: &str) -> String {
    if kind == LDAP { format!("1:{}", ldap_dn.to_lowercase()) } else { format!("{kind}:{name}") }
}

/// Makes a group.
///
/// # Errors
/// [`Error::Conflict`](crate::Error::Conflict) when it is there already.
pub async fn insert(
    tx: &mut Tx,
    name: &str,
    kind: i64,
    ldap_dn: &str,
    now: Timestamp,
) -> Result<PrincipalId> {
    let unique = principal_name(kind, name, ldap_dn);
    let id = principal::insert(tx, Kind::Group, &unique, now).await?;
    tx.query(
        "INSERT INTO user_group (principal_id, group_name, group_type, ldap_group_dn)
         VALUES ($1, $2, $3, $4)",
    )
    .bind(id.0)
    .bind(name)
    .bind(kind)
    .bind(ldap_dn)
    .execute()
    .await?;
    Ok(id)
}

/// The group of a directory, made if it is not there.
pub async fn ensure(
    tx: &mut Tx,
    name: &str,
    kind: i64,
    ldap_dn: &str,
    now: Timestamp,
) -> Result<PrincipalId> {
    let unique = principal_name(kind, name, ldap_dn);
    match principal::find_named(tx, Kind::Group, &unique).await? {
        Some(found) => Ok(found.id),
        None => insert(tx, name, kind, ldap_dn, now).await,
    }
}

/// The group that the OpenID provider calls this, whatever it was renamed to here.
pub async fn find_of_provider(conn: &mut Conn, name: &str) -> Result<Option<PrincipalId>> {
    let unique = principal_name(OIDC, name, "");
    let found = principal::find_named(conn, Kind::Group, &unique).await?;
    Ok(found.map(|group| group.id))
}

/// The group with this id.
pub async fn find(conn: &mut Conn, id: PrincipalId) -> Result<Option<Group>> {
    let row: Option<Row> =
        conn.query(SELECT).push(" WHERE principal_id = $1").bind(id.0).fetch_optional().await?;
    Ok(row.map(group))
}

/// The group of an LDAP directory with this distinguished name.
pub async fn find_by_dn(conn: &mut Conn, ldap_dn: &str) -> Result<Option<Group>> {
    let row: Option<Row> = conn
        .query(SELECT)
        .push(" JOIN principal p ON p.id = principal_id WHERE p.kind = 'group' AND p.name = $1")
        .bind(principal_name(LDAP, "", ldap_dn))
        .fetch_optional()
        .await?;
    Ok(row.map(group))
}

/// The groups with this name, of any kind.
pub async fn find_named(conn: &mut Conn, name: &str) -> Result<Vec<Group>> {
    let rows: Vec<Row> = conn
        .query(SELECT)
        .push(" WHERE group_name = $1 ORDER BY principal_id")
        .bind(name)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(group).collect())
}

/// Changes a group's name; false when there is none with this id. What identifies the group at
/// its directory stays.
pub async fn rename(tx: &mut Tx, id: PrincipalId, name: &str) -> Result<bool> {
    let changed = tx
        .query("UPDATE user_group SET group_name = $1 WHERE principal_id = $2")
        .bind(name)
        .bind(id.0)
        .execute()
        .await?;
    Ok(changed == 1)
}

/// What a list of groups is narrowed to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter<'a> {
    /// Part of the name.
    pub name: &'a str,
    /// The whole distinguished name.
    pub ldap_dn: &'a str,
    /// Harbor's number of the kind; 0 for every kind.
    pub kind: i64,
}

fn narrowed<'c>(conn: &'c mut Conn, select: &'static str, filter: Filter<'_>) -> Query<'c> {
    let mut query = conn.query(select).push(" WHERE 1 = 1");
    if !filter.name.is_empty() {
        query = query.containing("group_name", filter.name);
    }
    if !filter.ldap_dn.is_empty() {
        query = query.push(" AND ldap_group_dn = ").push_bind(filter.ldap_dn);
    }
    if filter.kind != 0 {
        query = query.push(" AND group_type = ").push_bind(filter.kind);
    }
    query
}

/// Groups by name.
pub async fn list(
    conn: &mut Conn,
    filter: Filter<'_>,
    limit: i64,
    offset: i64,
) -> Result<Vec<Group>> {
    let rows: Vec<Row> = narrowed(conn, SELECT, filter)
        .push(" ORDER BY group_name, principal_id")
        .page(limit, offset)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(group).collect())
}

/// How many groups [`list`] has.
pub async fn count(conn: &mut Conn, filter: Filter<'_>) -> Result<i64> {
    let select = "SELECT COUNT(*) FROM user_group";
    let (count,) = narrowed(conn, select, filter).fetch_one::<(i64,)>().await?;
    Ok(count)
}

/// The groups of one kind that a person is in, by id.
pub async fn memberships(
    conn: &mut Conn,
    user: PrincipalId,
    kind: i64,
) -> Result<Vec<PrincipalId>> {
    let rows: Vec<(i64,)> = conn
        .query(
            "SELECT m.group_id FROM group_member m
             JOIN user_group g ON g.principal_id = m.group_id
             WHERE m.user_id = $1 AND g.group_type = $2 ORDER BY m.group_id",
        )
        .bind(user.0)
        .bind(kind)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(id,)| PrincipalId(id)).collect())
}

/// Puts a person into exactly these groups of a directory; groups of other kinds stay.
pub async fn replace_memberships(
    tx: &mut Tx,
    user: PrincipalId,
    kind: i64,
    groups: &[PrincipalId],
) -> Result<()> {
    tx.query(
        "DELETE FROM group_member WHERE user_id = $1 AND group_id IN
             (SELECT principal_id FROM user_group WHERE group_type = $2)",
    )
    .bind(user.0)
    .bind(kind)
    .execute()
    .await?;
    for id in groups {
        tx.query(
            "INSERT INTO group_member (user_id, group_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        )
        .bind(user.0)
        .bind(id.0)
        .execute()
        .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
