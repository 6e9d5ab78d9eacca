//! Opening an object for somebody who is served, as others were just now or will be soon.

use std::path::Path;

use roadstead_model::ObjectKey;
use rustix::io::Errno;

use super::file::OpenFile;
use super::kept::{Found, Kept};
use super::reading::Reading;
use super::{Local, blocking};
use crate::blobs::read::BlobStream;
use crate::error::{Error, Result};

impl Local {
    /// Opens a key for reading, and keeps it open for others. The object must have `size` bytes.
    ///
    /// # Errors
    /// [`Error::Damaged`] when it is missing or has another length.
    pub(in crate::blobs) async fn serve(&self, key: &ObjectKey, size: u64) -> Result<BlobStream> {
        let file = match self.kept.find(key) {
            Some(Found { file, look: false }) if file.length()?.is_some() => file,
            Some(Found { file, look: true }) if file.length()?.is_some() => {
                self.look_again(key, file).await?
            }
            _ => self.open_and_keep(key).await?,
        };
        let found = file.length()?;
        if found != Some(size) {
            self.kept.forget(key);
            return Err(Error::damaged(key, wrong(found, size)));
        }
        let reading = Reading::kept(file, self.kept.clone(), key.clone());
        Ok(BlobStream::file(reading, size))
    }

    /// Sees whether a kept file is still the one that the key names.
    async fn look_again(&self, key: &ObjectKey, file: OpenFile) -> Result<OpenFile> {
        let (path, kept, key) = (self.path(key), self.kept.clone(), key.clone());
        blocking(move || match file.is_at(&path) {
            Ok(true) => Ok(file),
            _ => open(&path, &kept, &key),
        })
        .await
    }

    async fn open_and_keep(&self, key: &ObjectKey) -> Result<OpenFile> {
        let (path, kept, key) = (self.path(key), self.kept.clone(), key.clone());
        blocking(move || open(&path, &kept, &key)).await
    }
}

fn open(path: &Path, kept: &Kept, key: &ObjectKey) -> Result<OpenFile> {
    let opened = match OpenFile::open(path) {
        Err(Error::Io { source, .. }) if is_out_of_files(&source) => {
            kept.give_way();
            OpenFile::open(path)
        }
        opened => opened,
    };
    match opened {
        Ok(file) => {
            kept.keep(key, &file);
            Ok(file)
        }
        Err(error) => {
            kept.forget(key);
            Err(error)
        }
    }
}

fn is_out_of_files(error: &std::io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::MFILE | Errno::NFILE))
}

pub(super) fn wrong(found: Option<u64>, size: u64) -> String {
    match found {
        Some(found) => format!("it has {found} bytes and should have {size}"),
        None => "it is missing".to_owned(),
    }
}

#[cfg(test)]
mod tests;
