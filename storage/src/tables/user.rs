//! People: accounts with a password here, or in a directory.

use roadstead_model::{PrincipalId, Timestamp};

use super::principal::{self, Kind, Principal};
use crate::filter::Condition;
use crate::{Conn, Error, Query, Result, Tx};

/// Where the password of an account is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Here.
    Db,
    /// In an LDAP directory.
    Ldap,
    /// At an OpenID provider.
    Oidc,
}

impl Source {
    /// The word used in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Db => "db",
            Self::Ldap => "ldap",
            Self::Oidc => "oidc",
        }
    }

    fn named(name: &str) -> Result<Self> {
        [Self::Db, Self::Ldap, Self::Oidc]
            .into_iter()
            .find(|source| source.name() == name)
            .ok_or_else(|| Error::inconsistent("user_account", format!("source {name:?}")))
    }
}

/// A person's account.
#[derive(Clone, Debug)]
pub struct UserAccount {
    /// The principal.
    pub principal: Principal,
    /// Where the password is kept.
    pub source: Source,
    /// Unique, where there is one.
    pub email: Option<String>,
    /// The full name.
    pub realname: String,
    /// Free text.
    pub comment: String,
    /// PHC string; empty when there is no password here.
    pub password_hash: String,
    /// Administrator by an administrator's decision.
    pub sysadmin_flag: bool,
    /// Administrator by a group of the directory, as of the last login.
    pub directory_admin: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// What a new account needs.
#[derive(Clone, Copy, Debug)]
pub struct NewUser<'a> {
    /// The name to log in with.
    pub name: &'a str,
    /// Where the password is kept.
    pub source: Source,
    /// The mail address, unique.
    pub email: Option<&'a str>,
    /// The full name.
    pub realname: &'a str,
    /// Free text.
    pub comment: &'a str,
    /// PHC string; empty when there is no password here.
    pub password_hash: &'a str,
    /// May do everything.
    pub sysadmin: bool,
}

type Row =
    (i64, String, i64, bool, String, bool, bool, Option<String>, String, String, String, i64, i64);

const SELECT: &str = "SELECT p.id, p.name, p.epoch, p.disabled, u.source, u.sysadmin,
            u.directory_admin, u.email, u.realname, u.comment, u.password_hash, p.created_at,
            p.updated_at
     FROM principal p JOIN user_account u ON u.principal_id = p.id
     WHERE p.deleted_at IS NULL";

fn account(row: Row) -> Result<UserAccount> {
    let (id, name, epoch, disabled, source, sysadmin_flag, directory_admin, email, ..) = row;
    let (.., realname, comment, password_hash, created_at, updated_at) = row;
    Ok(UserAccount {
        principal: Principal {
            id: PrincipalId(id),
            kind: Kind::User,
            name,
            epoch,
            disabled,
            sysadmin: sysadmin_flag || directory_admin,
            expires_at: None,
        },
        source: Source::named(&source)?,
        email,
        realname,
        comment,
        password_hash,
        sysadmin_flag,
        directory_admin,
        created_at: Timestamp(created_at),
        updated_at: Timestamp(updated_at),
    })
}

/// The account with this name.
pub async fn find(conn: &mut Conn, name: &str) -> Result<Option<UserAccount>> {
    let row: Option<Row> =
        conn.query(SELECT).push(" AND p.name = $1").bind(name).fetch_optional().await?;
    row.map(account).transpose()
}

/// The account with this mail address.
pub async fn find_by_email(conn: &mut Conn, email: &str) -> Result<Option<UserAccount>> {
    let row: Option<Row> =
        conn.query(SELECT).push(" AND u.email = $1").bind(email).fetch_optional().await?;
    row.map(account).transpose()
}

/// The account with this id.
pub async fn find_by_id(conn: &mut Conn, id: PrincipalId) -> Result<Option<UserAccount>> {
    let row: Option<Row> =
        conn.query(SELECT).push(" AND p.id = $1").bind(id.0).fetch_optional().await?;
    row.map(account).transpose()
}

/// The administrator with the lowest id, who was there first; None when no account is one.
pub async fn first_sysadmin(conn: &mut Conn) -> Result<Option<UserAccount>> {
    let row: Option<Row> =
        conn.query(SELECT).push(" AND u.sysadmin ORDER BY p.id LIMIT 1").fetch_optional().await?;
    row.map(account).transpose()
}

/// Makes an account.
///
/// # Errors
/// [`Error::Conflict`] when the name or the mail address is taken.
pub async fn insert(tx: &mut Tx, user: NewUser<'_>, now: Timestamp) -> Result<PrincipalId> {
    let id = principal::insert(tx, Kind::User, user.name, now).await?;
    tx.query(
        "INSERT INTO user_account (principal_id, source, email, realname, comment, password_hash,
                                   sysadmin)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(id.0)
    .bind(user.source.name())
    .bind(user.email.map(str::to_owned))
    .bind(user.realname)
    .bind(user.comment)
    .bind(user.password_hash)
    .bind(user.sysadmin)
    .execute()
    .await?;
    Ok(id)
}

/// Gives an account another password; every credential issued before stops working.
pub async fn set_password(
    tx: &mut Tx,
    id: PrincipalId,
    password_hash: &str,
    now: Timestamp,
) -> Result<()> {
    let changed = tx
        .query("UPDATE user_account SET password_hash = $1 WHERE principal_id = $2")
        .bind(password_hash)
        .bind(id.0)
        .execute()
        .await?;
    principal::revoke(tx, id, now).await?;
    if changed == 1 { Ok(()) } else { Err(Error::Reference) }
}

/// Changes what a person says of themselves.
///
/// # Errors
/// [`Error::Conflict`] when the mail address is taken.
pub async fn set_profile(
    tx: &mut Tx,
    id: PrincipalId,
    email: Option<&str>,
    realname: &str,
    comment: &str,
    now: Timestamp,
) -> Result<()> {
    tx.query(
        "UPDATE user_account SET email = $1, realname = $2, comment = $3 WHERE principal_id = $4",
    )
    .bind(email.map(str::to_owned))
    .bind(realname)
    .bind(comment)
    .bind(id.0)
    .execute()
    .await?;
    principal::touch(tx, id, now).await
}

/// Makes a person an administrator of the system, or ends that.
pub async fn set_sysadmin(
    tx: &mut Tx,
    id: PrincipalId,
    sysadmin: bool,
    now: Timestamp,
) -> Result<()> {
    tx.query("UPDATE user_account SET sysadmin = $1 WHERE principal_id = $2")
        .bind(sysadmin)
        .bind(id.0)
        .execute()
        .await?;
    principal::touch(tx, id, now).await
}

/// How many people are administrators by an administrator's decision and may log in. Who else
/// wants to change that waits until the transaction ends.
pub async fn count_sysadmins(tx: &mut Tx) -> Result<i64> {
    tx.query("UPDATE user_account SET sysadmin = sysadmin WHERE sysadmin").execute().await?;
    let (count,) = tx
        .query(
            "SELECT COUNT(*) FROM user_account u JOIN principal p ON p.id = u.principal_id
             WHERE u.sysadmin AND NOT p.disabled AND p.deleted_at IS NULL",
        )
        .fetch_one::<(i64,)>()
        .await?;
    Ok(count)
}

/// Notes whether a group of the directory makes a person an administrator.
pub async fn set_directory_admin(tx: &mut Tx, id: PrincipalId, admin: bool) -> Result<()> {
    tx.query("UPDATE user_account SET directory_admin = $1 WHERE principal_id = $2")
        .bind(admin)
        .bind(id.0)
        .execute()
        .await?;
    Ok(())
}

/// The name that an account has in its directory; empty for accounts that are in none.
pub async fn directory_name(conn: &mut Conn, id: PrincipalId) -> Result<String> {
    let row: Option<(String,)> = conn
        .query("SELECT directory_name FROM user_account WHERE principal_id = $1")
        .bind(id.0)
        .fetch_optional()
        .await?;
    Ok(row.map(|(name,)| name).unwrap_or_default())
}

/// Notes the name that an account has in its directory.
pub async fn set_directory_name(tx: &mut Tx, id: PrincipalId, name: &str) -> Result<()> {
    tx.query("UPDATE user_account SET directory_name = $1 WHERE principal_id = $2")
        .bind(name)
        .bind(id.0)
        .execute()
        .await?;
    Ok(())
}

/// Whether the name of any account begins with `prefix`.
pub async fn has_name_with(conn: &mut Conn, prefix: &str) -> Result<bool> {
    let length = i64::try_from(prefix.chars().count()).unwrap_or(i64::MAX);
    let found: Option<(i64,)> = conn
        .query(
            "SELECT p.id FROM principal p WHERE p.kind = 'user' AND p.deleted_at IS NULL
                    AND SUBSTR(p.name, 1, CAST($1 AS INTEGER)) = $2 LIMIT 1",
        )
        .bind(length)
        .bind(prefix)
        .fetch_optional()
        .await?;
    Ok(found.is_some())
}

fn narrowed<'c>(
    conn: &'c mut Conn,
    select: &'static str,
    except: PrincipalId,
    conditions: &[Condition],
) -> Query<'c> {
    conn.query(select).push(" AND p.id <> $1").bind(except.0).narrowed(conditions)
}

/// Accounts but the one with id `except`; `order` is (column, descending).
pub async fn list(
    conn: &mut Conn,
    except: PrincipalId,
    conditions: &[Condition],
    order: &[(&'static str, bool)],
    limit: i64,
    offset: i64,
) -> Result<Vec<UserAccount>> {
    let rows: Vec<Row> = narrowed(conn, SELECT, except, conditions)
        .ordered(order)
        .page(limit, offset)
        .fetch_all()
        .await?;
    rows.into_iter().map(account).collect()
}

/// How many accounts there are but the one with id `except`.
pub async fn count(conn: &mut Conn, except: PrincipalId, conditions: &[Condition]) -> Result<i64> {
    let select = "SELECT COUNT(*) FROM principal p JOIN user_account u ON u.principal_id = p.id
                  WHERE p.deleted_at IS NULL";
    let (count,) = narrowed(conn, select, except, conditions).fetch_one::<(i64,)>().await?;
    Ok(count)
}

#[cfg(test)]
mod tests;
