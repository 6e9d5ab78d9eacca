//! Personal access tokens: principals of their own, whose bindings narrow what the owner may do.

use roadstead_model::{PrincipalId, Timestamp};

use super::principal::{self, Kind};
use crate::{Conn, Result, Tx};

/// A token's row; its one secret is told with it.
#[derive(Clone, Debug)]
pub struct PersonalToken {
    /// The token's own principal.
    pub id: PrincipalId,
    /// Whose it is.
    pub owner: PrincipalId,
    /// Unique among the owner's.
    pub name: String,
    /// Free text.
    pub description: String,
    /// None for never.
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was used last, to the minute.
    pub last_used_at: Option<Timestamp>,
}

type Row = (i64, i64, String, String, Option<i64>, i64, Option<i64>);

const SELECT: &str = "SELECT t.principal_id, t.owner_id, t.name, t.description, t.expires_at,
            p.created_at, (SELECT MAX(s.last_used_at) FROM secret s WHERE s.principal_id = p.id)
     FROM personal_token t JOIN principal p ON p.id = t.principal_id WHERE t.owner_id = $1";

fn token((id, owner, name, description, expires, created, used): Row) -> PersonalToken {
    PersonalToken {
        id: PrincipalId(id),
        owner: PrincipalId(owner),
        name,
        description,
        expires_at: expires.map(Timestamp),
        created_at: Timestamp(created),
        last_used_at: used.map(Timestamp),
    }
}

/// Makes a token without a secret and without permissions.
///
/// # Errors
/// [`Error::Conflict`](crate::Error::Conflict) when the owner has one of this name.
pub async fn insert(
    tx: &mut Tx,
    owner: PrincipalId,
    name: &str,
    description: &str,
    expires_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<PrincipalId> {
    let id = principal::insert(tx, Kind::Token, &format!("{owner}/{name}"), now).await?;
    tx.query(
        "INSERT INTO personal_token (principal_id, owner_id, name, description, expires_at)
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(id.0)
    .bind(owner.0)
    .bind(name)
    .bind(description)
    .bind(expires_at.map(|at| at.0))
    .execute()
    .await?;
    Ok(id)
}

/// The owner's tokens, by name.
pub async fn list(
    conn: &mut Conn,
    owner: PrincipalId,
    limit: i64,
    offset: i64,
) -> Result<Vec<PersonalToken>> {
    let rows: Vec<Row> = conn
        .query(SELECT)
        .push(" ORDER BY t.name")
        .bind(owner.0)
        .page(limit, offset)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(token).collect())
}

/// How many tokens the owner has.
pub async fn count(conn: &mut Conn, owner: PrincipalId) -> Result<i64> {
    let (count,) = conn
        .query("SELECT COUNT(*) FROM personal_token WHERE owner_id = $1")
        .bind(owner.0)
        .fetch_one::<(i64,)>()
        .await?;
    Ok(count)
}

/// A token of the owner.
pub async fn find(
    conn: &mut Conn,
    owner: PrincipalId,
    id: PrincipalId,
) -> Result<Option<PersonalToken>> {
    let row: Option<Row> = conn
        .query(SELECT)
        .push(" AND t.principal_id = $2")
        .bind(owner.0)
        .bind(id.0)
        .fetch_optional()
        .await?;
    Ok(row.map(token))
}

/// The owner's token with this secret: (the token's principal, the secret's id).
pub async fn with_verifier(
    conn: &mut Conn,
    owner: PrincipalId,
    verifier: &str,
) -> Result<Option<(PrincipalId, i64)>> {
    let row: Option<(i64, i64)> = conn
        .query(
            "SELECT s.principal_id, s.id FROM secret s
             JOIN personal_token t ON t.principal_id = s.principal_id
             WHERE t.owner_id = $1 AND s.verifier = $2",
        )
        .bind(owner.0)
        .bind(verifier)
        .fetch_optional()
        .await?;
    Ok(row.map(|(id, secret)| (PrincipalId(id), secret)))
}

#[cfg(test)]
mod tests;
