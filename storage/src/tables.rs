//! One file of functions per table. Each statement is written once for both engines.
//!
//! Functions that write take a [`Tx`](crate::Tx); who calls them owns the transaction.

/// A principal, whose id is the parameter, and its groups, for `IN`.
macro_rules! principals {
    ($id:literal) => {
        concat!(
            "(SELECT CAST(",
            $id,
            " AS BIGINT) UNION ALL
              SELECT group_id FROM group_member WHERE user_id = ",
            $id,
            ")"
        )
    };
}

pub mod audit;
pub mod binding;
pub mod blob;
pub mod cve_allowlist;
pub mod execution;
pub mod gc_queue;
pub mod group;
pub mod held;
pub mod immutable_rule;
pub mod lease;
pub mod link;
pub mod manifest;
pub mod member;
pub mod oidc_account;
pub mod oidc_newcomer;
pub mod personal_token;
pub mod principal;
pub mod project;
pub mod project_metadata;
pub mod referrer;
pub mod refresh_token;
pub mod repository;
pub mod rights;
pub mod robot;
pub mod role;
pub mod schedule;
pub mod secret;
pub mod session;
pub mod setting;
pub mod signing_key;
pub mod tag;
pub mod tombstone;
pub mod upload;
pub mod usage;
pub mod user;
mod viewer;

pub use viewer::Viewer;
