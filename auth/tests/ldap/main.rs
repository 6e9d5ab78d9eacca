//! The LDAP client against a real directory, and against what is none.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code, unreachable_pub)]
#[path = "../../../tests/src/slapd.rs"]
mod slapd;

mod groups;
mod people;
mod tokens;
mod trouble;

use roadstead_auth::ldap::{Directory, Group, Settings};
use slapd::{GROUPS, PEOPLE, SEARCH_DN, SEARCH_PASSWORD, group_dn};

/// Settings for the people of the test directory, without groups.
fn people(url: String) -> Settings {
    Settings {
        url,
        search_dn: SEARCH_DN.to_owned(),
        search_password: SEARCH_PASSWORD.to_owned(),
        base_dn: PEOPLE.to_owned(),
        filter: "objectClass=inetOrgPerson".to_owned(),
        uid: "uid".to_owned(),
        ..Settings::default()
    }
}

/// The same with groups.
fn with_groups(url: String) -> Settings {
    Settings {
        group_base_dn: GROUPS.to_owned(),
        group_search_filter: "objectClass=groupOfNames".to_owned(),
        group_attribute_name: "cn".to_owned(),
        group_admin_dn: format!("CN=Admins, {}", GROUPS.to_uppercase()),
        ..people(url)
    }
}

fn directory(settings: Settings) -> Directory {
    Directory::new(settings).expect("settings that can be used")
}

fn devs() -> Group {
    Group { dn: group_dn("devs"), name: "devs".to_owned() }
}
