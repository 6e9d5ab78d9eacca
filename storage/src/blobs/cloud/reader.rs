//! Reading an object as one stream per span, which is opened again where it broke off.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt as _};
use object_store::path::Path;
use object_store::{Error as ObjectError, GetOptions, GetRange, ObjectStore as _};
use roadstead_model::ObjectKey;

use super::Cloud;
use crate::error::{Error, Result};

/// How often a span is opened again without getting any further.
const ATTEMPTS: u32 = 4;

/// How long the first of them waits; the next ones twice as long each.
const PAUSE: Duration = Duration::from_millis(200);

/// An object that is being read.
pub(in crate::blobs) struct Reader {
    cloud: Cloud,
    path: Path,
    size: u64,
    span: Option<Span>,
}

/// A response of the store.
struct Span {
    stream: BoxStream<'static, object_store::Result<Bytes>>,
    at: u64,
    end: u64,
}

impl Reader {
    /// Opens an object that must have `size` bytes.
    pub(super) async fn open(
        cloud: Cloud,
        key: &ObjectKey,
        size: u64,
        first: Range<u64>,
    ) -> Result<Self> {
        let path = cloud.path(key);
        let mut reader = Self { cloud, path, size, span: None };
        if first.is_empty() {
            look_up(&reader.cloud, key, size).await?;
            return Ok(reader);
        }
        match reader.request(first).await {
            // What it is can be seen by looking: a range that is not there is refused.
            Err(Error::Store { what, source }) => {
                look_up(&reader.cloud, key, size).await?;
                Err(Error::Store { what, source })
            }
            result => result.map(|()| reader),
        }
    }

    pub(in crate::blobs) fn size(&self) -> u64 {
        self.size
    }

    async fn request(&mut self, span: Range<u64>) -> Result<()> {
        let range = Some(GetRange::Bounded(span.clone()));
        let options = GetOptions { range, ..GetOptions::default() };
        let store = &self.cloud.0.store;
        let answer = match self.cloud.try_ask(store.get_opts(&self.path, options)).await? {
            Ok(answer) => answer,
            Err(ObjectError::NotFound { .. }) => {
                return Err(Error::damaged(&self.path, "it is missing"));
            }
            Err(error) => return Err(Error::store("read an object")(error)),
        };
        if answer.meta.size != self.size {
            return Err(wrong_size(&self.path, answer.meta.size, self.size));
        }
        let stream = answer.into_stream();
        self.span = Some(Span { stream, at: span.start, end: span.end });
        Ok(())
    }

    /// The next piece at `offset`, at most up to `end`; empty only at `end`.
    pub(in crate::blobs) async fn piece(
        &mut self,
        offset: u64,
        end: u64,
    ) -> std::io::Result<Bytes> {
        if offset >= end {
            return Ok(Bytes::new());
        }
        let mut failure = None;
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                tokio::time::sleep(PAUSE * 2_u32.pow(attempt - 1)).await;
            }
            match self.try_piece(offset, end).await {
                Ok(piece) => return Ok(piece),
                Err(error @ Error::Damaged { .. }) => return Err(std::io::Error::other(error)),
                Err(error) => {
                    tracing::warn!(%error, offset, "an object is read on from where it broke off");
                    failure = Some(error);
                    self.span = None;
                }
            }
        }
        Err(failure.map_or(std::io::ErrorKind::UnexpectedEof.into(), std::io::Error::other))
    }

    async fn try_piece(&mut self, offset: u64, end: u64) -> Result<Bytes> {
        let usable = |span: &Span| span.at == offset && span.end >= end;
        if !self.span.as_ref().is_some_and(usable) {
            self.request(offset..end).await?;
        }
        let Some(span) = &mut self.span else {
            return Err(Error::StoreResting);
        };
        loop {
            let mut piece = match span.stream.next().await {
                Some(piece) => piece.map_err(Error::store("read an object"))?,
                None => return Err(Error::io("read an object")(cut_off())),
            };
            let rest = usize::try_from(end - offset).unwrap_or(usize::MAX);
            piece.truncate(rest);
            if !piece.is_empty() {
                span.at += piece.len() as u64;
                return Ok(piece);
            }
        }
    }
}

async fn look_up(cloud: &Cloud, key: &ObjectKey, size: u64) -> Result<()> {
    match cloud.size(key).await? {
        None => Err(Error::damaged(key, "it is missing")),
        Some(found) if found != size => Err(wrong_size(&cloud.path(key), found, size)),
        Some(_) => Ok(()),
    }
}

fn wrong_size(path: &Path, found: u64, size: u64) -> Error {
    Error::damaged(path, format!("it has {found} bytes and should have {size}"))
}

fn cut_off() -> std::io::Error {
    std::io::ErrorKind::UnexpectedEof.into()
}
