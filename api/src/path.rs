//! Parameters of paths.

use crate::failure::Failure;

/// Reads an id.
///
/// # Errors
/// 422, as Harbor answers what is no number.
pub(crate) fn number(name: &str, text: &str) -> Result<i64, Failure> {
    text.parse().map_err(|_| Failure::unprocessable(format!("{name} must be a whole number")))
}
