//! The peak while collection runs and somebody reads the audit log from end to end.

use std::sync::Arc;

use anyhow::ensure;
use tokio::task::JoinHandle;

use super::{Context, Outcome};
use crate::database;
use crate::goal::{Bound, Case};
use crate::load::pull;
use crate::sample::{Metric, Sample};
use crate::seed;
use crate::servers::{Endpoint, Kind, Server, Setup, token_request};

const QUIET: &str = "Roadstead, quiet";
const BUSY: &str = "Roadstead, collecting and scanned";
/// Garbage for some minutes at the rate that is the default.
const GARBAGE: u64 = 200_000;
const EVENTS: u64 = 100_000;

pub(super) async fn run(context: &Context) -> anyhow::Result<Outcome> {
    let place = context.on_disk()?;
    let image = seed::image(5, 4096);
    let mut servers = Vec::new();
    for (subject, garbage) in [(QUIET, 0), (BUSY, GARBAGE)] {
        let setup = Setup::new(Kind::Roadstead, &place.path().join(garbage.to_string()));
        servers.push((subject, prepared(context, setup, &image, garbage).await?));
    }
    let mut case = Case::new("manifest by tag, 64 connections");
    let before = left(&servers[1].1).await?;
    for round in 0..context.rounds {
        for turn in 0..servers.len() {
            let (subject, server) = &servers[(round + turn) % servers.len()];
            let is_busy = *subject == BUSY;
            case.add(subject, once(context, server, is_busy).await?);
        }
    }
    let after = left(&servers[1].1).await?;
    ensure!(after > 0 && after < before, "{before} rows, then {after}: no collection all the time");
    let verdict = case.judge(BUSY, QUIET, Metric::Requests, Bound::AtLeast(0.85));
    let notes = vec![format!(
        "Both have {EVENTS} events. Of {GARBAGE} blobs that nothing refers to, {} links and blobs \
         were collected meanwhile, at the default rate; one client read the log, page after page of 100.",
        before - after
    )];
    Ok(Outcome { cases: vec![case], verdicts: vec![verdict], notes })
}

async fn left(server: &Server) -> anyhow::Result<i64> {
    let left = "SELECT (SELECT COUNT(*) FROM repo_blob) + (SELECT COUNT(*) FROM blob)";
    database::number(&server.data, left).await
}

/// A server with an image, many events, and garbage, which is collected from the start on.
async fn prepared(
    context: &Context,
    setup: Setup,
    image: &seed::Image,
    garbage: u64,
) -> anyhow::Result<Server> {
    let server = setup.start(&context.programs).await?;
    seed::project(&server).await?;
    seed::push(&server, image).await?;
    server.stop()?;
    database::change(&setup.data, &[&event_rows()]).await?;
    if garbage > 0 {
        database::change(&setup.data, &[&garbage_rows(garbage)]).await?;
    }
    let mut setup = setup;
    setup.variables = vec![
        ("ROADSTEAD_JOB_INTERVAL".to_owned(), "1s".to_owned()),
        // It would find that the bytes of the garbage are not there.
        ("ROADSTEAD_SCRUB_INTERVAL".to_owned(), "off".to_owned()),
    ];
    setup.start(&context.programs).await
}

fn numbers(count: u64) -> String {
    format!("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})")
}

fn garbage_rows(count: u64) -> String {
    let numbers = numbers(count);
    let repository = "(SELECT MIN(id) FROM repository)";
    format!(
        "{numbers} INSERT INTO blob (id, digest, size, okey, verified_at, created_at)
             SELECT 100000 + i, 'sha256:' || printf('%064x', i), 1, 'b/' || printf('%02x', i % 256)
                 || '/01900000-0000-7000-8000-' || printf('%010x', i) || printf('%02x', i % 256),
                 0, 0 FROM n;
         INSERT INTO repo_blob (repo_id, blob_id, lease_until)
             SELECT {repository}, id, 0 FROM blob WHERE id > 100000;
         INSERT INTO project_blob (project_id, blob_id)
             SELECT (SELECT MIN(project_id) FROM repository), id FROM blob WHERE id > 100000;
         INSERT INTO gc_queue (kind, target_id, repo_id, not_before)
             SELECT 'link', blob_id, repo_id, 0 FROM repo_blob WHERE blob_id > 100000;
         UPDATE project_usage SET used = used + {count}
             WHERE project_id = (SELECT MIN(project_id) FROM repository)"
    )
}

fn event_rows() -> String {
    format!(
        "{} INSERT INTO audit_log
             (at, actor, address, request_id, project_id, resource_type, resource, operation)
         SELECT 1700000000000000 + i, 'admin', '127.0.0.1', 'one',
             (SELECT MIN(project_id) FROM repository), 'artifact', 'bench/image:t' || i, 'create'
         FROM n",
        numbers(EVENTS)
    )
}

async fn once(context: &Context, server: &Server, is_busy: bool) -> anyhow::Result<Sample> {
    let headers = server.authorization(&seed::pull_scope()).await? + &seed::accept();
    let scan = is_busy.then(|| Scan::of(&server.endpoint));
    let path = seed::manifest_path();
    let sample = pull::small(server, 64, context.window, &headers, &path).await?;
    if let Some(Scan(task)) = &scan {
        ensure!(!task.is_finished(), "the audit log cannot be read");
    }
    Ok(sample)
}

/// Somebody who reads the audit log until this is dropped.
struct Scan(JoinHandle<anyhow::Result<()>>);

impl Scan {
    fn of(endpoint: &Endpoint) -> Self {
        let endpoint = Arc::new(endpoint.clone());
        Self(tokio::spawn(async move {
            let (_, basic) = token_request("");
            let mut connection = endpoint.connect().await?;
            for page in (1..=EVENTS / 100).cycle() {
                let path = format!("GET /api/v2.0/auditlog-exts?page={page}&page_size=100");
                connection.send(&endpoint.head(&path, &basic, None), &[]).await?;
                let answer = connection.answer().await?;
                connection.discard(answer.body, |_| ()).await?;
                ensure!(answer.status == 200, "{path}: {}", answer.status);
            }
            Ok(())
        }))
    }
}

impl Drop for Scan {
    fn drop(&mut self) {
        self.0.abort();
    }
}
