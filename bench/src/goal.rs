//! What is wanted of the figures, and whether it is reached.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::sample::{Metric, Sample};
use crate::stats::Spread;

/// Measurements under one load: of each subject, one sample for each round.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Case {
    pub(crate) title: String,
    /// In the order in which they were measured first.
    pub(crate) subjects: Vec<String>,
    pub(crate) samples: BTreeMap<String, Vec<Sample>>,
}

/// A bound of a ratio, or of a figure.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// A goal, and what became of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Verdict {
    pub(crate) case: String,
    pub(crate) metric: Metric,
    /// Who it is compared with; nobody: the figure itself is bounded.
    pub(crate) with: Option<String>,
    pub(crate) bound: Bound,
    /// None: it could not be measured.
    pub(crate) found: Option<Spread>,
}

impl Case {
    /// A load without measurements yet.
    pub(crate) fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// Adds what was measured of a subject in this round.
    pub(crate) fn add(&mut self, subject: &str, sample: Sample) {
        if !self.subjects.iter().any(|known| known == subject) {
            self.subjects.push(subject.to_owned());
        }
        self.samples.entry(subject.to_owned()).or_default().push(sample);
    }

    /// The figures of a subject, round by round; `None` when one is missing.
    pub(crate) fn figures(&self, subject: &str, metric: Metric) -> Option<Vec<f64>> {
        self.samples.get(subject)?.iter().map(|sample| sample.get(&metric).copied()).collect()
    }

    /// Compares a subject with another one in the same rounds.
    pub(crate) fn ratio(&self, subject: &str, with: &str, metric: Metric) -> Option<Spread> {
        Spread::of_ratios(&self.figures(subject, metric)?, &self.figures(with, metric)?)
    }

    /// Judges the ratio of a figure of one subject to that of another one.
    pub(crate) fn judge(&self, subject: &str, with: &str, metric: Metric, bound: Bound) -> Verdict {
        let found = self.ratio(subject, with, metric);
        Verdict { case: self.title.clone(), metric, with: Some(with.to_owned()), bound, found }
    }

    /// Judges a figure itself.
    pub(crate) fn judge_figure(&self, subject: &str, metric: Metric, bound: Bound) -> Verdict {
        let found = self.figures(subject, metric).and_then(|figures| Spread::of(&figures));
        Verdict { case: self.title.clone(), metric, with: None, bound, found }
    }
}

impl Verdict {
    /// Whether the median is within the bound.
    pub(crate) fn reached(&self) -> Option<bool> {
        let found = self.found?;
        Some(match self.bound {
            Bound::AtLeast(least) => found.median >= least,
            Bound::AtMost(most) => found.median <= most,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case() -> Case {
        let mut case = Case::new("x");
        for (ours, theirs) in [(2.0, 1.0), (6.0, 2.0), (4.0, 1.0)] {
            case.add("ours", Sample::from([(Metric::Throughput, ours)]));
            case.add("theirs", Sample::from([(Metric::Throughput, theirs)]));
        }
        case
    }

    #[test]
    fn a_goal_is_reached_by_the_median() {
        let judged = |bound| case().judge("ours", "theirs", Metric::Throughput, bound);
        assert_eq!(judged(Bound::AtLeast(3.0)).reached(), Some(true));
        assert_eq!(judged(Bound::AtLeast(3.1)).reached(), Some(false));
        assert_eq!(judged(Bound::AtMost(3.0)).reached(), Some(true));
        assert_eq!(judged(Bound::AtMost(2.9)).reached(), Some(false));
        let own = case().judge_figure("ours", Metric::Throughput, Bound::AtMost(4.0));
        assert_eq!(own.found, Some(Spread { median: 4.0, least: 2.0, greatest: 6.0 }));
    }

    #[test]
    fn what_was_not_measured_is_not_reached_and_not_missed() {
        let bound = Bound::AtLeast(0.0);
        assert_eq!(case().judge("ours", "nobody", Metric::Throughput, bound).reached(), None);
        assert_eq!(case().judge("ours", "theirs", Metric::P99, bound).reached(), None);
    }
}
