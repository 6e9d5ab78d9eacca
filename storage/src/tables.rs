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

/// Whether an audit event waits to be forwarded.
macro_rules! audit_pending {
    () => {
        " EXISTS (SELECT 1 FROM setting
                  WHERE name = 'config.audit_log_forward_endpoint' AND value <> '')"
    };
}

/// Whether events are kept of the type that the parameter is the pattern of.
macro_rules! audit_wanted {
    ($pattern:literal) => {
        concat!(
            "NOT EXISTS (SELECT 1 FROM setting
                         WHERE name = 'config.disabled_audit_log_event_types'
                           AND ',' || value || ',' LIKE (",
            $pattern,
            " || '') ESCAPE '\\')"
        )
    };
}

pub mod affected;
pub mod artifact;
pub mod audit;
pub mod binding;
pub mod blob;
pub mod cve_allowlist;
pub mod deleted;
pub mod execution;
pub mod gc_queue;
pub mod group;
pub mod held;
pub mod immutable_rule;
pub mod label;
pub mod lease;
pub mod link;
pub mod manifest;
pub mod member;
pub mod oidc_account;
pub mod oidc_newcomer;
pub mod paged;
pub mod paused_job;
pub mod personal_token;
pub mod principal;
pub mod project;
pub mod project_metadata;
pub mod pull;
pub mod quarantine;
pub mod recount;
pub mod referrer;
pub mod refresh_token;
pub mod repository;
pub mod retention;
pub mod rights;
pub mod robot;
pub mod role;
pub mod schedule;
pub mod secret;
pub mod session;
pub mod setting;
pub mod signing_key;
#[cfg(test)]
mod stage;
pub mod tag;
pub mod tag_history;
#[cfg(test)]
mod tag_tests;
pub mod tombstone;
pub mod undelete;
pub mod upload;
pub mod usage;
pub mod user;
mod viewer;
pub mod webhook_delivery;
pub mod webhook_policy;
pub mod webhook_target;
pub mod worker_pool;

pub use viewer::Viewer;
