//! `roadstead backup`: one state of the database as lines of JSON, and the objects that it names.
//!
//! The state is taken first, then its objects are copied. They cannot go away meanwhile: while the
//! lease "backup" lives, no server deletes an object.

mod copy;
pub(crate) mod files;
mod lease;
pub(crate) mod manifest;
mod tables;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use roadstead_storage::{Blobs, Db, Options};

use crate::config::Config;
use crate::keys;
use lease::Lease;
use manifest::{FORMAT, Manifest};

/// Long work on a large database is no stuck request.
const PATIENCE: Duration = Duration::from_hours(6);

/// The command's arguments.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The directory of the backup. One that has a backup is brought up to date: objects that are
    /// there already are not copied again.
    directory: PathBuf,
    /// Copy the objects of an object store, too. Those on a disk are copied anyhow.
    #[arg(long)]
    blobs: bool,
    /// Leave the objects out, because something else keeps them.
    #[arg(long, conflicts_with = "blobs")]
    no_blobs: bool,
    /// Put the secret key beside the dump, in plain text. Whoever has both can read the passwords
    /// of directories and providers that are in the database.
    #[arg(long)]
    with_secret_key: bool,
}

/// The database, with the patience that moving all of it takes.
pub(crate) fn patient(database: &Options) -> Options {
    let mut patient = database.clone();
    patient.statement_timeout = PATIENCE;
    patient
}

/// Makes a backup, whether a server is running or not.
pub(crate) async fn run(config: &Config, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let db = Db::inspect(&patient(&config.database)).await.context("cannot read the database")?;
    let blobs = Blobs::open(config.blobs.clone()).await.context("cannot open the blob store")?;
    let directory = &arguments.directory;
    files::make(directory)?;
    let lease = Lease::take(&db).await?;
    let made = make(config, arguments, &db, &blobs).await;
    lease.give_back().await;
    let (manifest, copied) = made?;
    let rows: u64 = manifest.tables.iter().map(|table| table.rows).sum();
    println!("{rows} rows in {}", directory.join(&manifest.database).display());
    match &manifest.blobs {
        None => println!("objects were left out: the store's own copies keep them"),
        Some(kept) => println!(
            "{} objects with {} bytes, {} of them copied now",
            kept.count, kept.bytes, copied
        ),
    }
    if !manifest.secret_key {
        println!(
            "The secret key is not in the backup. Keep it elsewhere: without it, the passwords of \
             directories and providers must be entered again."
        );
    }
    for digest in &manifest.damaged {
        eprintln!("roadstead: {digest} is damaged in the store and is not in the backup");
    }
    Ok(if manifest.damaged.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn make(
    config: &Config,
    arguments: &Arguments,
    db: &Db,
    blobs: &Blobs,
) -> anyhow::Result<(Manifest, u64)> {
    let directory = &arguments.directory;
    let before = Manifest::read(directory)?;
    let mut manifest = tables::dump(db, directory).await?;
    let mut copied = 0;
    if arguments.blobs || (!blobs.is_remote() && !arguments.no_blobs) {
        let done = copy::objects(blobs, directory, &manifest).await?;
        copied = done.copied;
        manifest.blobs = Some(done.kept);
        manifest.damaged = done.damaged;
    }
    if arguments.with_secret_key {
        write_secret_key(config, directory)?;
        manifest.secret_key = true;
    }
    manifest.write(directory)?;
    // Only now is the old one of no use any more.
    if let Some(before) = before.filter(|before| before.database != manifest.database) {
        files::remove_directory(&directory.join(before.database))?;
    }
    if manifest.blobs.is_some() {
        copy::prune(directory, &manifest)?;
    }
    Ok((manifest, copied))
}

fn write_secret_key(config: &Config, directory: &Path) -> anyhow::Result<()> {
    let text = keys::secret_key_text(config)?;
    let Some(text) = text else {
        bail!("there is no secret key to put into the backup; set ROADSTEAD_SECRET_KEY");
    };
    files::write(&directory.join(manifest::SECRET_KEY), text.as_bytes())
}

/// The format, for whoever reads a backup.
pub(crate) fn check(manifest: &Manifest) -> anyhow::Result<()> {
    if manifest.format != FORMAT {
        bail!("this is a backup of format {:?}, and {FORMAT:?} is known", manifest.format);
    }
    Ok(())
}
