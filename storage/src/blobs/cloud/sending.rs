//! A key that is being written in an object store.
//!
//! Bytes are collected until they fill a part, and parts go up while the next one fills. All parts
//! but the last have the same size, which some stores insist on. What does not fill a part when a
//! request ends is kept as an object of its own, the tail, and read back by whoever goes on with
//! the session, on whichever replica. A small blob never gets further than its tail.

use bytes::Bytes;
use futures_util::StreamExt as _;
use object_store::path::Path;
use object_store::{GetOptions, ObjectStore as _};
use roadstead_model::{Digest, ObjectKey};
use tokio::task::spawn_blocking;

use super::super::content_hash::ContentHash;
use super::super::layout::Layout;
use super::super::stage::Session;
use super::Cloud;
use crate::error::{Error, Result};

mod complete;
mod parts;
mod rest;

use parts::{InFlight, MOST_PARTS, part_size_for};
use rest::Rest;

/// An upload, with how far it is written and the hash up to there.
pub(in crate::blobs) struct Sending {
    cloud: Cloud,
    key: ObjectKey,
    path: Path,
    offset: u64,
    hash: ContentHash,
    layout: Layout,
    /// How long the session will be, as far as that is announced.
    announced: u64,
    /// Bytes that no part has, once the tail was read back.
    rest: Rest,
    in_flight: InFlight,
    /// A multipart upload that was begun here and is not noted yet.
    begun: Option<String>,
}

impl Sending {
    pub(super) fn new(cloud: Cloud, session: Session<'_>, hash: ContentHash) -> Self {
        let layout = session.layout.clone();
        let in_tail = session.received.saturating_sub(layout.in_parts());
        Self {
            path: cloud.path(session.key),
            cloud,
            key: session.key.clone(),
            offset: session.received,
            hash,
            announced: session.received + session.expected.unwrap_or(0),
            rest: Rest::in_tail(in_tail),
            in_flight: InFlight::after(layout.parts.len()),
            layout,
            begun: None,
        }
    }

    pub(in crate::blobs) fn offset(&self) -> u64 {
        self.offset
    }

    pub(in crate::blobs) fn hash(&self) -> &ContentHash {
        &self.hash
    }

    pub(in crate::blobs) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// How large parts are, or, before there are any, an object may be that is sent at once.
    fn part_size(&self) -> u64 {
        match self.layout.multipart {
            Some(_) => self.layout.part_size,
            None => self.cloud.0.part_size,
        }
    }

    /// How large parts are, or will be.
    fn size_of_next(&self) -> u64 {
        match self.layout.multipart {
            Some(_) => self.layout.part_size,
            None => self.size_for_parts(),
        }
    }

    pub(in crate::blobs) fn capacity(&self) -> u64 {
        self.size_of_next().saturating_mul(MOST_PARTS)
    }

    fn size_for_parts(&self) -> u64 {
        part_size_for(self.announced, self.cloud.0.part_size.max(self.rest.length()))
    }

    pub(in crate::blobs) fn outgrows_an_object(&self, more: usize) -> bool {
        let length = self.rest.length() + more as u64;
        more > 0 && self.layout.multipart.is_none() && length > self.part_size()
    }

    pub(in crate::blobs) async fn begin_multipart(&mut self) -> Result<(String, u64)> {
        let store = &self.cloud.0.store;
        let begun = store.create_multipart(&self.path);
        let multipart = self.cloud.ask("begin a multipart upload", begun).await?;
        self.begun = Some(multipart.clone());
        Ok((multipart, self.size_for_parts()))
    }

    pub(in crate::blobs) async fn use_multipart(&mut self, multipart: String, part_size: u64) {
        if let Some(begun) = self.begun.take().filter(|begun| *begun != multipart) {
            let aborted = self.cloud.0.store.abort_multipart(&self.path, &begun);
            if let Err(error) = self.cloud.ask("abort a multipart upload", aborted).await {
                tracing::warn!(%error, key = %self.key, "a multipart upload is left behind");
            }
        }
        self.layout.multipart = Some(multipart);
        self.layout.part_size = part_size;
    }

    pub(in crate::blobs) async fn write(mut self, chunks: Vec<Bytes>) -> Result<Self> {
        if chunks.iter().all(Bytes::is_empty) {
            return Ok(self);
        }
        self.load_tail().await?;
        self.rest.changed = true;
        for chunk in &chunks {
            self.append(chunk).await?;
        }
        let mut hash = self.hash.clone();
        let hashed = spawn_blocking(move || {
            for chunk in &chunks {
                hash.update(chunk);
            }
            hash
        });
        self.hash = hashed.await.map_err(cut_off)?;
        Ok(self)
    }

    /// Puts bytes behind the rest, and sends each part that is full.
    async fn append(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            self.send_full_part().await?;
            self.reserve().await?;
            let room = self.part_size().saturating_sub(self.rest.held());
            let room = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
            let written = room - self.rest.append(&bytes[..room]).len();
            if written == 0 {
                return Err(Error::StoreSettings("a part was never begun".to_owned()));
            }
            self.offset += written as u64;
            bytes = &bytes[written..];
        }
        self.send_full_part().await
    }

    /// Sets memory aside for the rest: for a part, or for as much as will ever come.
    async fn reserve(&mut self) -> Result<()> {
        if self.rest.has_room() {
            return Ok(());
        }
        let part_size = self.size_of_next();
        let coming = self.announced.saturating_sub(self.offset);
        let coming = if coming == 0 { part_size } else { coming };
        let bytes = part_size.min(self.rest.length() + coming);
        let bytes = bytes.saturating_sub(self.rest.held()).max(1);
        self.rest.give_room(self.cloud.0.memory.reserve(bytes).await?);
        Ok(())
    }

    async fn send_full_part(&mut self) -> Result<()> {
        if self.layout.multipart.is_none() || self.rest.held() < self.part_size() {
            return Ok(());
        }
        self.send_part().await
    }

    /// Sends the rest as a part.
    async fn send_part(&mut self) -> Result<()> {
        self.in_flight.make_room(&mut self.layout.parts).await?;
        let payload = self.rest.take();
        let multipart = self.layout.multipart.clone().unwrap_or_default();
        self.in_flight.send(self.cloud.clone(), self.path.clone(), multipart, payload)
    }

    /// Reads the session's tail back.
    async fn load_tail(&mut self) -> Result<()> {
        let length = self.rest.in_tail;
        if length == 0 {
            return Ok(());
        }
        let Some(tail) = &self.layout.tail else {
            return Err(Error::damaged(&self.key, "its tail is not known"));
        };
        let path = self.cloud.path(tail);
        self.reserve().await?;
        let found = self.cloud.0.store.get_opts(&path, GetOptions::default());
        let found = match self.cloud.try_ask(found).await? {
            Err(object_store::Error::NotFound { .. }) => {
                return Err(Error::damaged(&path, "it is missing"));
            }
            found => found.map_err(Error::store("read a tail"))?,
        };
        if found.meta.size != length {
            let what = format!("it has {} bytes and should have {length}", found.meta.size);
            return Err(Error::damaged(&path, what));
        }
        let mut pieces = found.into_stream();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(Error::store("read a tail"))?;
            self.rest.in_tail = self.rest.in_tail.saturating_sub(piece.len() as u64);
            if !self.rest.append(&piece).is_empty() {
                return Err(Error::damaged(&path, "it has more bytes than it said"));
            }
        }
        if self.rest.in_tail > 0 {
            return Err(Error::damaged(&path, "it has less bytes than it said"));
        }
        Ok(())
    }

    pub(in crate::blobs) fn needs_tail(&self) -> bool {
        self.rest.changed && self.rest.held() > 0
    }

    /// Makes what was written durable: the parts, and the rest as the tail.
    pub(in crate::blobs) async fn flush(mut self, tail: Option<&ObjectKey>) -> Result<Self> {
        self.in_flight.finish(&mut self.layout.parts).await?;
        if !self.rest.changed {
            return Ok(self);
        }
        self.layout.tail = None;
        self.rest.in_tail = self.rest.held();
        let payload = self.rest.take();
        if self.rest.in_tail > 0 {
            let tail = tail.ok_or_else(|| Error::damaged(&self.key, "its tail has no key"))?;
            self.cloud.put(&self.cloud.path(tail), payload).await?;
            self.layout.tail = Some(tail.clone());
        }
        self.rest.changed = false;
        Ok(self)
    }

    /// Makes everything durable as one object, and labels it.
    pub(in crate::blobs) async fn publish(
        mut self: Box<Self>,
        digest: Option<&Digest>,
    ) -> Result<ObjectKey> {
        self.in_flight.finish(&mut self.layout.parts).await?;
        let key = match (&self.layout.multipart, &self.layout.tail) {
            (None, Some(tail)) if !self.rest.changed => tail.clone(),
            _ => self.key.clone(),
        };
        let cloud = self.cloud.clone();
        let labelled = async {
            match digest {
                Some(digest) => cloud.label(&key, digest).await,
                None => Ok(()),
            }
        };
        let (stored, labelled) = tokio::join!(self.store(&key), labelled);
        stored.and(labelled)?;
        Ok(key)
    }

    async fn store(&mut self, key: &ObjectKey) -> Result<()> {
        if *key != self.key {
            // The tail is all there is, and durable.
            return Ok(());
        }
        if self.layout.multipart.is_none() {
            let payload = self.rest.take();
            return self.cloud.put(&self.path, payload).await;
        }
        self.load_tail().await?;
        if self.rest.held() > 0 || self.layout.parts.is_empty() {
            self.send_part().await?;
            self.in_flight.finish(&mut self.layout.parts).await?;
        }
        self.complete().await
    }
}

fn cut_off(error: tokio::task::JoinError) -> Error {
    Error::Io { what: "a write was cut off".to_owned(), source: std::io::Error::other(error) }
}
