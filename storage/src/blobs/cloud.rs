//! Blobs in an object store: S3 and what speaks like it, Google Cloud Storage, Azure.
//!
//! Below the prefix there are `format`; `b/xx/<uuid>`, the objects; and `idx/<digest>/<uuid>`,
//! empty objects that say what an object hashes to, for the day on which the database is lost.
//! Nothing here is ever copied, renamed or overwritten with something else.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use http::Method;
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{Error as ObjectError, ObjectStore, ObjectStoreExt as _, PutPayload};
use roadstead_model::{Digest, ObjectKey};

use super::content_hash::ContentHash;
use super::found::{Found, Label};
use super::stage::{Session, Staged};
use crate::error::{Error, Result};

mod breaker;
mod delete;
mod memory;
mod probe;
mod profile;
mod reader;
mod sending;
pub(super) mod settings;

use breaker::Breaker;
use memory::Memory;
pub(super) use reader::Reader;
pub(super) use sending::Sending;
use settings::StoreSettings;

/// What a store must be able to do.
trait Backend: ObjectStore + MultipartStore + Signer {}
impl<T: ObjectStore + MultipartStore + Signer> Backend for T {}

/// A store, and what bounds the work with it.
#[derive(Clone)]
pub(super) struct Cloud(Arc<Parts>);

struct Parts {
    store: Arc<dyn Backend>,
    /// Signs addresses for clients, who may reach the store by another name.
    signer: Arc<dyn Backend>,
    provider: &'static str,
    /// The bucket, as messages name it.
    bucket: String,
    prefix: Path,
    part_size: u64,
    memory: Memory,
    breaker: Breaker,
}

impl Cloud {
    /// Connects to a store. Nothing is written.
    pub(super) async fn open(settings: &StoreSettings) -> Result<Self> {
        let cloud = Self(Arc::new(settings.connect()?));
        cloud.check_format().await?;
        Ok(cloud)
    }

    pub(super) fn provider(&self) -> &'static str {
        self.0.provider
    }

    fn path(&self, key: &ObjectKey) -> Path {
        self.below(key.as_str())
    }

    fn below(&self, name: &str) -> Path {
        Path::from(format!("{}/{name}", self.0.prefix))
    }

    fn label_path(&self, key: &ObjectKey, digest: &Digest) -> Path {
        self.below(&format!("idx/{}/{}", digest.as_str().replace(':', "-"), key.name()))
    }

    /// Asks the store, unless it failed too often just now.
    async fn ask<T>(
        &self,
        what: &'static str,
        request: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T> {
        self.try_ask(request).await?.map_err(Error::store(what))
    }

    /// The same, for those who look at the store's refusal.
    async fn try_ask<T>(
        &self,
        request: impl Future<Output = object_store::Result<T>>,
    ) -> Result<object_store::Result<T>> {
        let turn = self.0.breaker.enter()?;
        let answer = request.await;
        turn.note(answer.as_ref().err());
        if let Err(
            error @ (ObjectError::PermissionDenied { .. } | ObjectError::Unauthenticated { .. }),
        ) = &answer
        {
            tracing::error!(%error, "the object store refuses the registry's credentials");
        }
        Ok(answer)
    }

    pub(super) fn stage(&self, session: Session<'_>, hash: ContentHash) -> Staged {
        Staged::remote(Sending::new(self.clone(), session, hash))
    }

    async fn put(&self, path: &Path, bytes: impl Into<PutPayload>) -> Result<()> {
        // Not on the condition that nothing is there: keys are never used twice, and a request
        // with a condition cannot be repeated when its answer is lost.
        self.ask("write an object", self.0.store.put(path, bytes.into())).await.map(drop)
    }

    pub(super) async fn label(&self, key: &ObjectKey, digest: &Digest) -> Result<()> {
        self.put(&self.label_path(key, digest), PutPayload::new()).await
    }

    pub(super) async fn size(&self, key: &ObjectKey) -> Result<Option<u64>> {
        match self.try_ask(self.0.store.head(&self.path(key))).await? {
            Ok(object) => Ok(Some(object.size)),
            Err(ObjectError::NotFound { .. }) => Ok(None),
            Err(error) => Err(Error::store("look up an object")(error)),
        }
    }

    pub(super) async fn read(
        &self,
        key: &ObjectKey,
        size: u64,
        first: std::ops::Range<u64>,
    ) -> Result<Reader> {
        Reader::open(self.clone(), key, size, first).await
    }

    pub(super) async fn hash(
        &self,
        key: &ObjectKey,
        length: u64,
        mut hash: ContentHash,
    ) -> Result<ContentHash> {
        let mut reader = self.read(key, length, 0..length).await?;
        let mut offset = 0;
        while offset < length {
            let piece = reader.piece(offset, length).await.map_err(Error::io("read an object"))?;
            offset += piece.len() as u64;
            hash.update(&piece);
            tokio::task::yield_now().await;
        }
        Ok(hash)
    }

    pub(super) async fn address(&self, key: &ObjectKey, lifetime: Duration) -> Result<String> {
        let path = self.path(key);
        let signed = self.0.signer.signed_url(Method::GET, &path, lifetime);
        Ok(self.ask("sign an address", signed).await?.into())
    }

    pub(super) fn walk(&self) -> BoxStream<'static, Result<Found>> {
        let prefix = self.0.prefix.clone();
        let objects = self.0.store.list(Some(&self.below("b")));
        let found = objects.map(move |object| {
            let path = object.map_err(Error::store("list the objects"))?.location;
            let key = name_below(&prefix, &path).and_then(|name| name.parse().ok());
            Ok(key.map_or_else(|| Found::Stranger(path.to_string()), Found::Object))
        });
        found.boxed()
    }

    /// Two listings, of which the shorter names are kept: neither is in the other's order.
    pub(super) fn labels(&self) -> BoxStream<'static, Result<Label>> {
        let (cloud, prefix) = (self.clone(), self.0.prefix.clone());
        let labels = self.0.store.list(Some(&self.below("idx")));
        let digests = labels.try_fold(HashMap::new(), |mut digests, label| {
            digests.extend(parse_label(&label.location));
            std::future::ready(Ok(digests))
        });
        let all = async move {
            let mut digests = digests.await.map_err(Error::store("list the labels"))?;
            let objects = cloud.0.store.list(Some(&cloud.below("b")));
            let objects = objects.map_err(Error::store("list the objects"));
            Ok::<_, Error>(objects.try_filter_map(move |object| {
                let name = name_below(&prefix, &object.location);
                let key: Option<ObjectKey> = name.and_then(|name| name.parse().ok());
                let size = object.size;
                let label = key.map(|key| Label { digest: digests.remove(&key), key, size });
                std::future::ready(Ok(label))
            }))
        };
        stream::once(all).try_flatten().boxed()
    }
}

/// The name of an object below the prefix.
fn name_below(prefix: &Path, path: &Path) -> Option<String> {
    let parts: Vec<_> = path.prefix_match(prefix)?.collect();
    let names: Vec<&str> = parts.iter().map(AsRef::as_ref).collect();
    Some(names.join("/"))
}

/// What `idx/<digest>/<name of the key>` says.
fn parse_label(path: &Path) -> Option<(ObjectKey, Digest)> {
    let mut names = path.as_ref().rsplit('/');
    let key = ObjectKey::named(names.next()?)?;
    let digest = names.next()?.replacen('-', ":", 1).parse().ok()?;
    Some((key, digest))
}
