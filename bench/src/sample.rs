//! What one measurement of one server comes to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A figure with a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Metric {
    /// Bytes in a second.
    Throughput,
    /// Requests in a second.
    Requests,
    /// Whole images, or blobs, in a second.
    Things,
    /// Seconds that half of the requests took at most.
    P50,
    /// Seconds that all but a hundredth of the requests took at most.
    P99,
    /// Seconds from the beginning to the end.
    Seconds,
    /// Seconds of the server's processor time for each gigabyte (10^9 bytes).
    ProcessorPerGb,
    /// Seconds of the server's processor time for each request.
    ProcessorPerRequest,
    /// Seconds of the server's processor time for each image, or blob.
    ProcessorPerThing,
    /// The most anonymous memory while it was measured, in bytes.
    PeakAnonymous,
    /// The most resident memory while it was measured, in bytes.
    PeakResident,
    /// Anonymous memory after the start, in bytes.
    IdleAnonymous,
    /// Resident memory after the start, in bytes.
    IdleResident,
}

/// The figures of one measurement.
pub(crate) type Sample = BTreeMap<Metric, f64>;

impl Metric {
    /// As tables call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Throughput => "throughput",
            Self::Requests => "requests/s",
            Self::Things => "per second",
            Self::P50 => "p50",
            Self::P99 => "p99",
            Self::Seconds => "time",
            Self::ProcessorPerGb => "processor per GB",
            Self::ProcessorPerRequest => "processor per request",
            Self::ProcessorPerThing => "processor each",
            Self::PeakAnonymous => "peak RssAnon",
            Self::PeakResident => "peak RSS",
            Self::IdleAnonymous => "idle RssAnon",
            Self::IdleResident => "idle RSS",
        }
    }

    /// A figure with its unit.
    pub(crate) fn show(self, value: f64) -> String {
        let mebibytes = value / f64::from(1 << 20);
        match self {
            Self::Throughput => format!("{:.0} MB/s", value / 1e6),
            Self::Requests | Self::Things if value >= 100.0 => format!("{value:.0}"),
            Self::Requests | Self::Things => format!("{value:.1}"),
            Self::ProcessorPerGb => format!("{value:.3} s"),
            Self::PeakAnonymous | Self::PeakResident | Self::IdleAnonymous | Self::IdleResident => {
                format!("{mebibytes:.1} MiB")
            }
            Self::ProcessorPerRequest
            | Self::ProcessorPerThing
            | Self::P50
            | Self::P99
            | Self::Seconds => time(value),
        }
    }
}

/// Seconds, in the unit that has few digits.
fn time(seconds: f64) -> String {
    if seconds >= 1.0 {
        format!("{seconds:.2} s")
    } else if seconds >= 0.001 {
        format!("{:.2} ms", seconds * 1e3)
    } else {
        format!("{:.1} µs", seconds * 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_units() {
        assert_eq!(Metric::Throughput.show(2.5e9), "2500 MB/s");
        assert_eq!(Metric::ProcessorPerRequest.show(5.8e-6), "5.8 µs");
        assert_eq!(Metric::P99.show(0.0125), "12.50 ms");
        assert_eq!(Metric::Seconds.show(1.5), "1.50 s");
        assert_eq!(Metric::PeakResident.show(3.0 * 1_048_576.0), "3.0 MiB");
        assert_eq!(Metric::Requests.show(12.34), "12.3");
    }
}
