//! Harbor's `ProjectMetadata`: settings of a project by name, with values that are strings.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::failure::Failure;

/// `public` is a column of the project.
pub(crate) const PUBLIC: &str = "public";
/// Written by the retention policy alone.
pub(crate) const RETENTION_ID: &str = "retention_id";
/// The longest value, in bytes.
const LONGEST_VALUE: usize = 1024;

macro_rules! metadata {
    ($($name:ident: $kind:expr),+ $(,)?) => {
        /// Harbor's `ProjectMetadata`.
        #[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
        #[schema(as = ProjectMetadata)]
        #[serde(default)]
        pub(crate) struct Metadata {
            $(#[serde(skip_serializing_if = "Option::is_none")]
            $name: Option<String>),+
        }

        impl Metadata {
            /// What is set, by name.
            fn given(self) -> Vec<(&'static str, String)> {
                [$((stringify!($name), self.$name)),+]
                    .into_iter()
                    .filter_map(|(name, value)| Some((name, value?)))
                    .collect()
            }
        }

        impl From<BTreeMap<String, String>> for Metadata {
            fn from(mut values: BTreeMap<String, String>) -> Self {
                Self { $($name: values.remove(stringify!($name))),+ }
            }
        }

        const KINDS: &[(&str, Kind)] = &[$((stringify!($name), $kind)),+];
    };
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Switch,
    Severity,
    /// A number of something per second or at once; -1 for any.
    Rate,
    Pattern,
    Matcher,
    /// Not for clients.
    Managed,
}

metadata! {
    public: Kind::Switch,
    enable_content_trust: Kind::Switch,
    enable_content_trust_cosign: Kind::Switch,
    prevent_vul: Kind::Switch,
    severity: Kind::Severity,
    auto_scan: Kind::Switch,
    auto_sbom_generation: Kind::Switch,
    reuse_sys_cve_allowlist: Kind::Switch,
    retention_id: Kind::Managed,
    proxy_speed_kb: Kind::Rate,
    max_upstream_conn: Kind::Rate,
    proxy_cache_local_on_not_found: Kind::Switch,
    proxy_referrer_api: Kind::Switch,
    proxy_cache_filter_pattern: Kind::Pattern,
    proxy_cache_filter_kind: Kind::Matcher,
}

/// Settings that mean something in proxy caches only; other projects do not keep them.
const OF_PROXIES: [&str; 4] = [
    "proxy_speed_kb",
    "max_upstream_conn",
    "proxy_cache_filter_pattern",
    "proxy_cache_filter_kind",
];

impl Metadata {
    /// The settings that a request gives, checked and in the form in which they are kept. Empty
    /// values were not given.
    pub(crate) fn checked(self) -> Result<BTreeMap<&'static str, String>, Failure> {
        let mut settings = BTreeMap::new();
        for (name, value) in self.given() {
            if value.is_empty() {
                continue;
            }
            let kept = if name == RETENTION_ID { value } else { checked(name, &value)?.1 };
            if !OF_PROXIES.contains(&name) {
                settings.insert(name, kept);
            }
        }
        Ok(settings)
    }
}

/// A setting, checked and in the form in which it is kept.
pub(crate) fn checked(name: &str, value: &str) -> Result<(&'static str, String), Failure> {
    let refused = |what: &str| Failure::bad_request(format!("invalid value of {name}: {what}"));
    let known = KINDS.iter().find(|(known, _)| *known == name);
    let (name, kind) =
        known.ok_or_else(|| Failure::bad_request(format!("invalid key: {name:?}")))?;
    let kept = match kind {
        Kind::Switch => switch(value).ok_or_else(|| refused("use true or false"))?.to_string(),
        Kind::Severity => match value.to_ascii_lowercase().as_str() {
            "negligible" => "none".to_owned(),
            word @ ("none" | "low" | "medium" | "high" | "critical") => word.to_owned(),
            _ => return Err(refused("use none, low, medium, high or critical")),
        },
        Kind::Rate => match value.parse::<i32>() {
            Ok(rate) if rate > 0 || rate == -1 => rate.to_string(),
            _ => return Err(refused("use -1 or a positive number of 32 bits")),
        },
        Kind::Pattern if value.len() <= LONGEST_VALUE && !value.contains(char::is_control) => {
            value.to_owned()
        }
        Kind::Pattern => return Err(refused("too long, or with control characters")),
        Kind::Matcher => match value {
            "doublestar" | "regex" => value.to_owned(),
            _ => return Err(refused("use doublestar or regex")),
        },
        Kind::Managed => return Err(Failure::bad_request(format!("{name} cannot be set here"))),
    };
    Ok((name, kept))
}

/// The words for true and false of Go's `strconv.ParseBool`, which Harbor reads them with.
fn switch(value: &str) -> Option<bool> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_kept_in_one_form_and_others_are_refused() {
        for (name, value, kept) in [
            ("public", "True", "true"),
            ("auto_scan", "0", "false"),
            ("severity", "Critical", "critical"),
            ("severity", "negligible", "none"),
            ("proxy_speed_kb", "-1", "-1"),
            ("max_upstream_conn", "2147483647", "2147483647"),
            ("proxy_cache_filter_kind", "regex", "regex"),
        ] {
            let (_, found) = checked(name, value).unwrap();
            assert_eq!(found, kept, "{name}");
        }
        for (name, value) in [
            ("public", "yes"),
            ("public", ""),
            ("severity", "bad"),
            ("proxy_speed_kb", "0"),
            ("proxy_speed_kb", "-2"),
            ("proxy_speed_kb", "2147483648"),
            ("proxy_cache_filter_kind", "glob"),
            ("proxy_cache_filter_pattern", "a\nb"),
            ("retention_id", "1"),
            ("owner", "x"),
        ] {
            assert!(checked(name, value).is_err(), "{name}={value}");
        }
    }
}
