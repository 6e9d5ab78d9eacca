//! Blobs over TLS 1.3: nginx with OpenSSL, Roadstead with its own.

use std::sync::Arc;

use super::{Context, Outcome};
use crate::content::Contents;
use crate::goal::Bound;
use crate::load::pull;
use crate::sample::Metric;
use crate::seed;
use crate::servers::{Certificate, Kind, Server, Setup};

pub(super) async fn run(context: &Context) -> anyhow::Result<Outcome> {
    let place = context.on_disk()?;
    let certificate = Arc::new(Certificate::make(place.path())?);
    let mut servers = Vec::new();
    for kind in [Kind::Roadstead, Kind::Nginx] {
        let mut setup = Setup::new(kind, &place.path().join(kind.name()));
        setup.tls = Some(Arc::clone(&certificate));
        servers.push(setup.start(&context.programs).await?);
    }
    let blob = Contents::of_size(64 << 20).number(0);
    seed::project(&servers[0]).await?;
    seed::everywhere(&servers, &blob).await?;
    let servers: Vec<&Server> = servers.iter().collect();
    let path = seed::blob_path(&blob.digest);
    let mut outcome = Outcome::default();
    for connections in [16, 64] {
        let title = format!("blob of 64 MiB over TLS, {connections} connections");
        let case = context
            .interleave(title, &servers, async |server| {
                let headers = server.authorization(&seed::pull_scope()).await?;
                let load = pull::stream(server, connections, context.window, &headers, &path);
                load.await.map(pull::of_bytes)
            })
            .await?;
        let judge =
            |metric, bound| case.judge(Kind::Roadstead.name(), Kind::Nginx.name(), metric, bound);
        outcome.verdicts.push(judge(Metric::Throughput, Bound::AtLeast(1.25)));
        outcome.verdicts.push(judge(Metric::ProcessorPerGb, Bound::AtMost(0.8)));
        outcome.cases.push(case);
    }
    let note = "TLS 1.3 on both sides, one certificate with a key on P-256; the client decrypts on \
                the same cores.";
    outcome.notes.push(note.to_owned());
    Ok(outcome)
}
