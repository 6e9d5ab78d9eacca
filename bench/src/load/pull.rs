//! Clients that read.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tokio::task::JoinSet;

use super::{Counters, MemoryWatch, Window, figures, measure};
use crate::sample::{Metric, Sample};
use crate::servers::{Endpoint, Server};
use crate::wrk;

/// Reads these paths, each client one after the other and over again, on a connection of its own
/// that stays; `headers` are lines that end with CRLF.
pub(crate) async fn stream(
    server: &Server,
    connections: usize,
    window: Window,
    headers: &str,
    path: &str,
) -> anyhow::Result<Sample> {
    let head = server.endpoint.head(&format!("GET {path}"), headers, None);
    let heads = Arc::new(vec![head]);
    requests(server, connections, window, heads).await
}

/// The same by wrk, which reads 8 KiB at a time.
pub(crate) async fn stream_by_wrk(
    server: &Server,
    connections: usize,
    window: Window,
    headers: &str,
    path: &str,
) -> anyhow::Result<Sample> {
    let headers: Vec<String> = headers.lines().map(str::to_owned).collect();
    let url = server.endpoint.url(path);
    let memory = MemoryWatch::of(server);
    let (before, since) = (server.processor_time()?, Instant::now());
    let report = wrk::run(&url, &headers, connections, window.length).await?;
    let processor = server.processor_time()?.saturating_sub(before);
    let mut sample = figures(report.bytes as u64, report.requests, since.elapsed(), processor);
    // A percentile of a handful is chance.
    if report.requests >= 10 {
        sample.insert(Metric::P50, report.p50);
    }
    if report.requests >= 100 {
        sample.insert(Metric::P99, report.p99);
    }
    memory.add_to(&mut sample);
    Ok(sample)
}

/// Sends these heads, each client beginning with another one.
pub(crate) async fn requests(
    server: &Server,
    connections: usize,
    window: Window,
    heads: Arc<Vec<Vec<u8>>>,
) -> anyhow::Result<Sample> {
    let endpoint = server.endpoint.clone();
    measure(server, connections, window, move |number, counters| {
        repeat(endpoint.clone(), Arc::clone(&heads), number, counters)
    })
    .await
}

/// Sends these heads as [`requests`] does, for as long as something else is done; what they got, and
/// what came of that.
pub(crate) async fn beside<T>(
    server: &Server,
    connections: usize,
    heads: Arc<Vec<Vec<u8>>>,
    work: impl Future<Output = T>,
) -> anyhow::Result<(Sample, T)> {
    let counters = Arc::new(Counters::default());
    counters.measuring.store(true, Ordering::Relaxed);
    let mut running = JoinSet::new();
    for number in 0..connections {
        let (endpoint, heads) = (server.endpoint.clone(), Arc::clone(&heads));
        running.spawn(repeat(endpoint, heads, number, Arc::clone(&counters)));
    }
    let since = Instant::now();
    let done = tokio::select! {
        done = work => done,
        ended = running.join_next() => {
            ended.context("no client")???;
            anyhow::bail!("a client ended")
        }
    };
    let requests = counters.now().1 as f64 / since.elapsed().as_secs_f64();
    running.shutdown().await;
    let mut sample = Sample::from([(Metric::Requests, requests)]);
    counters.percentiles(&mut sample);
    Ok((sample, done))
}

async fn repeat(
    endpoint: Endpoint,
    heads: Arc<Vec<Vec<u8>>>,
    first: usize,
    counters: Arc<Counters>,
) -> anyhow::Result<()> {
    let mut connection = endpoint.connect().await?;
    for head in heads.iter().cycle().skip(first % heads.len()) {
        let since = Instant::now();
        connection.send(head, &[]).await?;
        let answer = connection.answer().await?;
        ensure!(matches!(answer.status, 200 | 206), "{}: {}", endpoint.address, answer.status);
        connection.discard(answer.body, |bytes| counters.bytes(bytes)).await?;
        counters.answered(since);
    }
    Ok(())
}

/// Small requests by wrk.
pub(crate) async fn small(
    server: &Server,
    connections: usize,
    window: Window,
    headers: &str,
    path: &str,
) -> anyhow::Result<Sample> {
    let headers: Vec<String> = headers.lines().map(str::to_owned).collect();
    let url = server.endpoint.url(path);
    // wrk counts from its first request on: the server is warmed by a run of its own.
    wrk::run(&url, &headers, connections, Duration::from_secs(1)).await?;
    let before = server.processor_time()?;
    let report = wrk::run(&url, &headers, connections, window.length).await?;
    let processor = server.processor_time()?.saturating_sub(before);
    Ok(Sample::from([
        (Metric::Requests, report.requests_per_second),
        (Metric::ProcessorPerRequest, processor.as_secs_f64() / report.requests as f64),
        (Metric::P50, report.p50),
        (Metric::P99, report.p99),
    ]))
}

/// Without the figures of requests: of large blobs too few end while it is measured.
pub(crate) fn of_bytes(mut sample: Sample) -> Sample {
    sample.remove(&Metric::Requests);
    sample.remove(&Metric::ProcessorPerRequest);
    sample
}
