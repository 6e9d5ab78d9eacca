//! What administrators ask of the directory.

use std::time::Duration;

use super::build;
use crate::authenticate::Auth;
use crate::error::{Error, Result};
use crate::ldap::{self, Group, Person, Scope, Settings};

/// Settings to try instead of those that are stored; None leaves one as it is stored.
#[derive(Clone, Default)]
pub struct Ping {
    /// `ldap_url`.
    pub url: Option<String>,
    /// `ldap_search_dn`.
    pub search_dn: Option<String>,
    /// `ldap_search_password`.
    pub search_password: Option<String>,
    /// `ldap_base_dn`.
    pub base_dn: Option<String>,
    /// `ldap_filter`.
    pub filter: Option<String>,
    /// `ldap_uid`.
    pub uid: Option<String>,
    /// `ldap_scope`.
    pub scope: Option<i64>,
    /// `ldap_timeout`, in seconds.
    pub timeout: Option<i64>,
    /// `ldap_verify_cert`.
    pub verify_cert: Option<bool>,
}

impl Ping {
    /// The settings to try. The stored password goes nowhere but to the server that it is stored
    /// for, and not past a certificate that is to be verified.
    fn over(self, stored: Settings) -> ldap::Result<Settings> {
        let wrong = |setting, problem: &str| {
            Err(ldap::Error::Setting { setting, problem: problem.to_owned() })
        };
        let url = self.url.map_or_else(|| stored.url.clone(), |url| url.trim().to_owned());
        let verify_cert = self.verify_cert.unwrap_or(stored.verify_cert);
        let is_same_server = url == stored.url && (verify_cert || !stored.verify_cert);
        let given = self.search_password.filter(|password| !password.is_empty());
        let search_password = match given {
            Some(password) => password,
            None if is_same_server => stored.search_password,
            None => String::new(),
        };
        let scope = match self.scope.map(Scope::from_number) {
            None => stored.scope,
            Some(Some(scope)) => scope,
            Some(None) => return wrong("ldap_scope", "must be 0, 1 or 2"),
        };
        let timeout = match self.timeout {
            None => stored.timeout,
            Some(seconds) => match u64::try_from(seconds) {
                Ok(seconds @ 1..=300) => Duration::from_secs(seconds),
                _ => return wrong("ldap_connection_timeout", "must be from 1 to 300"),
            },
        };
        Ok(Settings {
            url,
            search_dn: self.search_dn.unwrap_or(stored.search_dn),
            search_password,
            base_dn: self.base_dn.unwrap_or(stored.base_dn),
            filter: self.filter.unwrap_or(stored.filter),
            uid: self.uid.unwrap_or(stored.uid),
            scope,
            timeout,
            verify_cert,
            ..stored
        })
    }
}

/// What trouble with the directory is to somebody who may change its settings.
fn told(error: ldap::Error) -> Error {
    match error {
        error @ ldap::Error::Setting { .. } => Error::Refused(error.to_string()),
        error => super::trouble(&error),
    }
}

impl Auth {
    /// Logs in to the directory as the search account, with the stored settings or others. The
    /// inner error says what is wrong.
    pub async fn ping_directory(&self, ping: Ping) -> Result<ldap::Result<()>> {
        let password = self.configuration.password("ldap_search_password").await?;
        let stored = self.configuration().await?.directory(password);
        let directory = match ping.over(stored) {
            Ok(settings) => build(settings).await?,
            Err(error) => Err(error),
        };
        Ok(match directory {
            Ok(directory) => directory.ping().await,
            Err(error) => Err(error),
        })
    }

    /// People of the directory whose name contains `part`, at most 100.
    ///
    /// # Errors
    /// [`Error::Refused`] when the settings cannot be used, [`Error::Directory`] for trouble.
    pub async fn search_directory_people(&self, part: &str) -> Result<Vec<Person>> {
        let configuration = self.configuration().await?;
        let directory = self.built(&configuration).await?.map_err(told)?;
        directory.search_users(part).await.map_err(told)
    }

    /// The group of the directory with this DN, or with an empty one the groups whose name
    /// contains `part`, at most 100.
    ///
    /// # Errors
    /// As [`Self::search_directory_people`].
    pub async fn search_directory_groups(&self, part: &str, dn: &str) -> Result<Vec<Group>> {
        let configuration = self.configuration().await?;
        let directory = self.built(&configuration).await?.map_err(told)?;
        if dn.is_empty() {
            return directory.search_groups(part).await.map_err(told);
        }
        Ok(directory.find_group(dn).await.map_err(told)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_password_goes_to_the_stored_server_only() {
        let stored = Settings {
            url: "ldaps://dir".to_owned(),
            search_password: "stored".to_owned(),
            ..Settings::default()
        };
        let password = |ping: Ping| ping.over(stored.clone()).unwrap().search_password;
        let url = |url: &str| Some(url.to_owned());
        assert_eq!(password(Ping::default()), "stored");
        assert_eq!(password(Ping { url: url(" ldaps://dir "), ..Ping::default() }), "stored");
        for elsewhere in ["ldap://dir", "ldaps://dir2", "ldaps://dir:636", ""] {
            assert_eq!(password(Ping { url: url(elsewhere), ..Ping::default() }), "");
            let empty = Some(String::new());
            let ping = Ping { url: url(elsewhere), search_password: empty, ..Ping::default() };
            assert_eq!(password(ping), "");
        }
        assert_eq!(password(Ping { verify_cert: Some(false), ..Ping::default() }), "");
        let given = Some("given".to_owned());
        let ping = Ping { url: url("ldap://x"), search_password: given, ..Ping::default() };
        assert_eq!(password(ping), "given");
        for wrong in [
            Ping { scope: Some(3), ..Ping::default() },
            Ping { timeout: Some(0), ..Ping::default() },
            Ping { timeout: Some(-1), ..Ping::default() },
        ] {
            assert!(wrong.over(stored.clone()).is_err());
        }
    }
}
