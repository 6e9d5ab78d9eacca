//! What many measurements come to: medians, their spread, percentiles.

use serde::{Deserialize, Serialize};

/// The middle of some figures, with the least and the greatest of them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) greatest: f64,
}

impl Spread {
    /// Of these figures; `None` when there are none, or one of them is no number.
    pub(crate) fn of(figures: &[f64]) -> Option<Self> {
        let mut sorted = figures.to_vec();
        if sorted.iter().any(|figure| !figure.is_finite()) {
            return None;
        }
        sorted.sort_by(f64::total_cmp);
        let (least, greatest) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let upper = sorted[middle];
        let median =
            if sorted.len() % 2 == 1 { upper } else { f64::midpoint(sorted[middle - 1], upper) };
        Some(Self { median, least, greatest })
    }

    /// Of the ratios of figures that belong together: the first to the first, and so on.
    pub(crate) fn of_ratios(ours: &[f64], theirs: &[f64]) -> Option<Self> {
        let ratios: Vec<f64> =
            ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect();
        Self::of(&ratios)
    }
}

/// The figure that this share of all does not exceed (nearest rank); sorts them.
pub(crate) fn percentile(figures: &mut [f64], share: f64) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    let wanted = (share * figures.len() as f64).ceil() as usize;
    figures.get(wanted.max(1) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_between_the_two_middle_ones() {
        let odd = Spread::of(&[9.0, 1.0, 4.0]).unwrap();
        assert_eq!(odd, Spread { median: 4.0, least: 1.0, greatest: 9.0 });
        let even = Spread::of(&[4.0, 1.0, 9.0, 2.0]).unwrap();
        assert_eq!(even, Spread { median: 3.0, least: 1.0, greatest: 9.0 });
    }

    #[test]
    fn nothing_has_no_median_and_neither_has_what_is_no_number() {
        assert_eq!(Spread::of(&[]), None);
        assert_eq!(Spread::of(&[1.0, f64::NAN]), None);
        assert_eq!(Spread::of_ratios(&[1.0], &[0.0]), None, "infinite");
    }

    #[test]
    fn a_ratio_is_of_the_same_round() {
        // The medians alone would say 1.0.
        let spread = Spread::of_ratios(&[1.0, 20.0, 10.0], &[10.0, 10.0, 1.0]).unwrap();
        assert_eq!(spread, Spread { median: 2.0, least: 0.1, greatest: 10.0 });
    }

    #[test]
    fn a_percentile_is_one_of_the_figures() {
        let mut figures: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(percentile(&mut figures, 0.99), Some(99.0));
        assert_eq!(percentile(&mut figures, 0.5), Some(50.0));
        assert_eq!(percentile(&mut figures, 1.0), Some(100.0));
        assert_eq!(percentile(&mut [7.0], 0.01), Some(7.0));
        assert_eq!(percentile(&mut [], 0.5), None);
    }
}
