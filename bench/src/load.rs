//! Load, and what it does to a server.

pub(crate) mod pull;
pub(crate) mod push;

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::task::JoinSet;

use crate::process::Memory;
use crate::sample::{Metric, Sample};
use crate::servers::Server;
use crate::stats::percentile;

/// How long a server is loaded before it is measured, and how long it is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) warm: Duration,
    pub(crate) length: Duration,
}

/// What clients have done so far.
#[derive(Default)]
pub(crate) struct Counters {
    measuring: AtomicBool,
    bytes: AtomicU64,
    requests: AtomicU64,
    latencies: Mutex<Vec<f64>>,
}

impl Counters {
    /// Bytes of a body have arrived.
    pub(crate) fn bytes(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A request that began then is answered.
    pub(crate) fn answered(&self, since: Instant) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if self.measuring.load(Ordering::Relaxed) {
            let took = since.elapsed().as_secs_f64();
            self.latencies.lock().unwrap_or_else(PoisonError::into_inner).push(took);
        }
    }

    /// So many bytes and requests until now.
    fn now(&self) -> (u64, u64) {
        (self.bytes.load(Ordering::Relaxed), self.requests.load(Ordering::Relaxed))
    }

    /// Adds what requests took to a sample.
    fn percentiles(&self, sample: &mut Sample) {
        let mut latencies = self.latencies.lock().unwrap_or_else(PoisonError::into_inner);
        // A percentile of a handful is chance.
        for (metric, share, least) in [(Metric::P50, 0.5, 10), (Metric::P99, 0.99, 100)] {
            if latencies.len() < least {
                continue;
            }
            sample.extend(percentile(&mut latencies, share).map(|value| (metric, value)));
        }
    }
}

/// Watches the memory of a server until it is dropped.
pub(crate) struct MemoryWatch {
    most: Arc<Mutex<Memory>>,
    task: tokio::task::JoinHandle<()>,
}

impl MemoryWatch {
    /// From now on.
    pub(crate) fn of(server: &Server) -> Self {
        let processes = server.processes();
        let most = Arc::new(Mutex::new(Memory::default()));
        let seen = Arc::clone(&most);
        let task = tokio::spawn(async move {
            loop {
                if let Ok(memory) = crate::process::memory(&processes) {
                    let mut most = seen.lock().unwrap_or_else(PoisonError::into_inner);
                    most.anonymous = most.anonymous.max(memory.anonymous);
                    most.resident = most.resident.max(memory.resident);
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        Self { most, task }
    }

    /// Adds the most that was seen to a sample.
    pub(crate) fn add_to(&self, sample: &mut Sample) {
        let most = self.most.lock().unwrap_or_else(PoisonError::into_inner);
        sample.insert(Metric::PeakAnonymous, most.anonymous as f64);
        sample.insert(Metric::PeakResident, most.resident as f64);
    }
}

impl Drop for MemoryWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Lets so many clients work on a server for a while; a client that ends has failed.
pub(crate) async fn measure<C>(
    server: &Server,
    clients: usize,
    window: Window,
    client: impl Fn(usize, Arc<Counters>) -> C,
) -> anyhow::Result<Sample>
where
    C: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let counters = Arc::new(Counters::default());
    let mut running = JoinSet::new();
    for number in 0..clients {
        running.spawn(client(number, Arc::clone(&counters)));
    }
    let memory = MemoryWatch::of(server);
    let measured = async {
        tokio::time::sleep(window.warm).await;
        counters.measuring.store(true, Ordering::Relaxed);
        let before = (server.processor_time()?, counters.now(), Instant::now());
        tokio::time::sleep(window.length).await;
        let after = (server.processor_time()?, counters.now(), Instant::now());
        counters.measuring.store(false, Ordering::Relaxed);
        anyhow::Ok((before, after))
    };
    let (before, after) = tokio::select! {
        measured = measured => measured?,
        ended = running.join_next() => {
            ended.context("no client")???;
            anyhow::bail!("a client ended")
        }
    };
    running.shutdown().await;
    let bytes = after.1.0 - before.1.0;
    let requests = after.1.1 - before.1.1;
    let processor = after.0.saturating_sub(before.0);
    let mut sample = figures(bytes, requests, after.2 - before.2, processor);
    counters.percentiles(&mut sample);
    memory.add_to(&mut sample);
    Ok(sample)
}

/// The figures of so much work in so much time.
pub(crate) fn figures(bytes: u64, requests: u64, took: Duration, processor: Duration) -> Sample {
    let (took, processor) = (took.as_secs_f64(), processor.as_secs_f64());
    let mut sample = Sample::new();
    if bytes > 0 {
        sample.insert(Metric::Throughput, bytes as f64 / took);
        sample.insert(Metric::ProcessorPerGb, processor / (bytes as f64 / 1e9));
    }
    if requests > 0 {
        sample.insert(Metric::Requests, requests as f64 / took);
        sample.insert(Metric::ProcessorPerRequest, processor / requests as f64);
    }
    sample
}

/// What was counted were not requests, but images or blobs.
pub(crate) fn as_things(sample: &mut Sample) {
    let each = [
        (Metric::Requests, Metric::Things),
        (Metric::ProcessorPerRequest, Metric::ProcessorPerThing),
    ];
    for (of_requests, of_things) in each {
        if let Some(value) = sample.remove(&of_requests) {
            sample.insert(of_things, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_by_time_and_by_work() {
        let sample = figures(2_000_000_000, 4, Duration::from_secs(2), Duration::from_secs(1));
        assert!((sample[&Metric::Throughput] - 1e9).abs() < 1e-9);
        assert!((sample[&Metric::ProcessorPerGb] - 0.5).abs() < 1e-9);
        assert!((sample[&Metric::Requests] - 2.0).abs() < 1e-9);
        assert!((sample[&Metric::ProcessorPerRequest] - 0.25).abs() < 1e-9);
        assert!(figures(0, 0, Duration::from_secs(1), Duration::ZERO).is_empty());
    }
}
