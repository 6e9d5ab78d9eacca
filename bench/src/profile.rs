//! Where the time of a server goes: `make profile`.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::process::Command;

use crate::content::Contents;
use crate::load::{Window, pull, push};
use crate::rows::{self, Context};
use crate::seed::{self, REPOSITORY};
use crate::servers::{Kind, Server, Setup};

/// Rows whose load can be looked into.
pub(crate) const LOADS: [&str; 5] = ["manifest", "blob", "push-large", "push-small", "image"];

/// How long the server is watched.
const TIME: Duration = Duration::from_secs(8);

/// Draws a flame graph of the server under the load of a row; returns where it is.
pub(crate) async fn draw(mut context: Context, row: &str) -> anyhow::Result<PathBuf> {
    ensure!(LOADS.contains(&row), "no load is called {row}: there are {LOADS:?}");
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let directory = repository.join("target/profile");
    std::fs::create_dir_all(&directory)?;
    context.window = Window { warm: Duration::from_millis(500), length: TIME };
    let place = if row.starts_with("push") { context.in_memory()? } else { context.on_disk()? };
    let setup = Setup::new(Kind::Roadstead, &place.path().join("data"));
    let server = setup.start(&context.programs).await?;
    seed::project(&server).await?;
    let recorded = directory.join(row).with_extension("perf");
    let load = load(&context, &server, row);
    let perf = record(&server, &recorded);
    let (loaded, perf) = tokio::join!(load, perf);
    loaded?;
    perf?;
    server.stop()?;
    let graph = directory.join(row).with_extension("svg");
    flame_graph(&repository.join("target/tools/bin"), &recorded, &graph, row).await?;
    Ok(graph.canonicalize()?)
}

/// Makes the load; the rest of the watched time, if there is one, is idle and draws nothing.
async fn load(context: &Context, server: &Server, row: &str) -> anyhow::Result<()> {
    match row {
        "manifest" => {
            seed::push(server, &seed::image(5, 4096)).await?;
            let headers = server.authorization(&seed::pull_scope()).await? + &seed::accept();
            pull::small(server, 64, context.window, &headers, &seed::manifest_path()).await?;
        }
        "blob" => {
            let blob = Contents::of_size(64 << 20).number(0);
            seed::blobs(server, std::slice::from_ref(&blob)).await?;
            let headers = server.authorization(&seed::pull_scope()).await?;
            let path = seed::blob_path(&blob.digest);
            pull::stream(server, 64, context.window, &headers, &path).await?;
        }
        "push-large" => {
            let contents = Contents::of_size(256 << 20);
            let contents = (0..16).map(|number| contents.number(number)).collect();
            push::all(server, 16, REPOSITORY, contents).await?;
        }
        "push-small" => {
            let contents = Contents::of_size(4096);
            let contents = (0..5000).map(|number| contents.number(number)).collect();
            push::all(server, 16, REPOSITORY, contents).await?;
        }
        _ => {
            let image = seed::image(5, 256 << 10);
            seed::push(server, &image).await?;
            rows::image::measured(context, server, &image).await?;
        }
    }
    Ok(())
}

async fn record(server: &Server, into: &Path) -> anyhow::Result<()> {
    let processes: Vec<String> = server.processes().iter().map(u32::to_string).collect();
    let mut command = Command::new("perf");
    command.args(["record", "-q", "-F", "499", "-g", "-p", &processes.join(","), "-o"]).arg(into);
    command.args(["--", "sleep", &TIME.as_secs().to_string()]);
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await;
    let output = output.context("perf, which `make profile` installs")?;
    if !output.status.success() {
        bail!("perf: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// Stacks that perf has recorded become a picture.
async fn flame_graph(tools: &Path, from: &Path, to: &Path, title: &str) -> anyhow::Result<()> {
    let script = r#"perf script -i "$1" 2>/dev/null | "$3/inferno-collapse-perf" \
        | "$3/inferno-flamegraph" --title "$4" > "$2""#;
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(from).arg(to).arg(tools).arg(title);
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await?;
    let drawn = std::fs::metadata(to).is_ok_and(|about| about.len() > 0);
    ensure!(output.status.success() && drawn, "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
