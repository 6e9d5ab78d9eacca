//! What is remembered: rows in SQL ([`Db`], [`tables`]) and the bytes of blobs ([`Blobs`]).
//!
//! The tables know no HTTP and no permission; the blobs know keys and bytes and no digest's
//! meaning. Which of the two is written first is the caller's to know, and fixed: an object is
//! durable before its row, a row is gone before its object.

mod ballast;
mod batch;
pub mod blobs;
mod db;
pub mod dump;
mod error;
mod filter;
mod migrate;
mod query;
mod remembered;
pub mod tables;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod writer;

pub use ballast::{Ballast, Tended};
pub use blobs::{Blobs, ContentHash, Staged};
pub use db::{Background, Changes, Conn, Db, Holds, Options, Turn, Tx};
pub use error::{Error, Result};
pub use filter::{Condition, Operand, Test};
pub use query::{Query, Record, Value, statements};
pub use remembered::{BELIEVED, Generations, Remembered, Stamp};
