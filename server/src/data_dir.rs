//! The data directory: made when it is missing, owned by one server, with the generated secrets.
//! Servers that keep everything elsewhere have none.

use std::fs::{self, File, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::config::Config;

/// A data directory that this process owns until it ends. The kernel gives the lock back when a
/// process dies, however it dies.
pub(crate) struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Takes the directory when something is kept on this machine; None when nothing is.
    pub(crate) fn of(config: &Config) -> anyhow::Result<Option<Self>> {
        let kept = config.kept_here();
        (!kept.is_empty()).then(|| Self::take(&config.data_dir, &kept.join(" and "))).transpose()
    }

    /// Makes the directory if needed and takes it, for what is kept in it.
    fn take(path: &Path, kept: &str) -> anyhow::Result<Self> {
        let shown = path.display();
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).with_context(|| {
            format!(
                "cannot make the data directory {shown} for {kept}; set ROADSTEAD_DATA_DIR to \
                 another"
            )
        })?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path.join("lock"))
            .with_context(|| {
                format!(
                    "the data directory {shown} for {kept} is not writable; change its owner or \
                     set ROADSTEAD_DATA_DIR to another"
                )
            })?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => bail!(
                "the data directory {shown} is in use by another roadstead; stop that one, or set \
                 ROADSTEAD_DATA_DIR to another"
            ),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock the data directory {shown}"))
            }
        }
    }

    /// The path of a file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Removes a file that was written for nothing.
    pub(crate) fn remove(&self, name: &str) -> anyhow::Result<()> {
        let path = self.file(name);
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))
    }

    /// Writes a secret so that it is whole or not there, for this user's eyes only.
    pub(crate) fn write_secret(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let (path, temporary) = (self.file(name), self.file(&format!("{name}.new")));
        let write = || -> std::io::Result<()> {
            match fs::remove_file(&temporary) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file =
                File::options().create_new(true).write(true).mode(0o600).open(&temporary)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&temporary, &path)?;
            File::open(&self.path)?.sync_all()
        };
        write().with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}
