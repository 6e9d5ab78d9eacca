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
    /// The OpenID provider has ended the login of a person whose credentials are right.
    #[error("the login at the OIDC provider has ended; log in again with a browser")]
    LoginEnded,
    /// Too many passwords are being verified at once.
    #[error("too many logins at once; try again in a moment")]
    TooManyLogins,
    /// Too many wrong passwords for this account, or from this network; tried again after so
    /// many seconds.
    #[error("too many failed logins; try again in {0} seconds")]
    TooManyAttempts(u64),
    /// The caller may not do this.
    #[error("{0}")]
    Denied(&'static str),
    /// Something else must be done first.
    #[error("{0}")]
    Precondition(&'static str),
    /// There is no such thing.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// The directory or the provider that knows the password does not answer as it should.
    #[error("{0}")]
    Directory(String),
    /// The name or the mail address is taken.
    #[error("{0}")]
    Conflict(&'static str),
    /// The input breaks a rule.
    #[error("{0}")]
    Invalid(&'static str),
    /// The input breaks a rule that depends on the input.
    #[error("{0}")]
    Refused(String),
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
