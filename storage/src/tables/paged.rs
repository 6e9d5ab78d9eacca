//! Pages of lists by their numbers, in time that does not depend on the number.
//!
//! A list is walked along a narrow index to where the page begins; the rows of the page are read by
//! their ids, and what comes from there on is only counted. So each request passes over each entry
//! of the index once, whatever page it asks for, and the total is exact without being kept.

use std::collections::HashMap;
use std::hash::Hash;

/// How many rows one statement reads by their ids: engines limit what is bound.
pub(super) const BATCH: usize = 10_000;

/// Which part of a list is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// The most rows.
    pub limit: i64,
    /// How many are before them.
    pub offset: i64,
}

impl Slice {
    /// How many rows the list has, where the number of those that were found tells: it ended.
    pub(super) fn total(self, found: usize) -> Option<i64> {
        let found = i64::try_from(found).unwrap_or(i64::MAX);
        let ended = found < self.limit && (found > 0 || self.offset == 0);
        ended.then(|| self.offset.saturating_add(found))
    }
}

/// Whether a condition or the order needs the table that the statement calls `alias`.
pub(super) fn needs(
    alias: &str,
    conditions: &[crate::Condition],
    order: &[(&'static str, bool)],
) -> bool {
    let mut columns =
        conditions.iter().map(|condition| condition.column).chain(order.iter().map(|(c, _)| *c));
    columns.any(|column| column.contains(alias))
}

/// The rows in the order of their keys.
pub(super) fn in_order<K: Eq + Hash, T>(
    keys: impl IntoIterator<Item = K>,
    mut rows: HashMap<K, T>,
) -> Vec<T> {
    keys.into_iter().filter_map(|key| rows.remove(&key)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_is_not_full_tells_the_total() {
        let slice = |limit, offset| Slice { limit, offset };
        assert_eq!(slice(10, 0).total(0), Some(0));
        assert_eq!(slice(10, 20).total(3), Some(23));
        assert_eq!(slice(i64::MAX, 0).total(7), Some(7));
        assert_eq!(slice(10, 20).total(10), None, "there may be more");
        assert_eq!(slice(10, 20).total(0), None, "there may be fewer than twenty");
        assert_eq!(slice(0, 0).total(0), None);
    }
}
