//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};

use crate::config::Config;
use crate::settings::{self, Loaded};
use crate::{fsck, keys, serve, telemetry};

/// A private registry for container images and every other OCI artifact.
#[derive(Debug, Parser)]
#[command(name = "roadstead", version, arg_required_else_help = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    options: Options,
}

/// What every command takes.
#[derive(Debug, Args)]
struct Options {
    /// The configuration file; roadstead.toml in the current directory if there is one.
    #[arg(long, global = true, value_name = "FILE", env = "ROADSTEAD_CONFIG")]
    config: Option<PathBuf>,
    /// Sets a configuration key, over the environment and the file; `config show` lists them.
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Where to keep the database, the blobs and the generated secrets.
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<String>,
    /// The address to listen on.
    #[arg(long, global = true, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the registry.
    #[command(after_help = "Example:\n  roadstead serve --listen 127.0.0.1:8080 --data-dir ./data")]
    Serve,
    /// Check that the database and the blobs agree; works while the server runs.
    ///
    /// Exits with 0 when nothing is wrong and with 1 when something is.
    #[command(after_help = "Example:\n  roadstead fsck --deep --json")]
    Fsck {
        /// Read every blob and compare its digest, too.
        #[arg(long)]
        deep: bool,
        /// Print the report as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Exchange the keys that sign tokens, and the one that seals secrets.
    #[command(after_help = "Example:\n  roadstead keys rotate")]
    Keys {
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// Look at the configuration.
    #[command(after_help = "Example:\n  roadstead config show")]
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Sign tokens with a new key; works while the server runs, and ends no token.
    #[command(after_help = "Example:\n  roadstead keys rotate")]
    Rotate,
    /// Seal the database's secrets again, after another secret key was put first.
    ///
    /// Give every server both keys, the new one first, as `ROADSTEAD_SECRET_KEY=new,old` (or on
    /// two lines of the file secret-key), run this, and take the old one away. With several
    /// servers, give them `old,new` first: each must open what another seals.
    #[command(after_help = "Example:\n  ROADSTEAD_SECRET_KEY=\"$NEW,$OLD\" roadstead keys reseal")]
    Reseal,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print every setting, its value (secrets redacted) and where it comes from.
    #[command(after_help = "Example:\n  ROADSTEAD_LISTEN=0.0.0.0:5000 roadstead config show")]
    Show,
}

impl Options {
    fn load(&self) -> anyhow::Result<Loaded> {
        let mut flags = Vec::new();
        for pair in &self.set {
            let (key, value) = pair
                .split_once('=')
                .with_context(|| format!("--set {pair}: expected KEY=VALUE"))?;
            flags.push((key.to_owned(), value.to_owned()));
        }
        let named = [("data_dir", &self.data_dir), ("listen", &self.listen)];
        for (key, value) in named {
            flags.extend(value.clone().map(|value| (key.to_owned(), value)));
        }
        settings::load(self.config.as_deref(), &flags)
    }
}

/// Runs a command.
pub(crate) fn run(cli: &Cli) -> anyhow::Result<ExitCode> {
    let loaded = cli.options.load()?;
    if let Command::Config { command: ConfigCommand::Show } = &cli.command {
        print!("{}", loaded.show());
        return Ok(ExitCode::SUCCESS);
    }
    let config = Config::from_settings(&loaded)?;
    telemetry::start(&config.log, config.log_format)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match &cli.command {
            Command::Serve => serve::run(config).await,
            Command::Fsck { deep, json } => fsck::run(&config, *deep, *json).await,
            Command::Keys { command: KeysCommand::Rotate } => keys::rotate(&config).await,
            Command::Keys { command: KeysCommand::Reseal } => keys::reseal(&config).await,
            Command::Config { .. } => Ok(ExitCode::SUCCESS),
        }
    })
}
