//! Principals: whoever can be authenticated, or have roles.

use roadstead_model::{PrincipalId, Timestamp};

use crate::{Conn, Error, Result, Tx};

/// What a principal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A person.
    User,
    /// A group of people.
    Group,
    /// A robot account.
    Robot,
    /// A personal access token.
    Token,
}

impl Kind {
    /// The word used in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
            Self::Robot => "robot",
            Self::Token => "token",
        }
    }

    fn named(name: &str) -> Result<Self> {
        [Self::User, Self::Group, Self::Robot, Self::Token]
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| Error::inconsistent("principal", format!("kind {name:?}")))
    }
}

/// Somebody who can be authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The id, never given to another.
    pub id: PrincipalId,
    /// What it is.
    pub kind: Kind,
    /// The name to log in with; for robots without the prefix.
    pub name: String,
    /// Changes when every credential issued so far must stop working.
    pub epoch: i64,
    /// May not do anything.
    pub disabled: bool,
    /// May do everything.
    pub sysadmin: bool,
    /// When it stops working by itself.
    pub expires_at: Option<Timestamp>,
}

impl Principal {
    /// Whether it may do anything at all at this moment.
    pub fn works(&self, now: Timestamp) -> bool {
        !self.disabled && self.expires_at.is_none_or(|end| end > now)
    }
}

type Row = (i64, String, String, i64, bool, bool, Option<i64>);

const SELECT: &str = "SELECT p.id, p.kind, p.name, p.epoch, p.disabled,
            CASE WHEN u.sysadmin OR u.directory_admin THEN TRUE ELSE FALSE END,
            COALESCE(r.expires_at, t.expires_at)
     FROM principal p LEFT JOIN user_account u ON u.principal_id = p.id
     LEFT JOIN robot r ON r.principal_id = p.id
     LEFT JOIN personal_token t ON t.principal_id = p.id
     WHERE p.deleted_at IS NULL";

fn principal(row: Row) -> Result<Principal> {
    let (id, kind, name, epoch, disabled, sysadmin, expires_at) = row;
    Ok(Principal {
        id: PrincipalId(id),
        kind: Kind::named(&kind)?,
        name,
        epoch,
        disabled,
        sysadmin,
        expires_at: expires_at.map(Timestamp),
    })
}

/// The principal with this id, unless it was deleted.
pub async fn find(conn: &mut Conn, id: PrincipalId) -> Result<Option<Principal>> {
    let row: Option<Row> =
        conn.query(SELECT).push(" AND p.id = $1").bind(id.0).fetch_optional().await?;
    row.map(principal).transpose()
}

/// The principal of this kind and name.
pub async fn find_named(conn: &mut Conn, kind: Kind, name: &str) -> Result<Option<Principal>> {
    let row: Option<Row> = conn
        .query(SELECT)
        .push(" AND p.kind = $1 AND p.name = $2")
        .bind(kind.name())
        .bind(name)
        .fetch_optional()
        .await?;
    row.map(principal).transpose()
}

/// Makes a principal.
///
/// # Errors
/// [`Error::Conflict`] when the name is taken among its kind.
pub async fn insert(tx: &mut Tx, kind: Kind, name: &str, now: Timestamp) -> Result<PrincipalId> {
    let (id,): (i64,) = tx
        .query(
            "INSERT INTO principal (kind, name, created_at, updated_at)
             VALUES ($1, $2, $3, $3) RETURNING id",
        )
        .bind(kind.name())
        .bind(name)
        .bind(now.0)
        .fetch_one()
        .await?;
    Ok(PrincipalId(id))
}

/// Ends every credential that was issued to a principal so far.
pub async fn revoke(tx: &mut Tx, id: PrincipalId, now: Timestamp) -> Result<()> {
    tx.query("UPDATE principal SET epoch = epoch + 1, updated_at = $1 WHERE id = $2")
        .bind(now.0)
        .bind(id.0)
        .execute()
        .await?;
    Ok(())
}

/// Notes a change of a principal; changes of one at the same time wait for each other.
pub async fn touch(tx: &mut Tx, id: PrincipalId, now: Timestamp) -> Result<()> {
    tx.query("UPDATE principal SET updated_at = $1 WHERE id = $2")
        .bind(now.0)
        .bind(id.0)
        .execute()
        .await?;
    Ok(())
}

/// Keeps a principal from being changed before the transaction ends.
pub async fn share(tx: &mut Tx, id: PrincipalId) -> Result<()> {
    tx.share("SELECT id FROM principal WHERE id = $1 FOR SHARE", id.0).await
}

/// Enables or disables a principal.
pub async fn set_disabled(
    tx: &mut Tx,
    id: PrincipalId,
    disabled: bool,
    now: Timestamp,
) -> Result<()> {
    tx.query("UPDATE principal SET disabled = $1, updated_at = $2 WHERE id = $3")
        .bind(disabled)
        .bind(now.0)
        .bind(id.0)
        .execute()
        .await?;
    Ok(())
}

/// Deletes a principal: it loses its name, its roles, its groups, its tokens and every credential.
/// The row stays, because its past names it. False when there was none.
pub async fn remove(tx: &mut Tx, id: PrincipalId, now: Timestamp) -> Result<bool> {
    if !remove_one(tx, id, now).await? {
        return Ok(false);
    }
    let tokens: Vec<(i64,)> = tx
        .query("SELECT principal_id FROM personal_token WHERE owner_id = $1")
        .bind(id.0)
        .fetch_all()
        .await?;
    for (token,) in tokens {
        remove_one(tx, PrincipalId(token), now).await?;
    }
    Ok(true)
}

async fn remove_one(tx: &mut Tx, id: PrincipalId, now: Timestamp) -> Result<bool> {
    let removed = tx
        .query(
            "UPDATE principal SET name = name || '#' || CAST(id AS TEXT), deleted_at = $1,
                    updated_at = $1, epoch = epoch + 1, disabled = TRUE
             WHERE id = $2 AND deleted_at IS NULL",
        )
        .bind(now.0)
        .bind(id.0)
        .execute()
        .await?;
    if removed == 0 {
        return Ok(false);
    }
    super::binding::remove_all_of(tx, id).await?;
    for statement in [
        "DELETE FROM group_member WHERE user_id = $1 OR group_id = $1",
        "DELETE FROM secret WHERE principal_id = $1",
        "DELETE FROM session WHERE principal_id = $1",
        "DELETE FROM refresh_token WHERE principal_id = $1",
        "DELETE FROM oidc_account WHERE principal_id = $1",
        "DELETE FROM user_group WHERE principal_id = $1",
        "DELETE FROM robot WHERE principal_id = $1",
        "DELETE FROM personal_token WHERE principal_id = $1",
        "UPDATE user_account SET email = NULL, password_hash = '', sysadmin = FALSE,
                directory_admin = FALSE WHERE principal_id = $1",
    ] {
        tx.query(statement).bind(id.0).execute().await?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests;
