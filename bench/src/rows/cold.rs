//! Other requests while cold files are pulled from a slow disk.

use std::sync::Arc;

use anyhow::ensure;
use tokio::task::JoinHandle;

use super::{Context, Outcome, small_pulls};
use crate::content::{Content, Contents};
use crate::goal::{Bound, Case};
use crate::load::pull;
use crate::sample::{Metric, Sample};
use crate::seed;
use crate::servers::{Endpoint, Kind, Server, Setup};
use crate::throttle::{self, Throttle};

/// What the server may read from its disk in a second, in bytes.
const RATE: u64 = 200_000_000;
/// How large the blobs are that are cold; there are so many clients as blobs.
const SIZE: u64 = 512 << 20;
const COLD: u64 = 4;
/// Clients whose requests are looked at.
const OTHERS: usize = 4;

pub(super) async fn run(context: &Context) -> anyhow::Result<Outcome> {
    let place = context.on_disk()?;
    let kinds = [Kind::Roadstead, Kind::Nginx, Kind::V3, Kind::V2];
    let servers = context.start(&kinds, &place).await?;
    let (image, contents) = (seed::image(2, 64 << 10), Contents::of_size(SIZE));
    let cold: Vec<Content> = (0..COLD).map(|number| contents.number(number)).collect();
    for server in &servers {
        seed::project(server).await?;
        seed::push(server, &image).await?;
    }
    for content in &cold {
        seed::everywhere(&servers, content).await?;
    }
    let setups: Vec<Setup> = servers.iter().map(Server::setup).collect();
    servers.into_iter().try_for_each(Server::stop)?;
    let mut unlimited = None;
    let mut case = Case::new(format!("{OTHERS} others, disk limited to 200 MB/s"));
    for round in 0..context.rounds {
        for turn in 0..setups.len() {
            let setup = &setups[(round + turn) % setups.len()];
            let ([quiet, busy], limited) = once(context, setup, &image, &cold).await?;
            unlimited = limited.err().or(unlimited);
            case.add(&format!("{}, nothing cold", setup.kind.name()), quiet);
            case.add(setup.kind.name(), busy);
        }
    }
    let bound = Bound::AtMost(0.010);
    let verdict = case.judge_figure(Kind::Roadstead.name(), Metric::P99, bound);
    let mut notes = vec![format!(
        "{COLD} clients pull blobs of {} MiB that are not in the page cache; throughput is what all \
         clients got together. {OTHERS} others ask, one request after the other, for a manifest and \
         a warm blob of 64 KiB in turns: p50, p99 and requests/s are theirs. The limit is one of a \
         control group around each server.",
        SIZE >> 20
    )];
    if let Some(error) = unlimited {
        // The throughput tells what the disk gave instead.
        notes.push(format!("**The disk could not be limited here: {error:#}.**"));
    }
    Ok(Outcome { cases: vec![case], verdicts: vec![verdict], notes })
}

/// Without, and with cold files that are pulled; and whether the disk could be limited.
async fn once(
    context: &Context,
    setup: &Setup,
    image: &seed::Image,
    cold: &[Content],
) -> anyhow::Result<([Sample; 2], anyhow::Result<()>)> {
    let server = setup.start(&context.programs).await?;
    let throttle = Throttle::put(&server.processes(), &setup.data, RATE);
    let quiet = others(context, &server, image).await?;
    throttle::forget(&setup.data, SIZE)?;
    let puller = Puller::of(&server, cold).await?;
    let busy = others(context, &server, image).await?;
    let got = puller.got.load(std::sync::atomic::Ordering::Relaxed);
    ensure!(got > 0, "nothing cold was pulled: {}", server.said());
    let took = puller.since.elapsed().as_secs_f64();
    let mut busy = busy;
    busy.insert(Metric::Throughput, got as f64 / took);
    drop(puller);
    server.stop()?;
    let limited = throttle.map(drop);
    Ok(([quiet, busy], limited))
}

async fn others(context: &Context, server: &Server, image: &seed::Image) -> anyhow::Result<Sample> {
    let heads = small_pulls(server, image).await?;
    let mut sample = pull::requests(server, OTHERS, context.window, heads).await?;
    sample.retain(|metric, _| [Metric::P50, Metric::P99, Metric::Requests].contains(metric));
    Ok(sample)
}

/// Clients that pull cold blobs until this is dropped, or the blobs have ended.
struct Puller {
    tasks: Vec<JoinHandle<anyhow::Result<()>>>,
    got: Arc<std::sync::atomic::AtomicU64>,
    since: std::time::Instant,
}

impl Puller {
    async fn of(server: &Server, cold: &[Content]) -> anyhow::Result<Self> {
        let token = server.authorization(&seed::pull_scope()).await?;
        let got = Arc::default();
        let start = |content: &Content| {
            let path = format!("GET {}", seed::blob_path(&content.digest));
            let head = server.endpoint.head(&path, &token, None);
            tokio::spawn(pull_once(server.endpoint.clone(), head, Arc::clone(&got)))
        };
        let tasks = cold.iter().map(start).collect();
        Ok(Self { tasks, got, since: std::time::Instant::now() })
    }
}

async fn pull_once(
    endpoint: Endpoint,
    head: Vec<u8>,
    got: Arc<std::sync::atomic::AtomicU64>,
) -> anyhow::Result<()> {
    let mut connection = endpoint.connect().await?;
    connection.send(&head, &[]).await?;
    let answer = connection.answer().await?;
    ensure!(answer.status == 200, "a cold blob: {}", answer.status);
    let count = |bytes| {
        got.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
    };
    connection.discard(answer.body, count).await
}

impl Drop for Puller {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
