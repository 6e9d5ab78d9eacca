//! A manifest by tag: what every pull begins with.

use super::{Context, Outcome};
use crate::goal::Bound;
use crate::load::pull;
use crate::sample::Metric;
use crate::seed;
use crate::servers::Kind;

const KINDS: [Kind; 5] = [Kind::Roadstead, Kind::Nginx, Kind::V3, Kind::V2, Kind::Zot];

pub(super) async fn run(context: &Context) -> anyhow::Result<Outcome> {
    let place = context.on_disk()?;
    let servers = context.start(&KINDS, &place).await?;
    let image = seed::image(5, 4096);
    for server in &servers {
        seed::project(server).await?;
        seed::push(server, &image).await?;
    }
    let servers: Vec<_> = servers.iter().collect();
    let title = "manifest by tag, 64 connections";
    let case = context
        .interleave(title, &servers, async |server| {
            let headers = server.authorization(&seed::pull_scope()).await? + &seed::accept();
            let path = seed::manifest_path();
            pull::small(server, 64, context.window, &headers, &path).await
        })
        .await?;
    let ours = Kind::Roadstead.name();
    let judge = |with: Kind, bound| case.judge(ours, with.name(), Metric::Requests, bound);
    let verdicts = vec![
        judge(Kind::Nginx, Bound::AtLeast(0.60)),
        judge(Kind::V3, Bound::AtLeast(10.0)),
        judge(Kind::V2, Bound::AtLeast(45.0)),
    ];
    let notes = vec![format!(
        "The manifest has {} bytes. Roadstead verifies a Bearer token for a private project; the \
         others let everybody in.",
        image.manifest.len()
    )];
    Ok(Outcome { cases: vec![case], verdicts, notes })
}
