//! What the whole-system tests share: starting the built binary, making content, talking to it.

pub mod api;
pub mod cast;
pub mod certificate;
pub mod clients;
pub mod content;
mod database;
pub mod disk;
pub mod fault;
pub mod figures;
pub mod http;
pub mod journal;
pub mod net;
pub mod oidc;
pub mod pgbouncer;
pub mod postgres;
pub mod proxy;
pub mod receiver;
mod server;
pub mod slapd;
pub mod store;
pub mod stores;

pub use database::{Database, Row};
pub use server::{ADMIN_PASSWORD, SECRET_KEY, Server, Setup, binary, free_port, runs_on_postgres};
