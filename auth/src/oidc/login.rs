//! Who somebody is, according to the provider.

use std::collections::BTreeSet;
use std::fmt;

use regex::Regex;
use roadstead_model::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::claims::Claims;
use super::settings::Settings;

/// The longest name of a group, in bytes; longer ones could not be kept.
const LONGEST_GROUP: usize = 255;
/// How many groups of a person count. Each becomes a row here.
const MOST_GROUPS: usize = 1000;

/// A person as the provider describes them. Issuer and subject together identify the person;
/// everything else may change from one login to the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The provider.
    pub issuer: String,
    /// The person's id there, at most 255 bytes.
    pub subject: String,
    /// The name for a new account; spaces and commas have become `_`. None when the claim that
    /// the settings name is missing, or is an address that was not verified.
    pub username: Option<String>,
    /// The mail address, unless the provider says that it was not verified.
    pub email: Option<String>,
    /// The full name.
    pub realname: Option<String>,
    /// The groups that pass the filter, each once, at most 1000. They replace those of the last login.
    pub groups: Vec<String>,
    /// Member of the administrators' group, which need not pass the filter.
    pub admin: bool,
}

/// A proven login, and what proves it again later.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// Who it is.
    pub identity: Identity,
    /// The verified `id_token`; none when a refresh brought none.
    pub id_token: Option<String>,
    /// For the next refresh. A secret.
    pub refresh_token: Option<String>,
    /// When the provider must be asked again, with [`super::Provider::refresh`]: at most an hour
    /// from the login.
    pub expires_at: Timestamp,
}

/// Leaves out the tokens.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("identity", &self.identity)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl Identity {
    /// Reads verified claims about `subject`.
    pub(super) fn read(claims: &Claims, settings: &Settings, filter: Option<&Regex>) -> Self {
        let groups = groups(claims, settings);
        let admin = !settings.admin_group.is_empty() && groups.contains(&*settings.admin_group);
        let kept = groups.iter().filter(|group| filter.is_none_or(|filter| filter.is_match(group)));
        let mut kept: Vec<String> = kept.map(|group| (*group).to_owned()).collect();
        if kept.len() > MOST_GROUPS {
            tracing::warn!(groups = kept.len(), "a person has too many groups: set a group filter");
            kept.truncate(MOST_GROUPS);
        }
        Self {
            issuer: settings.endpoint.clone(),
            subject: claims.text("sub").unwrap_or_default().to_owned(),
            username: username(claims, settings),
            email: email(claims).map(str::to_owned),
            realname: claims.text("name").map(str::to_owned),
            groups: kept,
            admin,
        }
    }
}

/// Whether claims that the settings want, or that every account has, are missing.
pub(super) fn is_incomplete(claims: &Claims, settings: &Settings) -> bool {
    let name = match settings.user_claim.as_str() {
        "" => "preferred_username",
        name => name,
    };
    let groups = &settings.groups_claim;
    claims.text(name).is_none()
        || claims.text("email").is_none()
        || !groups.is_empty() && claims.get(groups).is_none()
}

fn groups<'a>(claims: &'a Claims, settings: &Settings) -> BTreeSet<&'a str> {
    let named = match settings.groups_claim.as_str() {
        "" => Vec::new(),
        claim => claims.texts(claim),
    };
    let usable = |group: &&str| !group.is_empty() && group.len() <= LONGEST_GROUP;
    named.into_iter().map(str::trim).filter(usable).collect()
}

fn username(claims: &Claims, settings: &Settings) -> Option<String> {
    let claim = |name| if name == "email" { email(claims) } else { claims.text(name) };
    let name = match settings.user_claim.as_str() {
        "" => claim("preferred_username").or_else(|| claim("name")).or_else(|| claim("email")),
        name => claim(name),
    };
    name.map(|name| name.trim().replace([' ', ','], "_"))
}

/// Some providers write the word on verification as a text.
fn email(claims: &Claims) -> Option<&str> {
    let refuted = match claims.get("email_verified") {
        None => false,
        Some(Value::String(word)) => !word.eq_ignore_ascii_case("true"),
        Some(word) => *word != Value::Bool(true),
    };
    claims.text("email").map(str::trim).filter(|_| !refuted)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings() -> Settings {
        Settings {
            groups_claim: "groups".to_owned(),
            ..Settings::new("https://login", "registry", "secret", "https://here/c/oidc/callback")
        }
    }

    fn read(settings: &Settings, claims: &Value) -> Identity {
        let claims = Claims(claims.as_object().unwrap().clone());
        Identity::read(&claims, settings, settings.filter().unwrap().as_ref())
    }

    #[test]
    fn the_username_comes_from_the_configured_claim_or_not_at_all() {
        let mut settings = settings();
        let claims =
            json!({"preferred_username": "Alice, A B", "name": "n", "email": "a@b", "nick": "al"});
        assert_eq!(read(&settings, &claims).username.unwrap(), "Alice__A_B");
        assert_eq!(read(&settings, &json!({"name": "n", "email": "a@b"})).username.unwrap(), "n");
        assert_eq!(read(&settings, &json!({"email": "a@b"})).username.unwrap(), "a@b");
        settings.user_claim = "nick".to_owned();
        assert_eq!(read(&settings, &claims).username.unwrap(), "al");
        assert_eq!(read(&settings, &json!({"name": "n", "nick": ["al"]})).username, None);
    }

    #[test]
    fn an_unverified_address_is_neither_address_nor_name() {
        let mut settings = settings();
        for refuted in [json!(false), json!("false"), json!("no"), json!(0)] {
            let claims = json!({"email": "root@example.com", "email_verified": refuted});
            assert_eq!(read(&settings, &claims).email, None, "{refuted}");
            assert_eq!(read(&settings, &claims).username, None, "{refuted}");
            settings.user_claim = "email".to_owned();
            assert_eq!(read(&settings, &claims).username, None, "{refuted}");
        }
        for fine in [json!({"email": "a@b"}), json!({"email": "a@b", "email_verified": "true"})] {
            assert_eq!(read(&settings, &fine).email.as_deref(), Some("a@b"));
        }
    }

    #[test]
    fn groups_are_filtered_and_the_administrators_group_is_seen_before() {
        let mut settings = settings();
        settings.admin_group = "admins".to_owned();
        settings.group_filter = "^harbor".to_owned();
        let claims = json!({"groups": ["harbor-b", "admins", "harbor-a", "harbor-b", 7, "", "x"]});
        let person = read(&settings, &claims);
        assert_eq!(
            (person.groups, person.admin),
            (vec!["harbor-a".into(), "harbor-b".into()], true)
        );
        let person = read(&settings, &json!({"groups": "harbor-a"}));
        assert_eq!((person.groups, person.admin), (vec!["harbor-a".into()], false));
        settings.admin_group.clear();
        assert!(!read(&settings, &json!({"groups": [""]})).admin);
    }

    #[test]
    fn groups_are_bounded_in_number_and_length() {
        let many: Vec<_> = (0..5000).map(|number| format!("group-{number}")).collect();
        assert_eq!(read(&settings(), &json!({"groups": many})).groups.len(), MOST_GROUPS);
        let claims = json!({"groups": ["x".repeat(256), "y".repeat(255)]});
        assert_eq!(read(&settings(), &claims).groups, ["y".repeat(255)]);
    }

    #[test]
    fn tokens_are_not_printed() {
        let login = Login {
            identity: read(&settings(), &json!({"sub": "1"})),
            id_token: Some("eyJsecret".to_owned()),
            refresh_token: Some("rt-secret".to_owned()),
            expires_at: Timestamp(0),
        };
        assert!(!format!("{login:?}").contains("secret"));
    }
}
