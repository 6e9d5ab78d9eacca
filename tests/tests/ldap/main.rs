//! People, groups and administrators of an LDAP directory, at a real one.

mod administration;
mod groups;
mod logins;
mod outages;
mod stage;
