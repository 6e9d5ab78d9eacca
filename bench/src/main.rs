//! Measures Roadstead, its peers and the limits side by side: `make bench`.

// Figures are floating point; no count here comes near what that cannot hold.
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

mod content;
mod database;
mod goal;
mod http;
mod limit;
mod load;
mod machine;
mod page;
mod process;
mod profile;
mod report;
mod rows;
mod sample;
mod seed;
mod servers;
mod stats;
mod throttle;
mod wrk;

use std::future::Future;
use std::process::ExitCode;
use std::time::{Instant, SystemTime};

use anyhow::bail;
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use crate::page::Kept;
use crate::rows::{Context, ROWS};
use crate::servers::Kind;

#[derive(Parser)]
#[command(about = "Measures Roadstead, its peers and the limits side by side")]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Measure, print the results, and write them into docs/performance.md
    Run {
        /// Only these rows, with commas
        #[arg(long, value_delimiter = ',')]
        rows: Vec<String>,
        /// Shorter, fewer rounds
        #[arg(long)]
        quick: bool,
        /// How many rounds
        #[arg(long)]
        rounds: Option<usize>,
        /// Leave docs/performance.md as it is
        #[arg(long)]
        dry: bool,
    },
    /// List the rows
    Rows,
    /// Draw a flame graph of the server under the load of a row
    Profile {
        /// The row
        row: String,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    match until_told_to_stop(work(Cli::parse().command)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("roadstead-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whoever is told to stop stops its servers, because they are dropped with the work.
async fn until_told_to_stop(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::select! {
        done = work => done,
        _ = interrupt.recv() => bail!("interrupted"),
        _ = terminate.recv() => bail!("terminated"),
        _ = hang_up.recv() => bail!("the terminal is gone"),
    }
}

async fn work(task: Task) -> anyhow::Result<()> {
    match task {
        Task::Rows => {
            for (name, title) in ROWS {
                println!("{name:16}{title}");
            }
            Ok(())
        }
        Task::Profile { row } => {
            println!("{}", profile::draw(Context::new(true, None)?, &row).await?.display());
            Ok(())
        }
        Task::Run { rows, quick, rounds, dry } => {
            run(&rows, Context::new(quick, rounds)?, dry).await
        }
    }
}

async fn run(wanted: &[String], context: Context, dry: bool) -> anyhow::Result<()> {
    if let Some(unknown) = wanted.iter().find(|name| !ROWS.iter().any(|(row, _)| row == name)) {
        bail!("no row is called {unknown}: `make bench ROWS=...` knows {ROWS:?}");
    }
    for kind in [Kind::Roadstead, Kind::Nginx, Kind::V3, Kind::V2] {
        context.programs.path(kind)?;
    }
    let disk = context.on_disk()?;
    let machine = machine::machine(disk.path());
    let versions = machine::versions(&context.programs);
    machine.iter().chain(&versions).for_each(|line| println!("- {line}"));
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|row| row == name);
    let mut failed = Vec::new();
    for (name, title) in ROWS.iter().filter(|(name, _)| is_wanted(name)) {
        let since = Instant::now();
        println!("\n### {name}: {title}\n");
        let outcome = match rows::run(&context, name).await {
            Ok(outcome) => outcome,
            Err(error) => {
                // The other rows are worth having all the same.
                eprintln!("{name}: {error:#}");
                failed.push(*name);
                continue;
            }
        };
        print!("{}", report::figures(&outcome));
        print!("{}{}", report::GOALS_HEAD, report::goals(&outcome.verdicts));
        println!("\n({name} took {:.0} s)", since.elapsed().as_secs_f64());
        let kept = Kept {
            revision: machine::revision(),
            day: day(),
            rounds: context.rounds,
            quick: context.quick,
            machine: machine.clone(),
            versions: versions.clone(),
            outcome,
        };
        if !dry {
            page::keep(name, &kept)?;
        }
    }
    if !dry {
        println!("\n{}", page::write()?.display());
    }
    if !failed.is_empty() {
        bail!("not measured: {failed:?}");
    }
    Ok(())
}

/// Today, in UTC.
fn day() -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (year, month, day) = civil(since.as_secs() / 86_400);
    format!("{year}-{month:02}-{day:02}")
}

/// The date of a day that is counted from the beginning of 1970.
fn civil(days: u64) -> (u64, u64, u64) {
    let is_leap = |year: u64| {
        (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400)
    };
    let (mut year, mut left) = (1970, days);
    while left >= 365 + u64::from(is_leap(year)) {
        left -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    (year, month, left + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(20_088), (2024, 12, 31));
        assert_eq!(civil(20_779), (2026, 11, 22));
    }
}
