//! From the start of the process to the first answer, and the memory that it has then.

use std::time::Duration;

use super::{Context, Outcome};
use crate::goal::{Bound, Case};
use crate::sample::{Metric, Sample};
use crate::seed;
use crate::servers::{Kind, Server, Setup};

pub(super) async fn run(context: &Context) -> anyhow::Result<Outcome> {
    let place = context.on_disk()?;
    let kinds = [Kind::Roadstead, Kind::Nginx, Kind::V3, Kind::V2, Kind::Zot];
    let servers = context.start(&kinds, &place).await?;
    let image = seed::image(2, 4096);
    for server in &servers {
        seed::project_that_is(server, "true").await?;
        seed::push(server, &image).await?;
    }
    let setups: Vec<Setup> = servers.iter().map(Server::setup).collect();
    servers.into_iter().try_for_each(Server::stop)?;
    let mut case = Case::new("start to the first 200, idle memory");
    for round in 0..context.rounds {
        for turn in 0..setups.len() {
            let setup = &setups[(round + turn) % setups.len()];
            case.add(setup.kind.name(), once(context, setup).await?);
        }
    }
    let (ours, theirs) = (Kind::Roadstead.name(), Kind::V2.name());
    let judge = |metric| case.judge(ours, theirs, metric, Bound::AtMost(1.0));
    let metrics = [Metric::Seconds, Metric::IdleAnonymous, Metric::IdleResident];
    let verdicts = metrics.map(judge).to_vec();
    let notes = vec![
        "The first 200 is that of a manifest which was pushed before (in a public project). Memory \
         is read two seconds later."
            .to_owned(),
    ];
    Ok(Outcome { cases: vec![case], verdicts, notes })
}

async fn once(context: &Context, setup: &Setup) -> anyhow::Result<Sample> {
    let request = format!("GET {}", seed::manifest_path());
    let accept = seed::accept();
    let (server, took) = setup.start_until(&context.programs, &request, &accept, Some(200)).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let memory = server.memory()?;
    server.stop()?;
    Ok(Sample::from([
        (Metric::Seconds, took.as_secs_f64()),
        (Metric::IdleAnonymous, memory.anonymous as f64),
        (Metric::IdleResident, memory.resident as f64),
    ]))
}
