//! What the whole-system tests share: starting the built binary, making content, talking to it.

pub mod api;
pub mod cast;
pub mod clients;
pub mod content;
pub mod http;
pub mod oidc;
mod server;
pub mod slapd;

pub use server::{ADMIN_PASSWORD, Server, Setup, binary, free_port};
