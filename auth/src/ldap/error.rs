//! Why a directory could not be asked. No variant holds a password.

use std::time::Duration;

use ldap3::LdapError;

/// The result of asking a directory.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Trouble with the directory or with its settings. That a password is wrong is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A setting, by Harbor's name for it, cannot be used.
    #[error("{setting}: {problem}")]
    Setting {
        /// Harbor's name of the setting.
        setting: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// No connection, or it broke off.
    #[error("the directory {server} cannot be reached: {reason}")]
    Unreachable {
        /// The URL of the directory.
        server: String,
        /// What the system says.
        reason: String,
    },
    /// TLS could not be agreed on; most often the certificate is not trusted.
    #[error("no secure connection to the directory {server}: {reason}")]
    Tls {
        /// The URL of the directory.
        server: String,
        /// What is wrong with the certificate or the handshake.
        reason: String,
    },
    /// A step took longer than `ldap_timeout`.
    #[error("the directory {server} took longer than {limit:?} to {step}")]
    Timeout {
        /// The URL of the directory.
        server: String,
        /// What it was asked to do.
        step: &'static str,
        /// The limit for one step.
        limit: Duration,
    },
    /// The search account may not log in.
    #[error(
        "the directory {server} refuses the search account, see ldap_search_dn and \
         ldap_search_password: {reason}"
    )]
    SearchAccount {
        /// The URL of the directory.
        server: String,
        /// The directory's result code and text.
        reason: String,
    },
    /// The directory answered with an error.
    #[error("the directory {server} refuses to {step}: {reason}")]
    Refused {
        /// The URL of the directory.
        server: String,
        /// What it was asked to do.
        step: &'static str,
        /// The result code (RFC 4511, section 4.1.9).
        code: u32,
        /// The directory's result code and text.
        reason: String,
    },
    /// The answer is not LDAP.
    #[error("the directory {server} gave a malformed answer when asked to {step}")]
    Malformed {
        /// The URL of the directory.
        server: String,
        /// What it was asked to do.
        step: &'static str,
    },
}

impl Error {
    pub(super) fn setting(setting: &'static str, problem: impl Into<String>) -> Self {
        Self::Setting { setting, problem: problem.into() }
    }

    /// What an error of the client library means for the step `step` on `server`.
    pub(super) fn from_client(error: LdapError, server: &str, step: &'static str) -> Self {
        let server = server.to_owned();
        match error {
            LdapError::Io { source } => {
                match source.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                    Some(tls) => Self::Tls { server, reason: tls.to_string() },
                    None => Self::Unreachable { server, reason: source.to_string() },
                }
            }
            LdapError::Rustls { source } => Self::Tls { server, reason: source.to_string() },
            LdapError::DNSName { source } => Self::Tls { server, reason: source.to_string() },
            LdapError::LdapResult { result } => {
                Self::Refused { server, step, code: result.rc, reason: result.to_string() }
            }
            LdapError::ResultRecv { .. } | LdapError::OpSend { .. } | LdapError::EndOfStream => {
                Self::Unreachable { server, reason: "the connection broke off".to_owned() }
            }
            other => Self::Unreachable { server, reason: other.to_string() },
        }
    }
}
