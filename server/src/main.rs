//! The roadstead binary.

mod admin_http;
mod backup;
mod ballast;
mod banner;
mod cli;
mod config;
mod data_dir;
mod front;
mod fsck;
mod health;
mod keys;
mod listener;
mod metrics;
mod proxies;
mod readiness;
mod request;
mod restore;
mod serve;
mod settings;
mod telemetry;
mod tls;

use clap::Parser as _;

fn main() -> std::process::ExitCode {
    let cli = cli::Cli::parse();
    match cli::run(&cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("roadstead: {error:#}");
            cli.failure()
        }
    }
}
