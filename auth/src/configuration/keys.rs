//! The keys of the configuration, their types and defaults, as Harbor has them.

/// What a value of a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// Text that must not be empty.
    NonEmpty,
    /// `true` or `false`.
    Switch,
    /// A whole number from the first to the second, both included.
    Number(i64, i64),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Sealed, and never given back.
    Password,
    /// A JSON object in a string.
    Map,
}

/// A key of the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name in the API.
    pub name: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// Its value until it is set.
    pub default: &'static str,
}

impl Key {
    /// The key with this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// Whether its value is sealed and never given back.
    pub fn is_secret(&self) -> bool {
        self.kind == Kind::Password
    }
}

const fn key(name: &'static str, kind: Kind, default: &'static str) -> Key {
    Key { name, kind, default }
}

const SCOPE: Kind = Kind::Number(0, 2);
const POSITIVE: Kind = Kind::Number(1, 9_999_999_999);
const AUTH_MODES: Kind = Kind::Choice(&["db_auth", "ldap_auth", "oidc_auth"]);
const CREATORS: Kind = Kind::Choice(&["everyone", "adminonly"]);

/// Every key that the API knows. Those of Harbor's modes that are not here (UAA, the HTTP proxy)
/// are known, so that clients which send them are understood, and change nothing.
pub const KEYS: &[Key] = &[
    key("auth_mode", AUTH_MODES, "db_auth"),
    key("primary_auth_mode", Kind::Switch, "false"),
    key("ldap_base_dn", Kind::Text, ""),
    key("ldap_filter", Kind::Text, ""),
    key("ldap_group_base_dn", Kind::Text, ""),
    key("ldap_group_admin_dn", Kind::Text, ""),
    key("ldap_group_attribute_name", Kind::Text, ""),
    key("ldap_group_search_filter", Kind::Text, ""),
    key("ldap_group_search_scope", SCOPE, "2"),
    key("ldap_group_attach_parallel", Kind::Switch, "false"),
    key("ldap_group_membership_attribute", Kind::Text, "memberof"),
    key("ldap_scope", SCOPE, "2"),
    key("ldap_search_dn", Kind::Text, ""),
    key("ldap_search_password", Kind::Password, ""),
    key("ldap_timeout", Kind::Number(1, 300), "5"),
    key("ldap_uid", Kind::NonEmpty, "cn"),
    key("ldap_url", Kind::Text, ""),
    key("ldap_verify_cert", Kind::Switch, "true"),
    // Ours: certificates in PEM that are trusted instead of the system's.
    key("ldap_ca_certificate", Kind::Text, ""),
    key("project_creation_restriction", CREATORS, "everyone"),
    key("read_only", Kind::Switch, "false"),
    key("self_registration", Kind::Switch, "false"),
    key("token_expiration", POSITIVE, "30"),
    key("uaa_client_id", Kind::Text, ""),
    key("uaa_client_secret", Kind::Password, ""),
    key("uaa_endpoint", Kind::Text, ""),
    key("uaa_verify_cert", Kind::Switch, "false"),
    key("http_authproxy_endpoint", Kind::Text, ""),
    key("http_authproxy_tokenreview_endpoint", Kind::Text, ""),
    key("http_authproxy_admin_groups", Kind::Text, ""),
    key("http_authproxy_admin_usernames", Kind::Text, ""),
    key("http_authproxy_verify_cert", Kind::Switch, "true"),
    key("http_authproxy_skip_search", Kind::Switch, "false"),
    key("http_authproxy_server_certificate", Kind::Text, ""),
    key("oidc_name", Kind::Text, ""),
    key("oidc_endpoint", Kind::Text, ""),
    key("oidc_client_id", Kind::Text, ""),
    key("oidc_client_secret", Kind::Password, ""),
    key("oidc_groups_claim", Kind::Text, ""),
    key("oidc_admin_group", Kind::Text, ""),
    key("oidc_group_filter", Kind::Text, ""),
    key("oidc_scope", Kind::Text, ""),
    key("oidc_user_claim", Kind::Text, ""),
    key("oidc_verify_cert", Kind::Switch, "true"),
    key("oidc_auto_onboard", Kind::Switch, "false"),
    key("oidc_extra_redirect_parms", Kind::Map, "{}"),
    key("oidc_logout", Kind::Switch, "false"),
    // Not Harbor's: certificates in PEM that are trusted beside the system's.
    key("oidc_ca_certificate", Kind::Text, ""),
    key("robot_token_duration", POSITIVE, "30"),
    key("robot_name_prefix", Kind::NonEmpty, "robot$"),
    key("notification_enable", Kind::Switch, "true"),
    key("quota_per_project_enable", Kind::Switch, "true"),
    key("storage_per_project", Kind::Number(-1, 1 << 50), "-1"),
    key("audit_log_forward_endpoint", Kind::Text, ""),
    // Ours: the authorities, in PEM, that the certificate of a collector with TLS may come from.
    key("audit_log_forward_ca_certificate", Kind::Text, ""),
    key("skip_audit_log_database", Kind::Switch, "false"),
    key("session_timeout", POSITIVE, "60"),
    key("scanner_skip_update_pulltime", Kind::Switch, "false"),
    key("banner_message", Kind::Text, ""),
    key("disabled_audit_log_event_types", Kind::Text, ""),
];
