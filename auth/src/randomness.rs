//! Random bytes for keys, secrets and tokens.
//!
//! They are the operating system's. The cryptographic library has a generator of its own, which
//! measures the jitter of the processor for 40 ms when it is used first; that was half of the time
//! that a server took to start.

use crate::error::{Error, Result};

/// Fills `bytes` with random ones.
///
/// # Errors
/// [`Error::Crypto`] when the system has none.
pub fn fill(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).map_err(|_| Error::Crypto("no randomness"))
}
