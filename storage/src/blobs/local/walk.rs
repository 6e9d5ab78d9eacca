//! Walking the directories, one at a time.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use futures_util::stream::{self, BoxStream, StreamExt as _};
use roadstead_model::{Digest, ObjectKey};
use rustix::io::Errno;

use super::{DIGEST_ATTRIBUTE, Local, blocking};
use crate::blobs::{Found, Label};
use crate::error::{Error, Result};

/// No label is longer than the longest digest.
const LONGEST_LABEL: usize = 256;

impl Local {
    pub(in crate::blobs) fn walk(&self) -> BoxStream<'static, Result<Found>> {
        self.each_directory(|directory| {
            if !directory.is_dir() {
                return Ok(vec![Found::Stranger(directory.display().to_string())]);
            }
            let prefix = file_name(directory);
            let found = entries(directory)?.into_iter().map(|file| {
                let key = format!("b/{prefix}/{}", file_name(&file)).parse();
                key.map_or_else(|_| Found::Stranger(file.display().to_string()), Found::Object)
            });
            Ok(found.collect())
        })
    }

    pub(in crate::blobs) fn labels(&self) -> BoxStream<'static, Result<Label>> {
        self.each_directory(|directory| {
            let mut labels = Vec::new();
            if directory.is_dir() {
                for file in entries(directory)? {
                    labels.extend(label(&file)?);
                }
            }
            Ok(labels)
        })
    }

    /// What `look` finds in each directory, of which one at a time is held in memory.
    fn each_directory<T: Send + 'static>(
        &self,
        look: impl Fn(&Path) -> Result<Vec<T>> + Copy + Send + Sync + 'static,
    ) -> BoxStream<'static, Result<T>> {
        let objects = self.root.join("b");
        stream::once(blocking(move || entries(&objects)))
            .flat_map(|directories| match directories {
                Ok(directories) => stream::iter(directories).map(Ok).left_stream(),
                Err(error) => stream::iter([Err(error)]).right_stream(),
            })
            .then(move |directory| async move {
                let directory: PathBuf = directory?;
                blocking(move || look(&directory)).await
            })
            .flat_map(|found| match found {
                Ok(found) => stream::iter(found).map(Ok).left_stream(),
                Err(error) => stream::iter([Err(error)]).right_stream(),
            })
            .boxed()
    }
}

/// The label of a file; None when it is no object, or gone by now.
fn label(path: &Path) -> Result<Option<Label>> {
    let Some(key) = path.file_name().and_then(|name| ObjectKey::named(name.to_str()?)) else {
        return Ok(None);
    };
    let file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(Error::io("open a blob"))?,
    };
    let mut value = [0; LONGEST_LABEL];
    let digest: Option<Digest> = match rustix::fs::fgetxattr(&file, DIGEST_ATTRIBUTE, &mut value) {
        Ok(length) => value
            .get(..length)
            .and_then(|value| std::str::from_utf8(value).ok())
            .and_then(|text| text.parse().ok()),
        Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::PERM | Errno::RANGE) => None,
        Err(error) => return Err(Error::io("read a label")(error.into())),
    };
    let size = file.metadata().map_err(Error::io("look up a blob"))?.len();
    Ok(Some(Label { key, size, digest }))
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let list = |directory| -> std::io::Result<Vec<PathBuf>> {
        fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect()
    };
    list(directory).map_err(Error::io("list a directory"))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
