//! Logging in at an OpenID Connect provider: at a real one, and at one that tries every trick.

// Helpers of tests fail tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod answers;
mod certificates;
mod forged;
mod forger;
mod keys;
#[allow(unreachable_pub)] // it is a module of another crate as well
#[path = "../../../tests/src/oidc.rs"]
mod provider;
mod real;
