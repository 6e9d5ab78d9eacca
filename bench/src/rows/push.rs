//! Pushes: a few large blobs, many small ones. Every server is new and empty in every round.

use tempfile::TempDir;

use super::{Context, Outcome};
use crate::content::{Content, Contents};
use crate::goal::{Bound, Case};
use crate::limit::{self, HASH_AND_WRITE, RECEIVE};
use crate::load::push;
use crate::sample::{Metric, Sample};
use crate::seed::{self, REPOSITORY};
use crate::servers::{Kind, Setup};

const OURS: Kind = Kind::Roadstead;

pub(super) async fn large(context: &Context) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    let contents = Contents::of_size(256 << 20);
    let alone = contents.number(0);
    for number in [1, if context.quick { 4 } else { 16 }] {
        let title = format!("push 256 MiB, {number} at once, in memory");
        let make = |round: u64| (0..number).map(|n| contents.number(round * 100 + n)).collect();
        let case = rounds(context, Place::Memory, title, number as usize, make, Some(&alone));
        let case = case.await?;
        for (with, bound) in [(Kind::V3, 1.3), (Kind::V2, 2.8)] {
            let bound = Bound::AtLeast(bound);
            let verdict = case.judge(OURS.name(), with.name(), Metric::Throughput, bound);
            outcome.verdicts.push(verdict);
        }
        for limit in [HASH_AND_WRITE, RECEIVE] {
            let bound = Bound::AtMost(1.15);
            let verdict = case.judge(OURS.name(), limit, Metric::ProcessorPerGb, bound);
            outcome.verdicts.push(verdict);
        }
        outcome.cases.push(case);
    }
    Ok(outcome)
}

pub(super) async fn small(context: &Context) -> anyhow::Result<Outcome> {
    many(context, Place::Memory, "push 1 000 blobs of 4 KiB, 16 at once, in memory", 16, 5.0).await
}

pub(super) async fn durable(context: &Context) -> anyhow::Result<Outcome> {
    many(context, Place::Disk, "push 1 000 blobs of 4 KiB, 64 at once, on disk", 64, 3.0).await
}

async fn many(
    context: &Context,
    place: Place,
    title: &str,
    clients: usize,
    times: f64,
) -> anyhow::Result<Outcome> {
    let contents = Contents::of_size(4096);
    let make = |round: u64| (0..1000).map(|n| contents.number(round * 1000 + n)).collect();
    let case = rounds(context, place, title.to_owned(), clients, make, None).await?;
    let bound = Bound::AtLeast(times);
    let verdict = case.judge(OURS.name(), Kind::V3.name(), Metric::Things, bound);
    Ok(Outcome { cases: vec![case], verdicts: vec![verdict], notes: Vec::new() })
}

#[derive(Clone, Copy)]
enum Place {
    Memory,
    Disk,
}

impl Place {
    fn make(self, context: &Context) -> anyhow::Result<TempDir> {
        match self {
            Self::Memory => context.in_memory(),
            Self::Disk => context.on_disk(),
        }
    }
}

async fn rounds(
    context: &Context,
    place: Place,
    title: String,
    clients: usize,
    make: impl Fn(u64) -> Vec<Content>,
    alone: Option<&Content>,
) -> anyhow::Result<Case> {
    let mut case = Case::new(title);
    let kinds = context.programs.of(&Kind::REGISTRIES);
    for round in 0..context.rounds {
        for turn in 0..kinds.len() {
            let kind = kinds[(round + turn) % kinds.len()];
            let sample = once(context, place, kind, clients, make(round as u64)).await?;
            case.add(kind.name(), sample);
        }
        if let Some(content) = alone {
            let directory = place.make(context)?;
            case.add(HASH_AND_WRITE, limit::hash_and_write(directory.path(), content)?);
            case.add(RECEIVE, limit::receive(directory.path(), content)?);
        }
    }
    Ok(case)
}

/// One server, from the start to the end.
async fn once(
    context: &Context,
    place: Place,
    kind: Kind,
    clients: usize,
    contents: Vec<Content>,
) -> anyhow::Result<Sample> {
    let directory = place.make(context)?;
    let server = Setup::new(kind, &directory.path().join("data")).start(&context.programs).await?;
    seed::project(&server).await?;
    // The first push of a server makes directories, and wakes what sleeps.
    seed::blobs(&server, &[Contents::of_size(100_000).number(1)]).await?;
    let of_small = contents.iter().all(|content| content.size() < 1 << 20);
    let mut sample = push::all(&server, clients, REPOSITORY, contents).await?;
    server.stop()?;
    // Of a few large ones the bytes matter, of many small ones the number.
    let beside = if of_small {
        [Metric::Throughput, Metric::ProcessorPerGb]
    } else {
        [Metric::Things, Metric::ProcessorPerThing]
    };
    sample.retain(|metric, _| !beside.contains(metric));
    Ok(sample)
}
