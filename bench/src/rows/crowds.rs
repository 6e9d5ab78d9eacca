//! What others notice of many who come at once: pushes, logins.

use std::future::Future;
use std::time::Instant;

use anyhow::ensure;
use serde_json::json;
use tokio::task::JoinSet;

use super::{Context, Outcome, small_pulls};
use crate::content::Contents;
use crate::goal::{Bound, Case};
use crate::load::{pull, push};
use crate::sample::{Metric, Sample};
use crate::seed::{self, Image, REPOSITORY};
use crate::servers::{Endpoint, Kind, Server, Setup, basic, token_request};

/// Who comes at once.
const CROWD: usize = 200;
/// What each of them pushes.
const BLOBS: u64 = 10;
const SIZE: u64 = 1 << 20;
/// Who logs in, each with a password of its own; four clients of each come at once.
const USERS: usize = 50;
/// Clients whose requests are looked at.
const OTHERS: usize = 4;

pub(super) async fn pushes(context: &Context) -> anyhow::Result<Outcome> {
    let mut case = Case::new(format!("4 others, {CROWD} clients push {BLOBS} blobs of 1 MiB each"));
    let kinds = context.programs.of(&Kind::REGISTRIES);
    let (image, contents) = (seed::image(2, 64 << 10), Contents::of_size(SIZE));
    for round in 0..context.rounds {
        for turn in 0..kinds.len() {
            let kind = kinds[(round + turn) % kinds.len()];
            let place = context.in_memory()?;
            let setup = Setup::new(kind, &place.path().join("data"));
            let server = setup.start(&context.programs).await?;
            prepare(&server, &image).await?;
            let first = round as u64 * 10_000;
            let all = (0..CROWD as u64 * BLOBS).map(|n| contents.number(first + n)).collect();
            let work = push::all(&server, CROWD, REPOSITORY, all);
            let (mut sample, pushed) = others(&server, &image, work).await?;
            let pushed = pushed?;
            for metric in [Metric::Things, Metric::PeakAnonymous] {
                sample.extend(pushed.get(&metric).map(|value| (metric, *value)));
            }
            case.add(kind.name(), sample);
            server.stop()?;
        }
    }
    let (ours, theirs) = (Kind::Roadstead.name(), Kind::V3.name());
    let verdicts = vec![
        case.judge(ours, theirs, Metric::P50, Bound::AtMost(1.0)),
        case.judge(ours, theirs, Metric::Things, Bound::AtLeast(1.0)),
    ];
    let notes = vec![format!(
        "{OTHERS} clients ask, one request after the other, for a manifest and a blob of 64 KiB in turns: \
         p50, p99 and requests/s are theirs. Blobs per second are the crowd's. Every server is new in \
         each round, with its data in memory."
    )];
    Ok(Outcome { cases: vec![case], verdicts, notes })
}

pub(super) async fn logins(context: &Context) -> anyhow::Result<Outcome> {
    const QUIET: &str = "Roadstead, quiet";
    const BUSY: &str = "Roadstead, logins";
    let place = context.on_disk()?;
    let setup = Setup::new(Kind::Roadstead, &place.path().join("data"));
    let image = seed::image(2, 64 << 10);
    let server = setup.start(&context.programs).await?;
    prepare(&server, &image).await?;
    for number in 0..USERS {
        make_user(&server, number).await?;
    }
    server.stop()?;
    let mut case = Case::new(format!("4 others, {CROWD} clients log in at once as {USERS} users"));
    for _ in 0..context.rounds {
        // A new process remembers no password.
        let server = setup.start(&context.programs).await?;
        let (quiet, ()) = others(&server, &image, async {
            tokio::time::sleep(context.window.length).await;
        })
        .await?;
        let (mut busy, took) = others(&server, &image, log_in(&server.endpoint)).await?;
        busy.insert(Metric::Seconds, took?);
        case.add(QUIET, quiet);
        case.add(BUSY, busy);
        server.stop()?;
    }
    let verdicts = vec![case.judge_figure(BUSY, Metric::P99, Bound::AtMost(0.010))];
    let notes = vec![format!(
        "Each login is a request for a token on a new connection, with a name and a password that the \
         server has not seen since it started, so that each user's is compared with its hash (argon2id, \
         19 MiB, two passes); time is that of all of them. {OTHERS} others ask as above."
    )];
    Ok(Outcome { cases: vec![case], verdicts, notes })
}

async fn prepare(server: &Server, image: &Image) -> anyhow::Result<()> {
    seed::project(server).await?;
    seed::push(server, image).await
}

/// What others get while something else is done, and what comes of that.
async fn others<T>(
    server: &Server,
    image: &Image,
    work: impl Future<Output = T>,
) -> anyhow::Result<(Sample, T)> {
    pull::beside(server, OTHERS, small_pulls(server, image).await?, work).await
}

fn name(number: usize) -> String {
    format!("user-{number}")
}

fn password(number: usize) -> String {
    format!("Measuring-{number}")
}

async fn make_user(server: &Server, number: usize) -> anyhow::Result<()> {
    let (_, administrator) = token_request("");
    let headers = format!("{administrator}Content-Type: application/json\r\n");
    let name = name(number);
    let user = json!({
        "username": name, "realname": name, "email": format!("{name}@example.com"),
        "password": password(number),
    });
    let body = user.to_string();
    let made = server.endpoint.ask("POST /api/v2.0/users", &headers, body.as_bytes()).await?;
    ensure!(made.0.status == 201, "{name}: {}", made.0.status);
    Ok(())
}

/// Everybody at once; how long it took until the last was let in, in seconds.
async fn log_in(endpoint: &Endpoint) -> anyhow::Result<f64> {
    let since = Instant::now();
    let mut running = JoinSet::new();
    for client in 0..CROWD {
        let (endpoint, user) = (endpoint.clone(), client % USERS);
        running.spawn(async move {
            let credentials = basic(&name(user), &password(user));
            let path = "GET /service/token?service=harbor-registry";
            let (answer, _) = endpoint.ask(path, &credentials, b"").await?;
            ensure!(answer.status == 200, "a login: {}", answer.status);
            anyhow::Ok(())
        });
    }
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    Ok(since.elapsed().as_secs_f64())
}
