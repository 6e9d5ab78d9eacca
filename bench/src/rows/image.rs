//! What `docker pull` asks for, by many clients at once.

use std::sync::Arc;
use std::time::Instant;

use anyhow::ensure;

use super::{Context, Outcome};
use crate::goal::Bound;
use crate::load::{Counters, measure};
use crate::sample::{Metric, Sample};
use crate::seed::{self, Image};
use crate::servers::{Endpoint, Kind, Server, token_request};

const CLIENTS: usize = 200;
const LAYER: u64 = 256 << 10;

/// What a client sends, one after the other, on a new connection for each image.
struct Pull {
    endpoint: Endpoint,
    /// The request for a token, where one is needed.
    token: Option<Vec<u8>>,
    /// Requests, and whether they need the header that takes manifests.
    paths: Vec<(String, bool)>,
}

pub(super) async fn run(context: &Context) -> anyhow::Result<Outcome> {
    let place = context.on_disk()?;
    let kinds = [Kind::Roadstead, Kind::Nginx, Kind::V3, Kind::V2, Kind::Zot];
    let servers = context.start(&kinds, &place).await?;
    let image = seed::image(5, LAYER);
    for server in &servers {
        seed::project(server).await?;
        seed::push(server, &image).await?;
    }
    let servers: Vec<&Server> = servers.iter().collect();
    let title = format!("pull of an image with 5 layers of 256 KiB, {CLIENTS} clients");
    let case = context
        .interleave(title, &servers, async |server| measured(context, server, &image).await)
        .await?;
    let peers = context.programs.of(&[Kind::V3, Kind::V2, Kind::Zot]);
    let judge = |with: &Kind| {
        let bound = Bound::AtLeast(2.0);
        case.judge(Kind::Roadstead.name(), with.name(), Metric::Things, bound)
    };
    let verdicts = peers.iter().map(judge).collect();
    let notes = vec![
        "A client connects, gets a token with name and password (Roadstead only: the others let \
         everybody in), the manifest by tag, the config and the layers, and closes the connection."
            .to_owned(),
    ];
    Ok(Outcome { cases: vec![case], verdicts, notes })
}

/// Images in a second, and the time that each took.
pub(crate) async fn measured(
    context: &Context,
    server: &Server,
    image: &Image,
) -> anyhow::Result<Sample> {
    let blobs = std::iter::once(&image.config).chain(&image.layers);
    let paths = blobs.map(|content| (seed::blob_path(&content.digest), false));
    let token = (server.kind == Kind::Roadstead).then(|| {
        let (path, basic) = token_request(&seed::pull_scope());
        server.endpoint.head(&format!("GET {path}"), &basic, None)
    });
    let pull = Arc::new(Pull {
        endpoint: server.endpoint.clone(),
        token,
        paths: std::iter::once((seed::manifest_path(), true)).chain(paths).collect(),
    });
    let client = |_, counters| repeat(Arc::clone(&pull), counters);
    let mut sample = measure(server, CLIENTS, context.window, client).await?;
    crate::load::as_things(&mut sample);
    sample.remove(&Metric::ProcessorPerGb);
    Ok(sample)
}

async fn repeat(pull: Arc<Pull>, counters: Arc<Counters>) -> anyhow::Result<()> {
    loop {
        let since = Instant::now();
        one(&pull, &counters).await?;
        counters.answered(since);
    }
}

async fn one(pull: &Pull, counters: &Counters) -> anyhow::Result<()> {
    let mut connection = pull.endpoint.connect().await?;
    let mut authorization = String::new();
    if let Some(head) = &pull.token {
        connection.send(head, &[]).await?;
        let answer = connection.answer().await?;
        let body = connection.collect(answer.body).await?;
        ensure!(answer.status == 200, "a token: {}", answer.status);
        let body: serde_json::Value = serde_json::from_slice(&body)?;
        let token = body["token"].as_str().unwrap_or_default();
        authorization = format!("Authorization: Bearer {token}\r\n");
    }
    for (path, is_manifest) in &pull.paths {
        let accept = if *is_manifest { seed::accept() } else { String::new() };
        let headers = format!("{authorization}{accept}");
        let head = pull.endpoint.head(&format!("GET {path}"), &headers, None);
        connection.send(&head, &[]).await?;
        let answer = connection.answer().await?;
        ensure!(answer.status == 200, "{path}: {}", answer.status);
        connection.discard(answer.body, |bytes| counters.bytes(bytes)).await?;
    }
    Ok(())
}
