//! Who is calling, and what they may do.
//!
//! A request's credentials become a [`Caller`]; a caller asks for a permission and gets a
//! [`Grant`], which is the only way to the functions that change something. Rights are read from
//! the database, and remembered until one of them changes, for seconds at most: a token limits what
//! its holder may do, it never widens it.

mod access;
pub mod accounts;
mod authenticate;
mod caller;
pub mod configuration;
pub mod directory;
mod error;
mod grants;
pub mod http;
pub mod keys;
pub mod ldap;
pub mod members;
pub mod oidc;
mod oidc_login;
mod onboarding;
mod passwords;
pub mod permissions;
pub mod personal_tokens;
pub mod randomness;
mod refresh;
pub mod robots;
mod scope;
mod sealing;
mod secrets;
mod service;
mod sessions;
mod signing;
mod throttle;
mod token;
pub mod webhooks;

pub use access::{Grant, Refusal, Standing};
pub use authenticate::Auth;
pub use caller::Caller;
pub use error::{Error, Result};
pub use grants::Asked;
pub use oidc_login::OidcMeta;
pub use onboarding::GroupName;
pub use sealing::SecretKey;
pub use sessions::{CSRF_HEADER, Cookie};

/// The service that tokens are for; Harbor's name, which clients match on.
pub const SERVICE: &str = "harbor-registry";
