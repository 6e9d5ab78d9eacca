//! Collecting garbage, always and beside everything else: sessions that expired, manifests that
//! the policy lets go, links that nothing holds, blobs without links, and the objects of all of
//! them when their grace is over.
//!
//! What may be garbage is found in `gc_queue` and in indexes by time, never by walking the store.
//! Each batch is a small transaction: pieces that are as large as a few milliseconds allow, one at
//! a time on SQLite, and given up when they take too long. The foreign keys decide what is garbage; what is asked
//! before only saves work. On PostgreSQL a batch never waits for somebody else's lock: it fails,
//! and its rows are tried one by one.

mod batch;
mod clock_guard;
mod deleted;
mod figures;
mod history;
mod journal;
mod manifests;
mod pace;
mod piece;
mod policy;
mod preview;
mod requests;
mod rounds;
mod stages;
mod sweep;
mod tally;

pub use figures::Figures;
pub(crate) use pace::Pace;
pub use policy::{Policy, Untagged};
use sweep::{Mode, Sweep};
use tally::Tally;

#[cfg(test)]
mod tests;
