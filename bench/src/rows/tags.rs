//! Pages of a long list of tags: the first and the last.

use std::fs;

use anyhow::{Context as _, ensure};

use super::{Context, Outcome};
use crate::content;
use crate::database;
use crate::goal::{Bound, Case};
use crate::load::pull;
use crate::sample::Metric;
use crate::seed::{self, REPOSITORY};
use crate::servers::{Kind, Server, Setup};

/// The last of them are t0000001 and so on in the order of names.
const TAGS: u64 = 100_000;

pub(super) async fn run(context: &Context) -> anyhow::Result<Outcome> {
    let place = context.in_memory()?;
    let image = seed::image(1, 4096);
    let mut servers = Vec::new();
    for server in context.start(&[Kind::Roadstead, Kind::V3], &place).await? {
        seed::project(&server).await?;
        seed::push(&server, &image).await?;
        servers.push(filled(context, server, &image.manifest).await?);
    }
    let last = format!("&last={}", name(TAGS - 101));
    let pages = [("first page", String::new()), ("last page", last)];
    let title = format!("tags/list?n=100 of {TAGS} tags, 4 connections");
    let mut case = Case::new(title);
    for round in 0..context.rounds {
        for turn in 0..servers.len() {
            let server = &servers[(round + turn) % servers.len()];
            for (page, from) in &pages {
                let path = format!("/v2/{REPOSITORY}/tags/list?n=100{from}");
                let headers = server.authorization(&seed::pull_scope()).await?;
                check(server, &path, &headers).await?;
                let mut sample = pull::stream(server, 4, context.window, &headers, &path).await?;
                sample.retain(|metric, _| {
                    ![Metric::Throughput, Metric::ProcessorPerGb].contains(metric)
                });
                case.add(&subject(server.kind, page), sample);
            }
        }
    }
    let [ours, first] = ["last page", "first page"].map(|page| subject(Kind::Roadstead, page));
    let theirs = subject(Kind::V3, "last page");
    let verdicts = vec![
        case.judge(&ours, &first, Metric::P50, Bound::AtMost(1.2)),
        case.judge(&ours, &theirs, Metric::Requests, Bound::AtLeast(20.0)),
    ];
    let notes = vec![
        "The tags are laid out as each server keeps them, rows or files, while it is stopped. All \
         data is in memory."
            .to_owned(),
    ];
    Ok(Outcome { cases: vec![case], verdicts, notes })
}

fn subject(kind: Kind, page: &str) -> String {
    format!("{}, {page}", kind.name())
}

fn name(number: u64) -> String {
    format!("t{number:07}")
}

/// Stops it, lays out the tags, and starts it again.
async fn filled(context: &Context, server: Server, manifest: &[u8]) -> anyhow::Result<Server> {
    let setup: Setup = server.setup();
    server.stop()?;
    if setup.kind == Kind::Roadstead {
        let tags = format!(
            "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {TAGS} - 1)
             INSERT INTO tag (repo_id, name, manifest_id, created_at, updated_at)
             SELECT m.repo_id, printf('t%07d', i), m.id, m.created_at, m.created_at
             FROM n, manifest m"
        );
        // The tag that was pushed would be one more, and come first.
        database::change(&setup.data, &[&tags, "DELETE FROM tag WHERE name = 'latest'"]).await?;
    } else {
        let repository = setup.data.join("docker/registry/v2/repositories").join(REPOSITORY);
        let tags = repository.join("_manifests/tags");
        ensure!(tags.is_dir(), "{} is laid out in another way", setup.kind.name());
        fs::remove_dir_all(tags.join(seed::TAG))?;
        for number in 0..TAGS {
            let current = tags.join(name(number)).join("current");
            fs::create_dir_all(&current)?;
            fs::write(current.join("link"), content::digest(manifest))?;
        }
    }
    setup.start(&context.programs).await
}

/// A page must have its hundred tags.
async fn check(server: &Server, path: &str, headers: &str) -> anyhow::Result<()> {
    let (answer, body) = server.endpoint.ask(&format!("GET {path}"), headers, b"").await?;
    ensure!(answer.status == 200, "{path}: {}", answer.status);
    let body: serde_json::Value = serde_json::from_slice(&body)?;
    let tags = body["tags"].as_array().context("tags")?;
    ensure!(tags.len() == 100, "{}: {path}: {} tags", server.kind.name(), tags.len());
    Ok(())
}
