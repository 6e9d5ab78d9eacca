//! What the values of the configuration must be, each by itself and all together.

use serde_json::{Map, Value};

use super::{Configuration, Endpoint, Key, Kind};
use crate::error::{Error, Result};
use crate::ldap;

/// The longest value, in bytes.
const LONGEST: usize = 64 << 10;
/// Modes of Harbor that Roadstead does not have.
const OTHER_MODES: [&str; 2] = ["uaa_auth", "http_auth"];
/// Addresses, and the password that is sent there.
const GUARDED: [(&str, &str); 2] =
    [("ldap_url", "ldap_search_password"), ("oidc_endpoint", "oidc_client_secret")];

fn refuse<T>(key: &Key, problem: impl std::fmt::Display) -> Result<T> {
    Err(Error::Refused(format!("{} {problem}", key.name)))
}

/// A value as it is stored.
///
/// # Errors
/// [`Error::Refused`], which names the key and never its value.
pub(super) fn checked(key: &'static Key, value: &str) -> Result<String> {
    if value.len() > LONGEST || value.contains('\0') {
        return refuse(key, format_args!("must have at most {LONGEST} bytes, none of them zero"));
    }
    match key.kind {
        Kind::Password => Ok(value.to_owned()),
        Kind::NonEmpty if value.trim().is_empty() => refuse(key, "must not be empty"),
        Kind::Text | Kind::NonEmpty => text(key, value.trim()),
        Kind::Switch if ["true", "false"].contains(&value) => Ok(value.to_owned()),
        Kind::Switch => refuse(key, "must be true or false"),
        Kind::Number(least, most) => number(key, value, least, most),
        Kind::Choice(choices) => choice(key, value, choices),
        Kind::Map if value.trim().is_empty() => Ok("{}".to_owned()),
        Kind::Map => match serde_json::from_str::<Map<String, Value>>(value) {
            Ok(map) if map.values().all(Value::is_string) => Ok(value.to_owned()),
            _ => refuse(key, "must be a JSON object whose values are texts"),
        },
    }
}

fn number(key: &'static Key, value: &str, least: i64, most: i64) -> Result<String> {
    match value.parse::<i64>() {
        Ok(0) if key.name == "storage_per_project" => {
            refuse(key, "must be -1 for no limit, or at least 1")
        }
        Ok(number) if (least..=most).contains(&number) => Ok(number.to_string()),
        _ => refuse(key, format_args!("must be a whole number from {least} to {most}")),
    }
}

fn choice(key: &'static Key, value: &str, choices: &[&str]) -> Result<String> {
    if choices.contains(&value) {
        return Ok(value.to_owned());
    }
    if key.name == "auth_mode" && OTHER_MODES.contains(&value) {
        let choices = choices.join(", ");
        return refuse(key, format_args!("{value} is not supported; it must be one of {choices}"));
    }
    refuse(key, format_args!("must be one of {}", choices.join(", ")))
}

/// Texts that mean something to this program must be understood by it.
fn text(key: &'static Key, value: &str) -> Result<String> {
    match key.name {
        "audit_log_forward_endpoint" if !value.is_empty() => match value.parse::<Endpoint>() {
            Ok(_) => Ok(value.to_owned()),
            Err(error) => refuse(key, format_args!("is no endpoint: {error}")),
        },
        "disabled_audit_log_event_types" => {
            let types = value.split(',').map(str::trim).filter(|kind| !kind.is_empty());
            Ok(types.collect::<Vec<_>>().join(","))
        }
        // Basic credentials end a name with a colon.
        "robot_name_prefix" if value.contains(|c: char| c == ':' || c.is_control()) => {
            refuse(key, "must have no colon and no control character")
        }
        name => match ldap::check_setting(name, value) {
            Ok(()) => Ok(value.to_owned()),
            Err(ldap::Error::Setting { problem, .. }) => refuse(key, problem),
            Err(_) => refuse(key, "cannot be used"),
        },
    }
}

/// Checks the values of all keys together.
///
/// # Errors
/// [`Error::Invalid`].
pub(super) fn check_together(after: &Configuration) -> Result<()> {
    let is_empty = |key| after.text(key).is_empty();
    if !is_empty("ldap_group_search_filter")
        && (is_empty("ldap_group_attribute_name") || is_empty("ldap_group_membership_attribute"))
    {
        return Err(Error::Invalid(
            "with ldap_group_search_filter, ldap_group_attribute_name and \
             ldap_group_membership_attribute must not be empty",
        ));
    }
    if after.is_on("skip_audit_log_database") && is_empty("audit_log_forward_endpoint") {
        return Err(Error::Invalid("skip_audit_log_database needs an audit_log_forward_endpoint"));
    }
    Ok(())
}

/// The passwords that changes of addresses would send to somebody else: (address, password). They
/// must be given with the new address, so that who may change it does not learn them.
pub(super) fn misdirected(
    given: &[(&'static Key, String)],
    changes: &[(&'static Key, String)],
) -> impl Iterator<Item = (&'static str, &'static str)> {
    let moved = |name: &str| changes.iter().any(|(key, to)| key.name == name && !to.is_empty());
    let is_given = |name: &str| given.iter().any(|(key, _)| key.name == name);
    GUARDED.into_iter().filter(move |(address, password)| moved(address) && !is_given(password))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, value: &str) -> Result<String> {
        checked(Key::find(name).unwrap(), value)
    }

    #[test]
    fn values_are_trimmed_and_lists_tidied() {
        for (name, value, stored) in [
            ("robot_name_prefix", " bot+ ", "bot+"),
            ("ldap_uid", "uid ", "uid"),
            ("ldap_url", " ldaps://dir ", "ldaps://dir"),
            ("ldap_url", "", ""),
            (
                "disabled_audit_log_event_types",
                " pull_artifact, ,login_user,",
                "pull_artifact,login_user",
            ),
            ("oidc_extra_redirect_parms", "", "{}"),
            ("oidc_extra_redirect_parms", r#"{"a":"b"}"#, r#"{"a":"b"}"#),
            ("ldap_search_password", " kept ", " kept "),
            ("storage_per_project", "-1", "-1"),
            ("storage_per_project", "1125899906842624", "1125899906842624"),
            ("token_expiration", "9999999999", "9999999999"),
            ("audit_log_forward_endpoint", "tls://logs:6514", "tls://logs:6514"),
            ("ldap_group_admin_dn", "cn=admins,dc=example,dc=org", "cn=admins,dc=example,dc=org"),
        ] {
            assert_eq!(check(name, value).unwrap(), stored, "{name}");
        }
    }

    #[test]
    fn what_breaks_a_rule_is_refused_without_its_value() {
        let long = "canary".repeat(20_000);
        for (name, value) in [
            ("auth_mode", "canary"),
            ("auth_mode", ""),
            ("project_creation_restriction", "canary"),
            ("robot_name_prefix", "  "),
            ("robot_name_prefix", "canary:"),
            ("robot_name_prefix", "canary\n$"),
            ("ldap_uid", ""),
            ("ldap_uid", "canary=*"),
            ("read_only", "canary"),
            ("ldap_scope", "3"),
            ("ldap_timeout", "0"),
            ("token_expiration", "0"),
            ("token_expiration", "10000000000"),
            ("session_timeout", "-1"),
            ("robot_token_duration", "0"),
            ("storage_per_project", "0"),
            ("storage_per_project", "-2"),
            ("storage_per_project", "1125899906842625"),
            ("oidc_extra_redirect_parms", "canary"),
            ("oidc_extra_redirect_parms", r#"{"canary":1}"#),
            ("audit_log_forward_endpoint", "udp://canary:514"),
            ("ldap_url", "http://canary"),
            ("ldap_base_dn", "canary"),
            ("ldap_group_base_dn", "canary"),
            ("ldap_group_admin_dn", "canary"),
            ("ldap_filter", "(canary"),
            ("ldap_group_search_filter", "canary)"),
            ("ldap_group_attribute_name", "canary)"),
            ("ldap_group_membership_attribute", "canary)"),
            ("ldap_ca_certificate", "canary"),
            ("ldap_search_password", "canary\0"),
            ("banner_message", &long),
        ] {
            let refused = check(name, value).unwrap_err();
            assert!(matches!(refused, Error::Refused(_)), "{name} {refused}");
            let message = refused.to_string();
            assert!(message.starts_with(name) && !message.contains("canary"), "{message}");
        }
        for mode in OTHER_MODES {
            assert!(check("auth_mode", mode).unwrap_err().to_string().contains(mode));
        }
    }

    #[test]
    fn another_address_needs_its_password_again() {
        let change = |name: &str, value: &str| (Key::find(name).unwrap(), value.to_owned());
        let url = [change("ldap_url", "ldap://elsewhere")];
        let found: Vec<_> = misdirected(&url, &url).collect();
        assert_eq!(found, [("ldap_url", "ldap_search_password")]);
        // A password that is given and is the present one is no change.
        let both = [url[0].clone(), change("ldap_search_password", "x")];
        assert_eq!(misdirected(&both, &url).count(), 0);
        assert_eq!(misdirected(&url, &[]).count(), 0);
        let none = [change("ldap_url", "")];
        assert_eq!(misdirected(&none, &none).count(), 0);
    }
}
