//! What is remembered: rows in SQL ([`Db`], [`tables`]) and the bytes of blobs ([`Blobs`]).
//!
//! The tables know no HTTP and no permission; the blobs know keys and bytes and no digest's
//! meaning. Which of the two is written first is the caller's to know, and fixed: an object is
//! durable before its row, a row is gone before its object.

pub mod blobs;
mod db;
mod error;
mod filter;
mod migrate;
mod query;
pub mod tables;
mod writer;

pub use blobs::{Blobs, ContentHash, Staged};
pub use db::{Conn, Db, Tx};
pub use error::{Error, Result};
pub use filter::{Condition, Operand, Test};
pub use query::{Query, Record, Value};
