//! Files that are whole or not there, also after a power cut, and for this user's eyes only.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// Makes a directory, and those above it.
pub(crate) fn make(path: &Path) -> anyhow::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("cannot make {}", path.display()))
}

/// A file that gets its name when it is complete.
pub(crate) struct Partial {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
}

impl Partial {
    pub(crate) fn create(path: &Path) -> anyhow::Result<Self> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".new");
        let temporary = PathBuf::from(temporary);
        let file = File::options()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&temporary)
            .with_context(|| format!("cannot write {}", temporary.display()))?;
        Ok(Self { file, temporary, path: path.to_owned() })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.file
            .write_all(bytes)
            .with_context(|| format!("cannot write {}", self.temporary.display()))
    }

    /// Gives it its name; the directory is to be synced by the caller.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.temporary, &self.path)
            .with_context(|| format!("cannot write {}", self.path.display()))
    }

    /// Takes it away.
    pub(crate) fn give_up(self) {
        // What is left is overwritten the next time.
        let _ = fs::remove_file(&self.temporary);
    }
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> anyhow::Result<()> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .with_context(|| format!("cannot sync {}", path.display()))
}

/// Writes a file as a whole.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut file = Partial::create(path)?;
    file.write(bytes)?;
    file.finish()?;
    path.parent().map_or(Ok(()), sync_directory)
}

/// The lines of a file.
pub(crate) fn lines(
    path: &Path,
) -> anyhow::Result<impl Iterator<Item = std::io::Result<String>> + use<>> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    Ok(BufReader::new(file).lines())
}

/// Takes away a directory that may be gone already.
pub(crate) fn remove_directory(path: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
