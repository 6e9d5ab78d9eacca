//! Who people are at their OpenID provider.

use roadstead_model::{PrincipalId, Timestamp};

use crate::{Conn, Result, Tx};

/// A person's row.
#[derive(Clone, Debug)]
pub struct OidcAccount {
    /// Whose it is.
    pub principal: PrincipalId,
    /// The provider.
    pub issuer: String,
    /// The person's id there.
    pub subject: String,
    /// The secret of the person's command line, sealed.
    pub secret: Vec<u8>,
    /// What the provider is asked with whether it still knows the person, sealed.
    pub refresh_token: Option<Vec<u8>>,
    /// When the provider knew the person last; 0 when it no longer does.
    pub checked_at: Timestamp,
    /// Before this moment the provider is not asked.
    pub ask_again_at: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
    /// When the secret was replaced last.
    pub updated_at: Timestamp,
}

type Row = (i64, String, String, Vec<u8>, Option<Vec<u8>>, i64, i64, i64, i64);

const SELECT: &str = "SELECT principal_id, issuer, subject, secret, refresh_token, checked_at,
            ask_again_at, created_at, updated_at FROM oidc_account";

fn account(row: Row) -> OidcAccount {
    let (principal, issuer, subject, secret, refresh_token, checked_at, ask_again_at, ..) = row;
    let (.., created_at, updated_at) = row;
    OidcAccount {
        principal: PrincipalId(principal),
        issuer,
        subject,
        secret,
        refresh_token,
        checked_at: Timestamp(checked_at),
        ask_again_at: Timestamp(ask_again_at),
        created_at: Timestamp(created_at),
        updated_at: Timestamp(updated_at),
    }
}

/// The row of a principal; none when the account is not a provider's.
pub async fn find(conn: &mut Conn, principal: PrincipalId) -> Result<Option<OidcAccount>> {
    let row: Option<Row> = conn
        .query(SELECT)
        .push(" WHERE principal_id = $1")
        .bind(principal.0)
        .fetch_optional()
        .await?;
    Ok(row.map(account))
}

/// The row of a provider's person.
pub async fn find_subject(
    conn: &mut Conn,
    issuer: &str,
    subject: &str,
) -> Result<Option<OidcAccount>> {
    let row: Option<Row> = conn
        .query(SELECT)
        .push(" WHERE issuer = $1 AND subject = $2")
        .bind(issuer)
        .bind(subject)
        .fetch_optional()
        .await?;
    Ok(row.map(account))
}

/// Adds a person.
///
/// # Errors
/// [`Error::Conflict`](crate::Error::Conflict) when the provider's person has an account already.
pub async fn insert(tx: &mut Tx, new: &OidcAccount) -> Result<()> {
    tx.query(
        "INSERT INTO oidc_account (principal_id, issuer, subject, secret, refresh_token, checked_at,
                                   ask_again_at, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(new.principal.0)
    .bind(new.issuer.as_str())
    .bind(new.subject.as_str())
    .bind(new.secret.as_slice())
    .bind(new.refresh_token.clone())
    .bind(new.checked_at.0)
    .bind(new.ask_again_at.0)
    .bind(new.created_at.0)
    .bind(new.updated_at.0)
    .execute()
    .await?;
    Ok(())
}

/// Replaces the secret of the command line.
pub async fn set_secret(
    tx: &mut Tx,
    principal: PrincipalId,
    secret: &[u8],
    now: Timestamp,
) -> Result<()> {
    tx.query("UPDATE oidc_account SET secret = $1, updated_at = $2 WHERE principal_id = $3")
        .bind(secret)
        .bind(now.0)
        .bind(principal.0)
        .execute()
        .await?;
    Ok(())
}

/// Notes a login. Providers that issue a refresh token at the first one only leave the old one.
pub async fn note_login(
    tx: &mut Tx,
    principal: PrincipalId,
    refresh_token: Option<&[u8]>,
    now: Timestamp,
) -> Result<()> {
    tx.query(
        "UPDATE oidc_account SET refresh_token = COALESCE($1, refresh_token), checked_at = $2,
                ask_again_at = 0 WHERE principal_id = $3",
    )
    .bind(refresh_token.map(<[u8]>::to_vec))
    .bind(now.0)
    .bind(principal.0)
    .execute()
    .await?;
    Ok(())
}

/// Lets the provider's word about a person be from `checked_at` at the latest, so that it is asked
/// sooner.
pub async fn doubt(tx: &mut Tx, principal: PrincipalId, checked_at: Timestamp) -> Result<()> {
    tx.query(
        "UPDATE oidc_account SET checked_at = $1, ask_again_at = 0
         WHERE principal_id = $2 AND checked_at > $1",
    )
    .bind(checked_at.0)
    .bind(principal.0)
    .execute()
    .await?;
    Ok(())
}

/// Makes everybody else wait with asking the provider until `until`, which the asker then names;
/// false when somebody was quicker. A refresh token must not be used twice at once.
pub async fn claim(
    tx: &mut Tx,
    principal: PrincipalId,
    until: Timestamp,
    now: Timestamp,
) -> Result<bool> {
    let claimed = tx
        .query(
            "UPDATE oidc_account SET ask_again_at = $1
             WHERE principal_id = $2 AND ask_again_at <= $3",
        )
        .bind(until.0)
        .bind(principal.0)
        .bind(now.0)
        .execute()
        .await?;
    Ok(claimed == 1)
}

/// Notes what the provider said to whoever claimed it with `until`: the next refresh token, if
/// there is one, and when it knew the person, which is 0 when it no longer does. False, and nothing
/// is changed, when there was a new login since.
pub async fn note_answer(
    tx: &mut Tx,
    principal: PrincipalId,
    until: Timestamp,
    refresh_token: Option<&[u8]>,
    checked_at: Timestamp,
) -> Result<bool> {
    let noted = tx
        .query(
            "UPDATE oidc_account SET refresh_token = $1, checked_at = $2, ask_again_at = 0
             WHERE principal_id = $3 AND ask_again_at = $4",
        )
        .bind(refresh_token.map(<[u8]>::to_vec))
        .bind(checked_at.0)
        .bind(principal.0)
        .bind(until.0)
        .execute()
        .await?;
    Ok(noted == 1)
}

/// Notes that the provider said nothing to whoever claimed it with `until`, and when it is asked
/// next.
pub async fn note_silence(
    tx: &mut Tx,
    principal: PrincipalId,
    until: Timestamp,
    ask_again_at: Timestamp,
) -> Result<()> {
    tx.query(
        "UPDATE oidc_account SET ask_again_at = $1 WHERE principal_id = $2 AND ask_again_at = $3",
    )
    .bind(ask_again_at.0)
    .bind(principal.0)
    .bind(until.0)
    .execute()
    .await?;
    Ok(())
}

/// Forgets the refresh token, which was taken back at the provider.
pub async fn forget_refresh_token(tx: &mut Tx, principal: PrincipalId) -> Result<()> {
    tx.query("UPDATE oidc_account SET refresh_token = NULL WHERE principal_id = $1")
        .bind(principal.0)
        .execute()
        .await?;
    Ok(())
}

/// Every row, for sealing anew.
pub async fn all(conn: &mut Conn) -> Result<Vec<OidcAccount>> {
    let rows: Vec<Row> = conn.query(SELECT).push(" ORDER BY principal_id").fetch_all().await?;
    Ok(rows.into_iter().map(account).collect())
}

/// Keeps what was sealed anew.
pub async fn reseal(
    tx: &mut Tx,
    principal: PrincipalId,
    secret: &[u8],
    refresh_token: Option<&[u8]>,
) -> Result<()> {
    tx.query("UPDATE oidc_account SET secret = $1, refresh_token = $2 WHERE principal_id = $3")
        .bind(secret)
        .bind(refresh_token.map(<[u8]>::to_vec))
        .bind(principal.0)
        .execute()
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests;
