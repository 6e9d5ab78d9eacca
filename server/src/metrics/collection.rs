//! What collection did and has before it, read when somebody asks.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use roadstead_jobs::Figures;

/// The figures of the worker.
#[derive(Debug)]
pub(super) struct Collection(pub(super) Arc<Figures>);

impl Collector for Collection {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let collected = ConstCounter::new(0_u64);
        let mut family = encoder.encode_descriptor(
            "gc_collected",
            "What was collected by this process, by kind",
            None,
            collected.metric_type(),
        )?;
        for (kind, count) in self.0.collected() {
            let labels = [("kind", kind)];
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
        let freed = ConstCounter::new(self.0.freed_bytes());
        let help = "Size of the manifests and blobs that were collected by this process";
        freed.encode(encoder.encode_descriptor(
            "gc_freed",
            help,
            Some(&Unit::Bytes),
            freed.metric_type(),
        )?)?;
        let (backlog, age) = self.0.backlog();
        let waiting = ConstGauge::new(0_i64);
        let mut family = encoder.encode_descriptor(
            "gc_queue",
            "What was due for collection after the last round, by kind",
            None,
            waiting.metric_type(),
        )?;
        for (kind, count) in backlog.due {
            let labels = [("kind", kind)];
            ConstGauge::new(count).encode(family.encode_family(&labels)?)?;
        }
        let age = ConstGauge::new(age);
        age.encode(encoder.encode_descriptor(
            "gc_queue_age",
            "For how long the oldest of it was due",
            Some(&Unit::Seconds),
            age.metric_type(),
        )?)?;
        self.encode_holds(encoder)
    }
}

impl Collection {
    fn encode_holds(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let holds = self.0.holds();
        let counts = holds.counts();
        let all = counts.iter().map(|(_, count)| count).sum();
        encoder
            .encode_descriptor(
                "gc_transaction",
                "How long transactions of collection held what requests wait for",
                Some(&Unit::Seconds),
                MetricType::Histogram,
            )?
            .encode_histogram::<NoLabelSet>(holds.sum().as_secs_f64(), all, &counts, None)
    }
}
