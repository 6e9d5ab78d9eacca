//! Space that is kept for the database. On a full disk SQLite cannot even delete: its log needs
//! room. So a file of no content holds some, goes away when the disk is full, and comes back when
//! there is space again. It is smaller than the reserve that uploads leave, so that they do not
//! take what it gives back.

use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::FallocateFlags;

use crate::blobs::{Space, reserve_of, space_at};
use crate::db::Options;
use crate::error::{Error, Result};

/// 64 MiB, but no more than a 32nd of the disk.
const LARGEST: u64 = 64 << 20;
const DIVISOR: u64 = 32;

/// What [`Ballast::tend`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tended {
    /// Nothing had to be done.
    Nothing,
    /// The disk is full: its space was given back.
    Dropped,
    /// There is space again: it was taken.
    Taken,
}

/// The file that holds the space.
#[derive(Debug)]
pub struct Ballast {
    path: PathBuf,
    /// The file system gives no space away without writing to it.
    impossible: AtomicBool,
}

impl Ballast {
    /// The ballast of a database; None for one that is elsewhere.
    pub fn of(database: &Options) -> Option<Self> {
        let path = database.url.strip_prefix("sqlite:")?;
        let path = path.strip_prefix("//").unwrap_or(path);
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        (!path.is_empty() && !path.starts_with(':')).then(|| Self::at(format!("{path}-ballast")))
    }

    fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), impossible: AtomicBool::new(false) }
    }

    /// Looks at the disk, and gives the space back or takes it again. Blocks for a moment.
    pub fn tend(&self) -> Result<Tended> {
        let directory = self.path.parent().filter(|p| !p.as_os_str().is_empty());
        let space = space_at(directory.unwrap_or(Path::new(".")))?;
        let size = (space.total / DIVISOR).min(LARGEST);
        match fs::metadata(&self.path) {
            Ok(_) if space.free < size / 4 => {
                fs::remove_file(&self.path).map_err(Error::io("drop the ballast"))?;
                Ok(Tended::Dropped)
            }
            Ok(found) if found.len() == size => Ok(Tended::Nothing),
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io("look up the ballast")(error))
            }
            _ => self.take(space, size),
        }
    }

    /// Takes the space, where what uploads may use is not touched by that.
    fn take(&self, Space { total, free }: Space, size: u64) -> Result<Tended> {
        let roomy = free >= reserve_of(total).saturating_add(2 * size);
        if !roomy || size == 0 || self.impossible.load(Ordering::Relaxed) {
            return Ok(Tended::Nothing);
        }
        let file = File::options()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&self.path)
            .map_err(Error::io("make the ballast"))?;
        match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, size) {
            Ok(()) => Ok(Tended::Taken),
            Err(error) => {
                fs::remove_file(&self.path).map_err(Error::io("drop the ballast"))?;
                if error == rustix::io::Errno::OPNOTSUPP {
                    self.impossible.store(true, Ordering::Relaxed);
                    return Ok(Tended::Nothing);
                }
                Err(Error::io("make the ballast")(error.into()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_database_in_a_file_has_one() {
        let path =
            |url| Ballast::of(&Options::new(url)).map(|ballast| ballast.path.display().to_string());
        assert_eq!(path("sqlite:/data/x.db").as_deref(), Some("/data/x.db-ballast"));
        assert_eq!(path("sqlite:///data/x.db?mode=rw").as_deref(), Some("/data/x.db-ballast"));
        assert_eq!(path("sqlite::memory:"), None);
        assert_eq!(path("postgres://host/x"), None);
    }

    #[test]
    fn it_is_made_where_there_is_space_and_stays() {
        let directory = tempfile::tempdir().unwrap();
        let ballast = Ballast::at(directory.path().join("ballast"));
        assert_eq!(ballast.tend().unwrap(), Tended::Taken);
        assert_eq!(ballast.tend().unwrap(), Tended::Nothing);
    }
}
