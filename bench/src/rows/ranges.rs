//! Pieces of a very large blob, as clients ask for that pull in parallel or lazily.

use std::sync::Arc;

use super::{Context, Outcome};
use crate::content::Contents;
use crate::goal::Bound;
use crate::load::pull;
use crate::sample::Metric;
use crate::seed;
use crate::servers::{Kind, Server};

const PIECE: u64 = 8 << 20;

pub(super) async fn run(context: &Context) -> anyhow::Result<Outcome> {
    let place = context.on_disk()?;
    let servers = context.start(&[Kind::Roadstead, Kind::Nginx], &place).await?;
    let (name, size) = if context.quick { ("1 GiB", 1 << 30) } else { ("4 GiB", 4 << 30) };
    let blob = Contents::of_size(size).number(0);
    seed::project(&servers[0]).await?;
    seed::everywhere(&servers, &blob).await?;
    let servers: Vec<&Server> = servers.iter().collect();
    let path = seed::blob_path(&blob.digest);
    let title = format!("8 MiB ranges of a blob of {name}, 64 connections");
    let case = context
        .interleave(title, &servers, async |server| {
            let token = server.authorization(&seed::pull_scope()).await?;
            let pieces = size / PIECE;
            // Neighbours in time are far from each other in the blob.
            let heads = (0..pieces).map(|number| {
                let from = number * 37 % pieces * PIECE;
                let headers = format!("{token}Range: bytes={from}-{}\r\n", from + PIECE - 1);
                server.endpoint.head(&format!("GET {path}"), &headers, None)
            });
            let heads = Arc::new(heads.collect());
            pull::requests(server, 64, context.window, heads).await
        })
        .await?;
    let (ours, nginx) = (Kind::Roadstead.name(), Kind::Nginx.name());
    let verdict = case.judge(ours, nginx, Metric::Throughput, Bound::AtLeast(0.9));
    Ok(Outcome { cases: vec![case], verdicts: vec![verdict], notes: Vec::new() })
}
