//! What this process asks of the database, read when somebody asks.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;

/// The figures of the database.
#[derive(Debug)]
pub(super) struct Database;

impl Collector for Database {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let statements = ConstCounter::new(roadstead_storage::statements());
        let help = "Statements that this process ran, without those around transactions";
        let kind = statements.metric_type();
        statements.encode(encoder.encode_descriptor("database_statements", help, None, kind)?)
    }
}
