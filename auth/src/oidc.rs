//! Logging in at an OpenID Connect provider: the relying party's side of the code flow, without
//! database, sessions and handlers.
//!
//! A browser's login is [`Provider::begin`], the provider's pages, and [`Provider::finish`] with
//! what came back. [`Provider::refresh`] asks later whether the provider still knows the person.
//! Whatever a provider sends is untrusted: it is read up to a limit in bytes and in time, no
//! redirect of it is followed, and none of its keys are believed but those of its key set.
//!
//! "Core" in comments is OpenID Connect Core 1.0, "Discovery" is OpenID Connect Discovery 1.0.

mod cache;
mod claims;
mod client;
mod discovery;
mod error;
mod flow;
mod id_token;
mod keys;
mod login;
mod provider;
mod reach;
mod redirect;
mod settings;

pub use error::{Error, Result};
pub use flow::{Begin, Callback, Pending};
pub use login::{Identity, Login};
pub use provider::Provider;
pub use redirect::local_redirect;
pub use settings::Settings;
