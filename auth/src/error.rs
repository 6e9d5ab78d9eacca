//! Why somebody could not be authenticated.

/// The result of an authentication step.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure to find out who is calling, or to change who may.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such user, or another password; one answer for both.
    #[error("incorrect username or password")]
    BadCredentials,
    /// The bearer token is not ours, has expired, or was revoked.
    #[error("the token is invalid, has expired or was revoked; log in again")]
    InvalidToken,
    /// Too many passwords are being verified at once.
    #[error("too many logins at once; try again in a moment")]
    TooManyLogins,
    /// The name or the mail address is taken.
    #[error("{0}")]
    Conflict(&'static str),
    /// The input breaks a rule.
    #[error("{0}")]
    Invalid(&'static str),
    /// The installation's secret key does not open what is in the database.
    #[error(
        "the secret key does not fit this database: its signing keys were sealed with another one; \
         restore the file secret-key, or set ROADSTEAD_SECRET_KEY"
    )]
    WrongSecretKey,
    /// A cryptographic operation failed.
    #[error("cryptography failed: {0}")]
    Crypto(&'static str),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] roadstead_storage::Error),
}
