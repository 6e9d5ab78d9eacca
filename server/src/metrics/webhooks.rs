//! What webhooks were told, read when somebody asks.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;
use roadstead_jobs::webhooks::Figures;

/// The figures of webhooks.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) figures: Arc<Figures>,
    /// Pulls of which nobody was told, because too many were waiting.
    pub(crate) dropped: Arc<AtomicU64>,
}

impl Collector for Told {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let told = ConstCounter::new(0_u64);
        let help = "Attempts to deliver webhooks of this process, by how they ended";
        let kind = told.metric_type();
        let mut family = encoder.encode_descriptor("webhook_attempts", help, None, kind)?;
        for (result, count) in self.figures.deliveries() {
            let labels = [("result", result)];
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
        let dropped = ConstCounter::new(self.dropped.load(Ordering::Relaxed));
        let help = "Pulls that no webhook was told of, because too many were waiting";
        let kind = dropped.metric_type();
        dropped.encode(encoder.encode_descriptor("webhook_pulls_dropped", help, None, kind)?)
    }
}
