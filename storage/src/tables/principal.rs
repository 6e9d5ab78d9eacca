//! Principals, and the people among them who have a password here.

use roadstead_model::{PrincipalId, Timestamp};

use crate::{Conn, Error, Result, Tx};

/// Somebody who can be authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The id, never given to another.
    pub id: PrincipalId,
    /// The name to log in with.
    pub name: String,
    /// Changes when every credential issued so far must stop working.
    pub epoch: i64,
    /// May not do anything.
    pub disabled: bool,
    /// May do everything.
    pub sysadmin: bool,
}

/// A person's account.
#[derive(Clone, Debug)]
pub struct UserAccount {
    /// The principal.
    pub principal: Principal,
    /// Unique, but not for the first administrator, who has none.
    pub email: Option<String>,
    /// The full name.
    pub realname: String,
    /// Free text.
    pub comment: String,
    /// PHC string.
    pub password_hash: String,
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
    /// The mail address, unique.
    pub email: Option<&'a str>,
    /// The full name.
    pub realname: &'a str,
    /// Free text.
    pub comment: &'a str,
    /// PHC string.
    pub password_hash: &'a str,
    /// May do everything.
    pub sysadmin: bool,
}

type Row = (i64, String, i64, bool, bool, Option<String>, String, String, String, i64, i64);

const SELECT: &str = "SELECT p.id, p.name, p.epoch, p.disabled, u.sysadmin, u.email, u.realname,
            u.comment, u.password_hash, p.created_at, p.updated_at
     FROM principal p JOIN user_account u ON u.principal_id = p.id";

fn account(row: Row) -> UserAccount {
    let (id, name, epoch, disabled, sysadmin, email, realname, comment, hash, created, updated) =
        row;
    UserAccount {
        principal: Principal { id: PrincipalId(id), name, epoch, disabled, sysadmin },
        email,
        realname,
        comment,
        password_hash: hash,
        created_at: Timestamp(created),
        updated_at: Timestamp(updated),
    }
}

/// The account with this name.
pub async fn find_user(conn: &mut Conn, name: &str) -> Result<Option<UserAccount>> {
    let row: Option<Row> = conn
        .query(SELECT)
        .push(" WHERE p.kind = 'user' AND p.name = $1")
        .bind(name)
        .fetch_optional()
        .await?;
    Ok(row.map(account))
}

/// The account with this id.
pub async fn find_user_by_id(conn: &mut Conn, id: PrincipalId) -> Result<Option<UserAccount>> {
    let row: Option<Row> =
        conn.query(SELECT).push(" WHERE p.id = $1").bind(id.0).fetch_optional().await?;
    Ok(row.map(account))
}

/// The principal with this id, whatever its kind.
pub async fn find(conn: &mut Conn, id: PrincipalId) -> Result<Option<Principal>> {
    let row: Option<(i64, String, i64, bool, bool)> = conn
        .query(
            "SELECT p.id, p.name, p.epoch, p.disabled,
                    CASE WHEN u.sysadmin IS NULL THEN FALSE ELSE u.sysadmin END
             FROM principal p LEFT JOIN user_account u ON u.principal_id = p.id WHERE p.id = $1",
        )
        .bind(id.0)
        .fetch_optional()
        .await?;
    Ok(row.map(|(id, name, epoch, disabled, sysadmin)| Principal {
        id: PrincipalId(id),
        name,
        epoch,
        disabled,
        sysadmin,
    }))
}

/// Makes an account.
///
/// # Errors
/// [`Error::Conflict`] when the name or the mail address is taken.
pub async fn insert_user(tx: &mut Tx, user: NewUser<'_>, now: Timestamp) -> Result<PrincipalId> {
    let (id,): (i64,) = tx
        .query(
            "INSERT INTO principal (kind, name, created_at, updated_at)
             VALUES ('user', $1, $2, $2) RETURNING id",
        )
        .bind(user.name)
        .bind(now.0)
        .fetch_one()
        .await?;
    tx.query(
        "INSERT INTO user_account (principal_id, email, realname, comment, password_hash, sysadmin)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(id)
    .bind(user.email.map(str::to_owned))
    .bind(user.realname)
    .bind(user.comment)
    .bind(user.password_hash)
    .bind(user.sysadmin)
    .execute()
    .await?;
    Ok(PrincipalId(id))
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
    tx.query("UPDATE principal SET epoch = epoch + 1, updated_at = $1 WHERE id = $2")
        .bind(now.0)
        .bind(id.0)
        .execute()
        .await?;
    if changed == 1 { Ok(()) } else { Err(Error::Reference) }
}

/// Accounts but the one with id `except`, by name.
pub async fn list_users(
    conn: &mut Conn,
    except: PrincipalId,
    limit: i64,
    offset: i64,
) -> Result<Vec<UserAccount>> {
    let rows: Vec<Row> = conn
        .query(SELECT)
        .push(" WHERE p.id <> $1 ORDER BY p.name LIMIT $2 OFFSET $3")
        .bind(except.0)
        .bind(limit)
        .bind(offset)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(account).collect())
}

/// How many accounts there are.
pub async fn count_users(conn: &mut Conn) -> Result<i64> {
    let (count,) = conn.query("SELECT COUNT(*) FROM user_account").fetch_one::<(i64,)>().await?;
    Ok(count)
}
