//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};

use crate::config::Config;
use crate::settings::{self, Loaded};
use crate::{backup, fsck, health, keys, restore, serve, telemetry};

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
    /// Exits with 0 when nothing is wrong, with 1 when something is (or was, before --repair), and
    /// with 2 when the check could not run to its end.
    #[command(after_help = "Examples:\n  roadstead fsck --deep --json\n  \
                            roadstead fsck --deep --subset 1/30 --rate 20M\n  \
                            roadstead fsck --repair")]
    Fsck(fsck::Arguments),
    /// Copy the database and the blobs into a directory; works while the server runs.
    ///
    /// The backup is one state of the registry, restores into SQLite and PostgreSQL alike, and is
    /// brought up to date by the next one in the same directory.
    #[command(after_help = "Example:\n  roadstead backup /backups/registry")]
    Backup(backup::Arguments),
    /// Restore a backup into an empty database and store, with no server running.
    #[command(after_help = "Example:\n  roadstead restore --data-dir ./data /backups/registry")]
    Restore(restore::Arguments),
    /// Exchange the keys that sign tokens, and the one that seals secrets.
    #[command(after_help = "Example:\n  roadstead keys rotate")]
    Keys {
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// Ask the server beside this command whether it is ready, as /readyz says it.
    ///
    /// Exits with 0 when it is and with 1 when it is not; for the health check of a container.
    #[command(after_help = "Example:\n  roadstead health")]
    Health,
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

impl Cli {
    /// The code of a command that could not run; a check has one of its own, because 1 is what it
    /// found.
    pub(crate) fn failure(&self) -> ExitCode {
        match self.command {
            Command::Fsck(_) => ExitCode::from(fsck::NOT_RUN),
            _ => ExitCode::FAILURE,
        }
    }
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
    if let Command::Health = &cli.command {
        return health::ask(&loaded);
    }
    let config = Config::from_settings(&loaded)?;
    telemetry::start(&config.log, config.log_format)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match &cli.command {
            Command::Serve => serve::run(config).await,
            Command::Fsck(arguments) => Ok(fsck::run(&config, arguments).await),
            Command::Backup(arguments) => backup::run(&config, arguments).await,
            Command::Restore(arguments) => restore::run(&config, arguments).await,
            Command::Keys { command: KeysCommand::Rotate } => keys::rotate(&config).await,
            Command::Keys { command: KeysCommand::Reseal } => keys::reseal(&config).await,
            Command::Health | Command::Config { .. } => Ok(ExitCode::SUCCESS),
        }
    })
}
