//! The memory that a thousand transfers at once take.

use super::{Context, Outcome};
use crate::content::Contents;
use crate::goal::{Bound, Case};
use crate::load::{Window, pull};
use crate::sample::{Metric, Sample};
use crate::seed;
use crate::servers::{Kind, Server, Setup};

pub(super) async fn run(context: &Context) -> anyhow::Result<Outcome> {
    let place = context.on_disk()?;
    let connections = if context.quick { 300 } else { 1000 };
    let kinds = [Kind::Roadstead, Kind::Nginx, Kind::V3, Kind::V2, Kind::Zot];
    let servers = context.start(&kinds, &place).await?;
    let blob = Contents::of_size(64 << 20).number(0);
    for server in &servers {
        seed::project(server).await?;
    }
    seed::everywhere(&servers, &blob).await?;
    let path = seed::blob_path(&blob.digest);
    // What they had for this must not be what they keep of something else.
    let setups: Vec<Setup> = servers.iter().map(Server::setup).collect();
    servers.into_iter().try_for_each(Server::stop)?;
    let mut case = Case::new(format!("{connections} connections pulling 64 MiB"));
    let window = Window { warm: std::time::Duration::from_secs(1), ..context.window };
    for round in 0..context.rounds.min(3) {
        for turn in 0..setups.len() {
            let setup = &setups[(round + turn) % setups.len()];
            let server = setup.start(&context.programs).await?;
            let headers = server.authorization(&seed::pull_scope()).await?;
            let sample = pull::stream(&server, connections, window, &headers, &path).await?;
            case.add(setup.kind.name(), relevant(sample));
            server.stop()?;
        }
    }
    let (ours, theirs) = (Kind::Roadstead.name(), Kind::V3.name());
    let verdicts = vec![
        case.judge(ours, theirs, Metric::PeakAnonymous, Bound::AtMost(0.5)),
        case.judge(ours, theirs, Metric::PeakResident, Bound::AtMost(0.5)),
    ];
    let notes = vec![
        "Each server is new in each round. RssAnon is the memory that belongs to the process; RSS \
         has pages of files as well, which the kernel takes back when it needs them."
            .to_owned(),
    ];
    Ok(Outcome { cases: vec![case], verdicts, notes })
}

fn relevant(mut sample: Sample) -> Sample {
    let wanted =
        [Metric::Throughput, Metric::ProcessorPerGb, Metric::PeakAnonymous, Metric::PeakResident];
    sample.retain(|metric, _| wanted.contains(metric));
    sample
}
