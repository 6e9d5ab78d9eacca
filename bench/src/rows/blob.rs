//! Large blobs that are in the page cache.

use super::{Context, Outcome};
use crate::content::Contents;
use crate::goal::{Bound, Case, Verdict};
use crate::load::pull;
use crate::sample::Metric;
use crate::seed;
use crate::servers::{Kind, Server};

const SIZES: [(&str, u64); 2] = [("64 MiB", 64 << 20), ("1 GiB", 1 << 30)];

/// Who reads, and how much at once: on a loopback that decides much of what sending costs.
#[derive(Clone, Copy)]
enum Reader {
    Wrk,
    Own,
}

pub(super) async fn run(context: &Context) -> anyhow::Result<Outcome> {
    let place = context.on_disk()?;
    let kinds = [Kind::Roadstead, Kind::Nginx, Kind::V3, Kind::V2, Kind::Zot];
    let servers = context.start(&kinds, &place).await?;
    for server in &servers {
        seed::project(server).await?;
    }
    let mut outcome = Outcome::default();
    for (size, bytes) in SIZES {
        let blob = Contents::of_size(bytes).number(0);
        seed::everywhere(&servers, &blob).await?;
        let path = seed::blob_path(&blob.digest);
        for connections in [1, 16, 64] {
            let title = format!("blob of {size}, {connections} connections");
            let case = measured(context, &servers, title, connections, &path, Reader::Wrk).await?;
            outcome.verdicts.extend(judge(&case, connections));
            outcome.cases.push(case);
        }
        if bytes == SIZES[0].1 {
            let title = format!("blob of {size}, 64 connections that read 256 KiB at once");
            let case = measured(context, &servers, title, 64, &path, Reader::Own).await?;
            outcome.verdicts.extend(judge(&case, 64));
            outcome.cases.push(case);
        }
    }
    outcome.notes.push(
        "Before it is measured, every server's blob is read once and compared with its digest. \
         nginx serves the very files of Roadstead's data directory (hard links)."
            .to_owned(),
    );
    Ok(outcome)
}

async fn measured(
    context: &Context,
    servers: &[Server],
    title: String,
    connections: usize,
    path: &str,
    reader: Reader,
) -> anyhow::Result<Case> {
    // The goal against the other registries is at 64.
    let all = |server: &&Server| {
        connections == 64 || [Kind::Roadstead, Kind::Nginx].contains(&server.kind)
    };
    let servers: Vec<&Server> = servers.iter().filter(all).collect();
    let measure = async |server: &Server| {
        let headers = server.authorization(&seed::pull_scope()).await?;
        let sample = match reader {
            Reader::Wrk => {
                pull::stream_by_wrk(server, connections, context.window, &headers, path).await
            }
            Reader::Own => pull::stream(server, connections, context.window, &headers, path).await,
        };
        sample.map(pull::of_bytes)
    };
    context.interleave(title, &servers, measure).await
}

fn judge(case: &Case, connections: usize) -> Vec<Verdict> {
    let judge =
        |with: Kind, metric, bound| case.judge(Kind::Roadstead.name(), with.name(), metric, bound);
    let faster = if connections == 1 { 1.0 } else { 1.3 };
    let mut verdicts = vec![judge(Kind::Nginx, Metric::Throughput, Bound::AtLeast(faster))];
    if connections > 1 {
        verdicts.push(judge(Kind::Nginx, Metric::ProcessorPerGb, Bound::AtMost(0.85)));
    }
    if connections == 64 {
        verdicts.push(judge(Kind::V3, Metric::Throughput, Bound::AtLeast(2.0)));
    }
    verdicts
}
