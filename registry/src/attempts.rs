//! Transactions that are tried again, because others were in their way. Nothing of such an attempt
//! was written, so the next one does the same.

use std::time::Duration;

use roadstead_model::ObjectKey;
use roadstead_storage::Error as StorageError;

use crate::error::Error;

/// How often at most; the client is told to come back then.
const MOST: u32 = 5;

/// How many attempts were made.
#[derive(Debug, Default)]
pub(crate) struct Attempts(u32);

impl Attempts {
    /// Whether the same is worth another attempt.
    pub(crate) fn may_go_on(&self, error: &Error) -> bool {
        self.0 < MOST && matches!(error, Error::Storage(StorageError::Contended))
    }

    /// Whether another attempt finds out what is missing, or that something is there by now.
    pub(crate) fn may_look_again(&self, error: &Error) -> bool {
        let moved =
            matches!(error, Error::Storage(StorageError::Reference | StorageError::Conflict));
        self.0 < MOST && moved
    }

    /// Waits a moment that is another one for everybody.
    pub(crate) async fn pause(&mut self) {
        self.0 += 1;
        // Keys are random, and the least that is needed here.
        let random = ObjectKey::fresh()
            .as_str()
            .bytes()
            .fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
        tokio::time::sleep(Duration::from_millis(random % (20 << self.0))).await;
    }
}
