//! `roadstead restore`: a backup into an empty database and a store, on either engine.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use clap::Args;
use roadstead_model::{Clock as _, Origin, SystemClock, Timestamp};
use roadstead_storage::blobs::{Layout, Session};
use roadstead_storage::dump::{self, Loader};
use roadstead_storage::tables::audit::{self, Actor, Event};
use roadstead_storage::tables::tombstone::Grave;
use roadstead_storage::{Blobs, ContentHash, Db};

use crate::backup::manifest::{self, Manifest, Object, SECRET_KEY};
use crate::backup::{files, patient};
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::keys::SECRET_KEY_FILE;

/// How many bytes are read from the backup at once.
const PIECE: usize = 1 << 20;

/// The command's arguments.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The directory of the backup.
    directory: PathBuf,
}

/// Restores a backup where nothing is; no server may be running there.
pub(crate) async fn run(config: &Config, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let directory = &arguments.directory;
    let Some(manifest) = Manifest::read(directory)? else {
        bail!("there is no complete backup in {}", directory.display());
    };
    let data_dir = DataDir::of(config)?;
    let db = Db::connect(&patient(&config.database)).await.context("cannot open the database")?;
    let mut conn = db.read().await?;
    let schema = dump::schema(&mut conn).await?;
    if schema != manifest.schema {
        bail!(
            "the backup has schema {} (roadstead {}) and this program has {schema}: restore it \
             with that version, and upgrade then",
            manifest.schema,
            manifest.program
        );
    }
    if !dump::is_empty(&mut conn).await? {
        bail!("the database is not empty; a backup is restored into a new one");
    }
    drop(conn);
    let mut objects = 0;
    if manifest.blobs.is_some() {
        let blobs = Blobs::open(config.blobs.clone()).await.context("cannot open the store")?;
        objects = restore_objects(&blobs, directory, &manifest).await?;
    }
    // Rows come last: what they name is there then.
    let rows = restore_rows(&db, directory, &manifest, SystemClock.now()).await?;
    println!("{rows} rows and {objects} objects restored, of {}", manifest.created_at);
    restore_secret_key(config, data_dir.as_ref(), directory, &manifest)?;
    println!("Every login, token and upload session of before has ended.");
    if manifest.blobs.is_none() {
        println!("The backup has no objects: `roadstead fsck` tells what the store lacks.");
    }
    Ok(ExitCode::SUCCESS)
}

async fn restore_objects(
    blobs: &Blobs,
    directory: &Path,
    manifest: &Manifest,
) -> anyhow::Result<u64> {
    let mut count = 0;
    for found in manifest.objects(directory)? {
        let found = found?;
        if manifest.damaged.contains(&found.digest.to_string()) {
            continue;
        }
        count += 1;
        // An earlier attempt may have been cut off.
        if blobs.size(&found.key).await? != Some(found.size) {
            restore_object(blobs, directory, &found).await?;
        }
    }
    Ok(count)
}

async fn restore_object(blobs: &Blobs, directory: &Path, found: &Object) -> anyhow::Result<()> {
    let mut begun = None;
    let restored = send(blobs, directory, found, &mut begun).await;
    // No row knows of a multipart upload that was begun here.
    if let (Err(_), Some(multipart)) = (&restored, begun) {
        let grave = Grave { multipart: Some(multipart), ..Grave::from(&found.key) };
        if !blobs.delete(&[grave]).await.is_ok_and(|failed| failed.is_empty()) {
            eprintln!("roadstead: a multipart upload of {} is left in the store", found.key);
        }
    }
    restored
}

/// Sends an object to the store; `begun` is the multipart upload that it took.
async fn send(
    blobs: &Blobs,
    directory: &Path,
    found: &Object,
    begun: &mut Option<String>,
) -> anyhow::Result<()> {
    use tokio::io::AsyncReadExt as _;
    let path = manifest::object(directory, &found.key);
    let shown = || path.display().to_string();
    let mut file = tokio::fs::File::open(&path).await.with_context(shown)?;
    let (layout, hash) = (Layout::default(), ContentHash::new(found.digest.algorithm()));
    let place =
        Session { key: &found.key, received: 0, layout: &layout, expected: Some(found.size) };
    let mut staged = blobs.stage(place, hash);
    loop {
        let mut piece = Vec::with_capacity(PIECE);
        let mut part = (&mut file).take(PIECE as u64);
        if part.read_to_end(&mut piece).await.with_context(shown)? == 0 {
            break;
        }
        if staged.outgrows_an_object(piece.len()) {
            let (multipart, part_size) = staged.begin_multipart().await?;
            *begun = Some(multipart.clone());
            staged.use_multipart(multipart, part_size).await;
        }
        staged = staged.write(vec![Bytes::from(piece)]).await?;
    }
    if staged.hash().clone().finish() != found.digest {
        bail!("{} is damaged in the backup: it is not {}", path.display(), found.digest);
    }
    let key = blobs.publish(staged, Some(&found.digest)).await?;
    if key != found.key {
        bail!("the store has {} at {key} and not at {}", found.digest, found.key);
    }
    Ok(())
}

async fn restore_rows(
    db: &Db,
    directory: &Path,
    manifest: &Manifest,
    now: Timestamp,
) -> anyhow::Result<u64> {
    let mut tx = db.begin().await?;
    let mut loader = Loader::new(&mut tx).await?;
    let mut rows = 0;
    for name in loader.order() {
        let Some(dumped) = manifest.tables.iter().find(|dumped| dumped.table.name == name) else {
            continue;
        };
        let lines = files::lines(&manifest.rows(directory, &name))?;
        let filled = loader.fill(&dumped.table, lines).await.with_context(|| name.clone())?;
        if filled != dumped.rows {
            bail!("{name}: the backup should have {} rows and has {filled}", dumped.rows);
        }
        rows += filled;
    }
    loader.set_sequences(&manifest.sequences).await?;
    let epoch = uuid::Uuid::new_v4().to_string();
    dump::start_anew(&mut tx, &epoch, now).await?;
    let origin = Origin::default();
    let actor = Actor { principal: None, name: "system", origin: &origin };
    let what = format!("a backup of {} was restored", manifest.created_at);
    let event = Event::of("storage", "database", "restore").described(&what);
    audit::record(&mut tx, actor, event, now).await?;
    tx.commit().await?;
    Ok(rows)
}

fn restore_secret_key(
    config: &Config,
    data_dir: Option<&DataDir>,
    directory: &Path,
    manifest: &Manifest,
) -> anyhow::Result<()> {
    if crate::keys::secret_key(config)?.is_some() {
        return Ok(());
    }
    match data_dir.filter(|_| manifest.secret_key) {
        Some(data_dir) => {
            let path = directory.join(SECRET_KEY);
            let text =
                std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            data_dir.write_secret(SECRET_KEY_FILE, &text)?;
        }
        None => println!(
            "Set ROADSTEAD_SECRET_KEY to the key of before, or put its file secret-key into the \
             data directory, before the server starts."
        ),
    }
    Ok(())
}
