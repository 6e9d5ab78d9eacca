//! The rows of the table of goals, each of which can be measured alone.

mod background;
mod blob;
mod cold;
mod crowds;
mod herd;
pub(crate) mod image;
mod manifest;
mod push;
mod ranges;
mod start;
mod tags;
mod tls;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::goal::{Case, Verdict};
use crate::load::Window;
use crate::sample::Sample;
use crate::seed;
use crate::servers::{Kind, Programs, Server, Setup};

/// The rows by name, with what is measured.
pub(crate) const ROWS: &[(&str, &str)] = &[
    ("manifest", "manifest by tag, 64 connections"),
    ("blob", "blobs of 64 MiB and 1 GiB, plain, warm"),
    ("cold", "other requests while cold files are pulled from a slow disk"),
    ("tls", "blobs of 64 MiB over TLS"),
    ("ranges", "8 MiB ranges of a blob of 4 GiB, 64 connections"),
    ("push-large", "push 256 MiB, one and 16 at once, in memory"),
    ("push-small", "push 1 000 blobs of 4 KiB, 16 at once, in memory"),
    ("push-durable", "push 1 000 blobs of 4 KiB, 64 at once, on disk"),
    ("image", "what docker pull asks for, 200 clients"),
    ("tags", "a page of 100 at the end of 100 000 tags"),
    ("start", "start to the first 200, idle memory"),
    ("herd", "memory at 1 000 connections pulling 64 MiB"),
    ("pushes", "200 pushes at once, and what others notice of them"),
    ("logins", "200 logins at once, and what others notice of them"),
    ("background", "the peak with collection and a scan of the audit log running"),
];

/// What came of a row.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) cases: Vec<Case>,
    pub(crate) verdicts: Vec<Verdict>,
    /// What a reader must know beside.
    pub(crate) notes: Vec<String>,
}

/// What every row needs.
pub(crate) struct Context {
    pub(crate) programs: Programs,
    /// A file system in memory, and the disk.
    memory: TempDir,
    disk: TempDir,
    pub(crate) quick: bool,
    pub(crate) rounds: usize,
    pub(crate) window: Window,
}

impl Context {
    /// With directories of its own, which go when it goes.
    pub(crate) fn new(quick: bool, rounds: Option<usize>) -> anyhow::Result<Self> {
        let target = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/bench");
        std::fs::create_dir_all(&target)?;
        let directory = |place: &std::path::Path| {
            let made = tempfile::Builder::new().prefix("roadstead-bench-").tempdir_in(place);
            made.with_context(|| place.display().to_string())
        };
        let window = Window {
            warm: Duration::from_millis(500),
            length: Duration::from_secs(if quick { 1 } else { 3 }),
        };
        Ok(Self {
            programs: Programs::find()?,
            memory: directory("/dev/shm".as_ref())?,
            disk: directory(&target.canonicalize()?)?,
            quick,
            rounds: rounds.unwrap_or(if quick { 3 } else { 5 }),
            window,
        })
    }

    /// A new directory in memory.
    pub(crate) fn in_memory(&self) -> anyhow::Result<TempDir> {
        Ok(tempfile::tempdir_in(&self.memory)?)
    }

    /// A new directory on the disk.
    pub(crate) fn on_disk(&self) -> anyhow::Result<TempDir> {
        Ok(tempfile::tempdir_in(&self.disk)?)
    }

    /// Starts each of these that is there, with its data in a directory of its name.
    pub(crate) async fn start(
        &self,
        kinds: &[Kind],
        place: &TempDir,
    ) -> anyhow::Result<Vec<Server>> {
        let mut servers = Vec::new();
        for kind in self.programs.of(kinds) {
            let setup = Setup::new(kind, &place.path().join(kind.name().replace(' ', "-")));
            servers.push(setup.start(&self.programs).await?);
        }
        Ok(servers)
    }

    /// Measures every server once in each round, in turns; the next round begins with another one.
    pub(crate) async fn interleave(
        &self,
        title: impl Into<String>,
        servers: &[&Server],
        measure: impl AsyncFn(&Server) -> anyhow::Result<Sample>,
    ) -> anyhow::Result<Case> {
        let mut case = Case::new(title);
        for round in 0..self.rounds {
            for turn in 0..servers.len() {
                let server = servers[(round + turn) % servers.len()];
                let sample = measure(server).await;
                let sample = sample.with_context(|| {
                    format!("{}: {}: {}", case.title, server.kind.name(), server.said())
                })?;
                case.add(server.kind.name(), sample);
            }
        }
        Ok(case)
    }
}

/// Requests for an image's manifest and for its first layer.
async fn small_pulls(server: &Server, image: &seed::Image) -> anyhow::Result<Arc<Vec<Vec<u8>>>> {
    let token = server.authorization(&seed::pull_scope()).await?;
    let head = |path: &str, more: &str| {
        server.endpoint.head(&format!("GET {path}"), &format!("{token}{more}"), None)
    };
    let blob = seed::blob_path(&image.layers[0].digest);
    Ok(Arc::new(vec![head(&seed::manifest_path(), &seed::accept()), head(&blob, "")]))
}

/// Measures a row.
pub(crate) async fn run(context: &Context, name: &str) -> anyhow::Result<Outcome> {
    match name {
        "manifest" => manifest::run(context).await,
        "blob" => blob::run(context).await,
        "cold" => cold::run(context).await,
        "tls" => tls::run(context).await,
        "ranges" => ranges::run(context).await,
        "push-large" => push::large(context).await,
        "push-small" => push::small(context).await,
        "push-durable" => push::durable(context).await,
        "image" => image::run(context).await,
        "tags" => tags::run(context).await,
        "start" => start::run(context).await,
        "herd" => herd::run(context).await,
        "pushes" => crowds::pushes(context).await,
        "logins" => crowds::logins(context).await,
        "background" => background::run(context).await,
        _ => anyhow::bail!("no row is called {name}"),
    }
}
