//! The roadstead binary.

mod admin_http;
mod banner;
mod cli;
mod config;
mod data_dir;
mod fsck;
mod keys;
mod listener;
mod metrics;
mod request;
mod serve;
mod settings;
mod telemetry;
mod tls;

use clap::Parser as _;

fn main() -> std::process::ExitCode {
    match cli::run(&cli::Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("roadstead: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
