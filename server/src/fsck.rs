//! `roadstead fsck`.

use std::io::IsTerminal as _;
use std::io::Write as _;
use std::num::NonZeroU64;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use roadstead_model::{BlobId, SystemClock};
use roadstead_registry::fsck::{self, Check, Options, Progress, Report, Subset};
use roadstead_storage::{Blobs, Db};

use crate::backup::patient;
use crate::config::Config;
use crate::data_dir::DataDir;

/// The check could not run, or not to its end.
pub(crate) const NOT_RUN: u8 = 2;

/// The command's arguments.
// Each is a switch of the command line.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct Arguments {
    /// Read blobs and compare their digests, too.
    #[arg(long)]
    deep: bool,
    /// With --deep, read only the n-th of t shares: 1/30 today, 2/30 tomorrow.
    #[arg(long, value_name = "N/T", requires = "deep")]
    subset: Option<Subset>,
    /// With --deep, read no more bytes than this in a second: 500K, 20M, 1G.
    #[arg(long, value_name = "BYTES", requires = "deep", value_parser = bytes)]
    rate: Option<NonZeroU64>,
    /// Go on behind the blob that an interrupted check named.
    #[arg(long, value_name = "ID")]
    after: Option<i64>,
    /// Mend what can be mended without losing anything: mark damaged blobs so that the next push
    /// heals them, put objects that no row knows into quarantine (and give those up that were
    /// there for a week), count usage again.
    #[arg(long)]
    repair: bool,
    /// The database is lost: make blob rows again from the labels of the objects in the store. No
    /// server may be running.
    #[arg(long, conflicts_with_all = ["subset", "rate", "after", "repair"])]
    rebuild: bool,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

/// Bytes with a binary suffix.
fn bytes(text: &str) -> Result<NonZeroU64, String> {
    let (number, shift) = match text.trim_end_matches(['B', 'b']).trim_end_matches('i') {
        text if text.ends_with(['K', 'k']) => (&text[..text.len() - 1], 10),
        text if text.ends_with(['M', 'm']) => (&text[..text.len() - 1], 20),
        text if text.ends_with(['G', 'g']) => (&text[..text.len() - 1], 30),
        text => (text, 0),
    };
    let number = number.parse::<u64>().ok().and_then(|n| n.checked_mul(1 << shift));
    number.and_then(NonZeroU64::new).ok_or_else(|| "must be a number, as 20M".to_owned())
}

/// Checks the data, whether a server is running on it or not.
pub(crate) async fn run(config: &Config, arguments: &Arguments) -> ExitCode {
    let result = if arguments.rebuild {
        rebuild(config, arguments).await
    } else {
        check(config, arguments).await
    };
    result.unwrap_or_else(|error| {
        eprintln!("roadstead: {error:#}");
        ExitCode::from(NOT_RUN)
    })
}

async fn check(config: &Config, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let db = Db::inspect(&patient(&config.database)).await.context("cannot read the database")?;
    let blobs = Blobs::open(config.blobs.clone()).await?;
    let options = Options {
        deep: arguments.deep,
        subset: arguments.subset,
        rate: arguments.rate,
        after: arguments.after.map(BlobId),
        repair: arguments.repair,
        grace: config.limits.grace,
    };
    let check = Check::new(db, blobs, Arc::new(SystemClock), options);
    let shown = show(check.progress());
    let report = check.run().await;
    shown.abort();
    clear_line();
    let report = report?;
    print(&report, arguments.json)?;
    if let Some(id) = report.stopped_after {
        eprintln!("roadstead: interrupted; `roadstead fsck --after {id}` goes on from here");
        return Ok(ExitCode::from(NOT_RUN));
    }
    Ok(if report.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn rebuild(config: &Config, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    // Nobody writes to the store meanwhile.
    let _alone = DataDir::of(config)?;
    let db = Db::connect(&config.database).await.context("cannot open the database")?;
    let blobs = Blobs::open(config.blobs.clone()).await?;
    let progress = Arc::<Progress>::default();
    let shown = show(progress.clone());
    let rebuilt = fsck::rebuild(&db, &blobs, &SystemClock, arguments.deep, &progress).await;
    shown.abort();
    clear_line();
    let rebuilt = rebuilt?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&rebuilt)?);
    } else {
        for key in &rebuilt.damaged {
            println!("object {key} is damaged and was left alone");
        }
        println!(
            "{} objects: {} blobs ({} bytes) have a row again, {} had one, {} without a label",
            rebuilt.objects, rebuilt.blobs, rebuilt.bytes, rebuilt.known, rebuilt.unlabelled
        );
        println!(
            "Repositories, manifests, tags and users are not in the store and cannot be rebuilt: \
             restore a backup, or push again. Blobs that nobody pushes again are kept for 30 days."
        );
    }
    Ok(if rebuilt.damaged.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(report: &Report, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(report)?);
        return Ok(());
    }
    for fault in &report.faults {
        println!("{fault}");
    }
    println!(
        "{} manifests, {} blobs ({} bytes hashed), {} files: {} faults",
        report.manifests,
        report.blobs,
        report.hashed_bytes,
        report.files,
        report.faults.len()
    );
    if report.quarantined > 0 {
        println!(
            "{} objects are in quarantine, {} were given up",
            report.quarantined, report.given_up
        );
    }
    Ok(())
}

/// Shows how far the work is while somebody looks. The first Ctrl-C ends it in order, a second one
/// at once.
pub(crate) fn show(progress: Arc<Progress>) -> tokio::task::JoinHandle<()> {
    let terminal = std::io::stderr().is_terminal();
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(Duration::from_millis(250));
        loop {
            tokio::select! {
                interrupted = tokio::signal::ctrl_c() => {
                    if interrupted.is_err() || progress.stop() {
                        std::process::exit(NOT_RUN.into());
                    }
                }
                _ = tick.tick() => {
                    if terminal {
                        eprint!("\r\x1b[K{}", progress.line());
                        let _ = std::io::stderr().flush();
                    }
                }
            }
        }
    })
}

fn clear_line() {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_written_as_people_write_them() {
        let parsed = |text| bytes(text).map(NonZeroU64::get);
        assert_eq!(parsed("512"), Ok(512));
        assert_eq!(parsed("500K"), Ok(512_000));
        assert_eq!(parsed("20MiB"), Ok(20 << 20));
        assert_eq!(parsed("1g"), Ok(1 << 30));
        assert!(parsed("0").is_err() && parsed("").is_err() && parsed("x").is_err());
        assert!("3/30".parse::<Subset>().is_ok() && "31/30".parse::<Subset>().is_err());
    }
}
