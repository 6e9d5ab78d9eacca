//! What was served a moment ago: manifests by tag and by digest, and which blobs are linked where.
//!
//! Everything here is believed until the repository's content changes
//! ([`Generations::of_repository`](roadstead_storage::Generations::of_repository)), and for
//! [`BELIEVED`](roadstead_storage::BELIEVED) at most. What is not there is not remembered: the next
//! push may bring it.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use roadstead_auth::Grant;
use roadstead_model::{Digest, Reference, RepositoryId};
use roadstead_storage::tables::blob::{self, Blob};
use roadstead_storage::tables::manifest::{self, Manifest};
use roadstead_storage::{Remembered, Stamp};

use crate::Registry;
use crate::error::{Error, Result};
use crate::pull::known;

/// How many bytes of manifests are remembered at most.
const MANIFESTS: u64 = 64 << 20;
/// A larger manifest is not.
const LARGEST: usize = 1 << 20;
/// How many manifests that may be, on average.
const USUAL: usize = 4 << 10;
/// How many links are remembered at most.
const LINKS: usize = 20_000;

/// A manifest with its bytes.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) manifest: Manifest,
    pub(crate) bytes: Bytes,
}

type Known<T> = Arc<Remembered<Arc<T>>>;

/// What was served a moment ago; clones share it.
#[derive(Clone)]
pub(crate) struct Memory(Arc<Shelves>);

struct Shelves {
    manifests: Cache<(RepositoryId, Reference), Known<Served>, Weight>,
    links: Cache<(RepositoryId, Digest), Known<Blob>>,
}

#[derive(Clone)]
struct Weight;

impl Weighter<(RepositoryId, Reference), Known<Served>> for Weight {
    fn weight(&self, _: &(RepositoryId, Reference), served: &Known<Served>) -> u64 {
        // About what the rest of it takes.
        const REST: u64 = 512;
        REST + served.whatever().bytes.len() as u64
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self(Arc::new(Shelves {
            manifests: Cache::with_weighter(USUAL, MANIFESTS, Weight),
            links: Cache::new(LINKS),
        }))
    }
}

/// Keys as they are looked up, without a copy of the text.
struct Named<'a, T>(RepositoryId, &'a T);

impl<T: std::hash::Hash> std::hash::Hash for Named<'_, T> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
        self.1.hash(state);
    }
}

impl<T: std::hash::Hash + Eq> quick_cache::Equivalent<(RepositoryId, T)> for Named<'_, T> {
    fn equivalent(&self, key: &(RepositoryId, T)) -> bool {
        self.0 == key.0 && *self.1 == key.1
    }
}

impl Registry {
    /// The manifest that a reference names.
    pub(crate) async fn find_manifest(
        &self,
        grant: &Grant,
        reference: &Reference,
    ) -> Result<Arc<Served>> {
        let repository = known(grant)?;
        let manifests = &self.memory.0.manifests;
        let (stamp, since) = self.now_current(repository);
        if let Some(known) = manifests.get(&Named(repository, reference))
            && let Some(served) = known.get(stamp)
        {
            return Ok(served.clone());
        }
        let served = Arc::new(self.load_manifest(repository, reference).await?);
        if served.bytes.len() <= LARGEST {
            let known = Arc::new(Remembered::new(served.clone(), stamp, since));
            // Clients ask by tag first, and then by the digest that they were told.
            if let Reference::Tag(_) = reference {
                let digest = Reference::Digest(served.manifest.digest.clone());
                manifests.insert((repository, digest), known.clone());
            }
            manifests.insert((repository, reference.clone()), known);
        }
        Ok(served)
    }

    async fn load_manifest(
        &self,
        repository: RepositoryId,
        reference: &Reference,
    ) -> Result<Served> {
        let mut conn = self.db.read().await?;
        let found = match reference {
            Reference::Tag(tag) => manifest::find_tagged(&mut conn, repository, tag).await?,
            Reference::Digest(digest) => manifest::find(&mut conn, repository, digest).await?,
        };
        let unknown = || Error::ManifestUnknown(reference.to_string());
        let manifest = found.ok_or_else(unknown)?;
        let bytes = manifest::bytes(&mut conn, manifest.id).await?.ok_or_else(unknown)?;
        Ok(Served { manifest, bytes: bytes.into() })
    }

    /// The blob, if it is linked in the repository.
    pub(crate) async fn find_blob(&self, grant: &Grant, digest: &Digest) -> Result<Arc<Blob>> {
        let repository = known(grant)?;
        let links = &self.memory.0.links;
        let (stamp, since) = self.now_current(repository);
        if let Some(known) = links.get(&Named(repository, digest))
            && let Some(blob) = known.get(stamp)
        {
            return Ok(blob.clone());
        }
        let found = blob::linked(&mut self.db.read().await?, repository, digest).await?;
        let blob = Arc::new(found.ok_or_else(|| Error::BlobUnknown(digest.clone()))?);
        let known = Arc::new(Remembered::new(blob.clone(), stamp, since));
        links.insert((repository, digest.clone()), known);
        Ok(blob)
    }

    fn now_current(&self, repository: RepositoryId) -> (Stamp, Instant) {
        (self.db.generations().of_repository(repository), Instant::now())
    }
}
