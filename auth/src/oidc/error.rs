//! Why a login at the provider did not work.

/// The result of a step of a login.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A step of a login that failed. The texts hold no secret, code or token, and may be shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The settings contradict themselves; only an administrator can help.
    #[error("the OIDC settings cannot be used: {0}")]
    Settings(&'static str),
    /// The provider did not answer, or said that it cannot at the moment. Worth another try; it
    /// says nothing about the person.
    #[error("the OIDC provider is not available: {0}")]
    Unavailable(&'static str),
    /// The provider answered what the specifications do not allow.
    #[error("the OIDC provider gave an answer that cannot be used: {0}")]
    BadAnswer(&'static str),
    /// The provider refused, with this error code (RFC 6749 section 5.2).
    #[error("the OIDC provider refused: {0}")]
    Refused(String),
    /// The provider no longer accepts this person's refresh token: the login has ended.
    #[error("the login at the OIDC provider has ended; log in again with a browser")]
    Ended,
    /// The browser came back with something that was not begun in its session.
    #[error("this login was not begun here: {0}; start again")]
    ForeignCallback(&'static str),
    /// The `id_token` proves nothing.
    #[error("the id_token is not valid: {0}")]
    InvalidToken(&'static str),
    /// A cryptographic operation failed on this machine.
    #[error("cryptography failed: {0}")]
    Crypto(&'static str),
}

/// An error code of the provider as it may be shown: the characters of RFC 6749's own codes only,
/// so that nothing which it echoes gets into a page or a log.
pub(super) fn shown(code: &str) -> String {
    let known = |c: &char| c.is_ascii_lowercase() || *c == '_';
    let shown: String = code.chars().take(64).take_while(known).collect();
    if shown.is_empty() { "unknown error".to_owned() } else { shown }
}
