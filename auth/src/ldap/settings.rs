//! The settings of a directory, and what is wrong with them.

use std::fmt;
use std::time::Duration;

use ldap3::parse_filter;

use super::connection::trusting;
use super::dn::Name;
use super::error::{Error, Result};

/// How far below its base a search looks (RFC 4511, section 4.5.1.2). The numbers are those of
/// Harbor's `ldap_scope` and `ldap_group_search_scope`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// 0: the base entry only.
    Base,
    /// 1: the entries right below it.
    OneLevel,
    /// 2: the base and all below it.
    Subtree,
}

impl Scope {
    /// The scope of a number in the settings; None when there is none.
    pub fn from_number(number: i64) -> Option<Self> {
        [Self::Base, Self::OneLevel, Self::Subtree].get(usize::try_from(number).ok()?).copied()
    }
}

impl From<Scope> for ldap3::Scope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Base => Self::Base,
            Scope::OneLevel => Self::OneLevel,
            Scope::Subtree => Self::Subtree,
        }
    }
}

/// Harbor's `ldap_*` settings. `Debug` leaves the password out.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// `ldap_url`: `ldap://`, `ldaps://` or, which Harbor does not know, `ldap+starttls://`, then
    /// a host and perhaps a port. Without a scheme it is `ldap://`; `ldap` on port 636 is `ldaps`,
    /// as in Harbor.
    pub url: String,
    /// `ldap_search_dn`: who searches; empty for nobody (an anonymous bind).
    pub search_dn: String,
    /// `ldap_search_password`.
    pub search_password: String,
    /// `ldap_base_dn`: below which the users are.
    pub base_dn: String,
    /// `ldap_filter`: what a user's entry must match besides its name; may be empty.
    pub filter: String,
    /// `ldap_uid`: the attribute with the user's name.
    pub uid: String,
    /// `ldap_scope`.
    pub scope: Scope,
    /// `ldap_timeout`: the limit for each step: connecting, a bind, a search.
    pub timeout: Duration,
    /// `ldap_verify_cert`: whether the directory must prove who it is.
    pub verify_cert: bool,
    /// `ldap_ca_certificate`: certificates in PEM, one of which must have issued the directory's,
    /// instead of the system's. Harbor has no such setting.
    pub ca_certificate: Option<String>,
    /// `ldap_group_base_dn`: below which groups count; empty for `base_dn`.
    pub group_base_dn: String,
    /// `ldap_group_search_filter`: what a group's entry must match; empty for no groups at all.
    pub group_search_filter: String,
    /// `ldap_group_attribute_name`: the attribute with the group's name; empty for `cn`.
    pub group_attribute_name: String,
    /// `ldap_group_search_scope`: for searching groups by name.
    pub group_search_scope: Scope,
    /// `ldap_group_admin_dn`: the group whose members are system administrators; may be empty.
    pub group_admin_dn: String,
    /// `ldap_group_membership_attribute`: the attribute of a user that names their groups.
    pub group_membership_attribute: String,
}

impl Default for Settings {
    /// Harbor's defaults.
    fn default() -> Self {
        Self {
            url: String::new(),
            search_dn: String::new(),
            search_password: String::new(),
            base_dn: String::new(),
            filter: String::new(),
            uid: "cn".to_owned(),
            scope: Scope::Subtree,
            timeout: Duration::from_secs(5),
            verify_cert: true,
            ca_certificate: None,
            group_base_dn: String::new(),
            group_search_filter: String::new(),
            group_attribute_name: String::new(),
            group_search_scope: Scope::Subtree,
            group_admin_dn: String::new(),
            group_membership_attribute: "memberof".to_owned(),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What a directory's address and account are helps with trouble; the rest is in the
        // configuration.
        out.debug_struct("Settings")
            .field("url", &self.url)
            .field("search_dn", &self.search_dn)
            .field("base_dn", &self.base_dn)
            .field("uid", &self.uid)
            .finish_non_exhaustive()
    }
}

/// How the connection is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Security {
    Plain,
    StartTls,
    Tls,
}

/// Where the directory is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) security: Security,
    /// As the client library wants it: `ldap` or `ldaps`, host and port.
    pub(super) url: String,
}

impl Address {
    pub(super) fn parse(url: &str) -> Result<Self> {
        let wrong = |problem| Err(Error::setting("ldap_url", problem));
        let (scheme, rest) = url.trim().split_once("://").unwrap_or(("ldap", url.trim()));
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let mut security = match scheme.to_ascii_lowercase().as_str() {
            "ldap" => Security::Plain,
            "ldap+starttls" => Security::StartTls,
            "ldaps" => Security::Tls,
            _ => return wrong("must begin with ldap://, ldap+starttls:// or ldaps://"),
        };
        let literal = rest.starts_with('[');
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => match port.parse::<u16>() {
                Ok(port) if port > 0 => (host, Some(port)),
                _ => return wrong("the port must be a number from 1 to 65535"),
            },
            _ => (rest, None),
        };
        if security == Security::Plain && port == Some(636) {
            security = Security::Tls;
        }
        let known = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let sound = match inner {
            Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && host.chars().all(known),
        };
        if !sound {
            return wrong("must name a host and perhaps a port, nothing else");
        }
        if literal && security != Security::Plain {
            return wrong("TLS needs the name of the host instead of its IPv6 address");
        }
        let (scheme, usual) =
            if security == Security::Tls { ("ldaps", 636) } else { ("ldap", 389) };
        let url = format!("{scheme}://{host}:{}", port.unwrap_or(usual));
        Ok(Self { security, url })
    }
}

/// Checks one setting, by Harbor's name for it, without the others; texts that are empty, and
/// names that are none of the directory's, are all right.
///
/// # Errors
/// [`Error::Setting`].
pub fn check_setting(name: &str, text: &str) -> Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    match name {
        "ldap_url" => Address::parse(text).map(drop),
        "ldap_base_dn" => named("ldap_base_dn", text).map(drop),
        "ldap_group_base_dn" => named("ldap_group_base_dn", text).map(drop),
        "ldap_group_admin_dn" => named("ldap_group_admin_dn", text).map(drop),
        "ldap_filter" => filter("ldap_filter", text).map(drop),
        "ldap_group_search_filter" => filter("ldap_group_search_filter", text).map(drop),
        "ldap_uid" => attribute("ldap_uid", text, "").map(drop),
        "ldap_group_attribute_name" => attribute("ldap_group_attribute_name", text, "").map(drop),
        "ldap_group_membership_attribute" => {
            attribute("ldap_group_membership_attribute", text, "").map(drop)
        }
        "ldap_ca_certificate" => trusting(Some(text)).map(drop),
        _ => Ok(()),
    }
}

/// A DN of the settings.
pub(super) fn named(setting: &'static str, dn: &str) -> Result<Name> {
    Name::parse(dn).ok_or_else(|| Error::setting(setting, "is not a distinguished name (RFC 4514)"))
}

/// A filter of the settings (RFC 4515), in parentheses, or nothing. It is parsed by itself, so
/// that it cannot close what it is put into.
pub(super) fn filter(setting: &'static str, text: &str) -> Result<String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(String::new());
    }
    let whole = if text.starts_with('(') { text.to_owned() } else { format!("({text})") };
    match parse_filter(&whole) {
        Ok(_) => Ok(whole),
        Err(()) => Err(Error::setting(setting, "is not a search filter (RFC 4515)")),
    }
}

/// The name of an attribute (RFC 4512, section 2.5), `usual` when it is empty.
pub(super) fn attribute(setting: &'static str, text: &str, usual: &str) -> Result<String> {
    let text = if text.trim().is_empty() { usual } else { text.trim() };
    let known = text.chars().all(|c| c.is_ascii_alphanumeric() || "-.;".contains(c));
    if !known || parse_filter(format!("({text}=x)")).is_err() {
        return Err(Error::setting(setting, "is not the name of an attribute"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_how_the_connection_is_secured() {
        use Security::{Plain, StartTls, Tls};
        for (url, security, to) in [
            ("ldap://dir.example.org", Plain, "ldap://dir.example.org:389"),
            ("dir.example.org", Plain, "ldap://dir.example.org:389"),
            ("LDAP://10.0.0.1:3890/", Plain, "ldap://10.0.0.1:3890"),
            ("ldap://[::1]", Plain, "ldap://[::1]:389"),
            ("ldap://[::1]:3890", Plain, "ldap://[::1]:3890"),
            ("ldap+starttls://dir", StartTls, "ldap://dir:389"),
            ("ldap+starttls://dir:636", StartTls, "ldap://dir:636"),
            ("ldaps://dir", Tls, "ldaps://dir:636"),
            ("ldaps://dir:6360", Tls, "ldaps://dir:6360"),
            ("ldap://dir:636", Tls, "ldaps://dir:636"),
            ("dir:636", Tls, "ldaps://dir:636"),
        ] {
            let expected = Address { security, url: to.to_owned() };
            assert_eq!(Address::parse(url), Ok(expected), "{url}");
        }
        for url in [
            "",
            "ldap://",
            "http://dir",
            "ldapi://%2ftmp",
            "ldap://a b",
            "ldap://dir:0",
            "ldap://dir:99999",
            "ldap://dir:x",
            "ldap://u@dir",
            "ldap://dir/dc=org",
            "ldap://[::1",
            "ldap://[x]",
            "ldaps://[::1]",
            "ldap://a,b",
        ] {
            let refused = Address::parse(url);
            assert!(matches!(refused, Err(Error::Setting { setting: "ldap_url", .. })), "{url}");
        }
    }

    #[test]
    fn a_filter_is_whole_by_itself() {
        for (text, whole) in [
            ("", ""),
            (" objectClass=person ", "(objectClass=person)"),
            ("(objectClass=person)", "(objectClass=person)"),
            ("&(a=b)(c=d)", "(&(a=b)(c=d))"),
            ("(memberof=cn=devs,dc=org)", "(memberof=cn=devs,dc=org)"),
        ] {
            assert_eq!(filter("ldap_filter", text).as_deref(), Ok(whole));
        }
        for text in ["(a=b)(c=d)", "a=b)(c=d", "(a=b", "a=b))", "a", "(&(a=b)(|(c=d))"] {
            assert!(filter("ldap_filter", text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_attribute_is_a_name_and_nothing_more() {
        for (text, name) in [("uid", "uid"), ("", "cn"), (" sAMAccountName ", "sAMAccountName")] {
            assert_eq!(attribute("ldap_uid", text, "cn").as_deref(), Ok(name));
        }
        for text in ["uid=*)(cn", "a b", "uid:dn:", "*", "(uid", "uid)", "ü"] {
            assert!(attribute("ldap_uid", text, "cn").is_err(), "{text}");
        }
    }

    #[test]
    fn printing_settings_prints_no_password() {
        let settings = Settings { search_password: "hunter2".to_owned(), ..Settings::default() };
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
