//! What an administrator sets: Harbor's `oidc_*` keys, and two of our own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use regex::{Regex, RegexBuilder};
use reqwest::Url;

use super::error::{Error, Result};

/// How large a compiled group filter may be, in bytes.
const LARGEST_FILTER: usize = 1 << 20;

/// What a login sets itself; extra parameters must not.
const OWN_PARAMETERS: &[&str] = &[
    "client_id",
    "client_secret",
    "code_challenge",
    "code_challenge_method",
    "nonce",
    "redirect_uri",
    "request",
    "request_uri",
    "response_mode",
    "response_type",
    "scope",
    "state",
];

/// The settings of a provider.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// `oidc_name`: what people call the provider.
    pub name: String,
    /// `oidc_endpoint`: the issuer, exactly as the provider writes it.
    pub endpoint: String,
    /// `oidc_client_id`.
    pub client_id: String,
    /// `oidc_client_secret`; empty for a public client.
    pub client_secret: String,
    /// `oidc_scope`: separated by commas or spaces; `openid` is always asked for.
    pub scope: String,
    /// `oidc_user_claim`: the claim with the username; empty for `preferred_username`, `name` or
    /// `email`, whichever comes first.
    pub user_claim: String,
    /// `oidc_groups_claim`: the claim with the groups; empty for none.
    pub groups_claim: String,
    /// `oidc_admin_group`: its members are system administrators; empty for none.
    pub admin_group: String,
    /// `oidc_group_filter`: a regular expression that kept groups match somewhere; empty for all.
    pub group_filter: String,
    /// `oidc_auto_onboard`: whether a new person gets an account without being asked for a name.
    pub auto_onboard: bool,
    /// `oidc_verify_cert`: whether the provider's certificate is verified.
    pub verify_cert: bool,
    /// Certificates in PEM that are trusted beside the system's.
    pub ca_certificate: Option<String>,
    /// `oidc_extra_redirect_parms`: more parameters for the authorization request.
    pub extra_redirect_params: BTreeMap<String, String>,
    /// `oidc_logout`: whether logging out here logs out at the provider.
    pub logout: bool,
    /// Where the provider sends the browser back to: our `/c/oidc/callback`.
    pub redirect_url: String,
}

impl Settings {
    /// The settings of a provider with Harbor's defaults for the rest.
    pub fn new(endpoint: &str, client_id: &str, client_secret: &str, redirect_url: &str) -> Self {
        Self {
            name: String::new(),
            endpoint: endpoint.to_owned(),
            client_id: client_id.to_owned(),
            client_secret: client_secret.to_owned(),
            scope: String::new(),
            user_claim: String::new(),
            groups_claim: String::new(),
            admin_group: String::new(),
            group_filter: String::new(),
            auto_onboard: false,
            verify_cert: true,
            ca_certificate: None,
            extra_redirect_params: BTreeMap::new(),
            logout: false,
            redirect_url: redirect_url.to_owned(),
        }
    }

    /// The scopes of an authorization request, separated by spaces.
    pub(super) fn scopes(&self) -> String {
        let mut seen = BTreeSet::from(["openid"]);
        let between = |c: char| c == ',' || c.is_whitespace();
        let named = self.scope.split(between).filter(|scope| !scope.is_empty());
        let mut scopes = vec!["openid"];
        scopes.extend(named.filter(|scope| seen.insert(*scope)));
        scopes.join(" ")
    }

    /// The issuer as a URL: http or https, nothing but a host and a path (Discovery section 3).
    pub(super) fn issuer(&self) -> Result<Url> {
        let refused = Error::Settings("the endpoint must be a URL like https://login.example.com");
        let url = Url::parse(&self.endpoint).map_err(|_| refused.clone())?;
        let plain = matches!(url.scheme(), "https" | "http")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if plain { Ok(url) } else { Err(refused) }
    }

    /// The filter of groups, or none.
    pub(super) fn filter(&self) -> Result<Option<Regex>> {
        if self.group_filter.is_empty() {
            return Ok(None);
        }
        let filter = RegexBuilder::new(&self.group_filter).size_limit(LARGEST_FILTER).build();
        filter.map(Some).map_err(|_| Error::Settings("the group filter is no regular expression"))
    }

    /// Refuses extra parameters that would undo what protects the login.
    pub(super) fn check_extra_parameters(&self) -> Result<()> {
        let own = |name: &String| OWN_PARAMETERS.contains(&name.as_str());
        if self.extra_redirect_params.keys().any(own) {
            return Err(Error::Settings("an extra parameter is one that every login sets itself"));
        }
        Ok(())
    }
}

/// Leaves out the client's secret.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("name", &self.name)
            .field("endpoint", &self.endpoint)
            .field("client_id", &self.client_id)
            .field("scope", &self.scope)
            .field("user_claim", &self.user_claim)
            .field("groups_claim", &self.groups_claim)
            .field("admin_group", &self.admin_group)
            .field("group_filter", &self.group_filter)
            .field("verify_cert", &self.verify_cert)
            .field("redirect_url", &self.redirect_url)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(endpoint: &str) -> Settings {
        Settings::new(endpoint, "registry", "hunter2-secret", "https://here/c/oidc/callback")
    }

    #[test]
    fn the_secret_is_not_printed() {
        let printed = format!("{:?} {:#?}", settings("https://login"), settings("https://login"));
        assert!(!printed.contains("hunter2"), "{printed}");
    }

    #[test]
    fn openid_is_always_asked_for_and_nothing_twice() {
        let mut settings = settings("https://login");
        assert_eq!(settings.scopes(), "openid");
        settings.scope = "profile, email,openid  groups email".to_owned();
        assert_eq!(settings.scopes(), "openid profile email groups");
    }

    #[test]
    fn an_issuer_is_a_plain_url() {
        for good in ["https://login.example.com", "https://a/b/", "http://127.0.0.1:8080"] {
            assert!(settings(good).issuer().is_ok(), "{good}");
        }
        for bad in
            ["", "login.example.com", "ftp://a", "https://u:p@a", "https://a?b", "https://a#"]
        {
            assert!(matches!(settings(bad).issuer(), Err(Error::Settings(_))), "{bad}");
        }
    }

    #[test]
    fn a_filter_is_a_regular_expression_of_bounded_size() {
        let mut settings = settings("https://login");
        assert!(settings.filter().unwrap().is_none());
        settings.group_filter = "^harbor-".to_owned();
        assert!(settings.filter().unwrap().unwrap().is_match("harbor-admins"));
        for bad in ["(", r"(((\w{1000}){1000}){1000})"] {
            settings.group_filter = bad.to_owned();
            assert!(matches!(settings.filter(), Err(Error::Settings(_))), "{bad}");
        }
    }

    #[test]
    fn extra_parameters_cannot_undo_the_protection() {
        let mut settings = settings("https://login");
        settings.extra_redirect_params.insert("prompt".to_owned(), "consent".to_owned());
        assert!(settings.check_extra_parameters().is_ok());
        settings.extra_redirect_params.insert("nonce".to_owned(), "x".to_owned());
        assert!(settings.check_extra_parameters().is_err());
    }
}
