use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use roadstead_model::{
    Algorithm, BlobId, Clock as _, Digest, GARBAGE_COLLECTION, ManifestId, ManualClock, ObjectKey,
    ProjectId, RepositoryId, Timestamp,
};
use roadstead_storage::blobs::{Layout, Session};
use roadstead_storage::tables::execution::{self, Execution};
use roadstead_storage::tables::manifest::{self, NewManifest};
use roadstead_storage::tables::principal::{self, Kind as Principal};
use roadstead_storage::tables::tag::{self, NewTag};
use roadstead_storage::tables::{
    blob, gc_queue, held, link, project, repository, setting, tombstone, usage,
};
use roadstead_storage::{Blobs, ContentHash, Db, Tx, testing};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::Worker;

mod manifests;
mod objects;
mod runs;

const HOUR: Duration = Duration::from_hours(1);
const LEASE: Duration = Duration::from_hours(24);

/// A project with repositories that are filled without a registry.
struct House {
    _directory: testing::Kept,
    db: Db,
    blobs: Blobs,
    clock: Arc<ManualClock>,
    worker: Arc<Worker>,
    stop: CancellationToken,
    project: ProjectId,
}

fn policy(untagged: Untagged) -> Policy {
    let policy = Policy { grace: HOUR, lease: LEASE, rate: 0, workers: 1, ..Policy::default() };
    Policy { untagged, ..policy }
}

impl House {
    async fn new(untagged: Untagged) -> Self {
        let (directory, db) = testing::database(2).await;
        let blobs = Blobs::open(directory.path().join("blobs")).await.unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp(0)));
        let mut tx = db.begin().await.unwrap();
        setting::get_or_set(&mut tx, "db_epoch", "epoch").await.unwrap();
        let now = clock.now();
        let owner = principal::insert(&mut tx, Principal::User, "ann", now).await.unwrap();
        let name = "team".parse().unwrap();
        let project = project::insert(&mut tx, &name, owner, false, -1, now).await.unwrap();
        tx.commit().await.unwrap();
        let (all, time) = (blobs.clone(), clock.clone());
        let worker = Worker::new(db.clone(), all, time, policy(untagged)).await.unwrap();
        let worker = Arc::new(worker);
        let stop = CancellationToken::new();
        Self { _directory: directory, db, blobs, clock, worker, stop, project }
    }

    async fn tx(&self) -> Tx {
        self.db.begin().await.unwrap()
    }

    async fn repository(&self, name: &str) -> RepositoryId {
        let mut tx = self.tx().await;
        let name = format!("team/{name}").parse().unwrap();
        let now = self.clock.now();
        let id = repository::ensure(&mut tx, self.project, &name, now).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    /// Links a blob, which is made with its object if it is new.
    async fn blob(&self, repository: RepositoryId, text: &str) -> BlobId {
        let digest = Digest::of(Algorithm::Sha256, text.as_bytes());
        let key = ObjectKey::fresh();
        let now = self.clock.now();
        let mut tx = self.tx().await;
        let size = text.len() as u64;
        let id = if let Some(id) = blob::insert(&mut tx, &digest, size, &key, now).await.unwrap() {
            let layout = Layout::default();
            let session = Session { key: &key, received: 0, layout: &layout, expected: None };
            let hash = ContentHash::new(Algorithm::Sha256);
            self.blobs.stage(session, hash).flush(None).await.unwrap();
            id
        } else {
            blob::find(&mut tx, &digest).await.unwrap().unwrap().id
        };
        link::put(&mut tx, self.project, repository, id, now.after(LEASE)).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    /// A manifest pushed by its digest.
    async fn manifest(
        &self,
        repository: RepositoryId,
        name: &str,
        blobs: &[BlobId],
        children: &[ManifestId],
        subject: Option<&str>,
    ) -> ManifestId {
        let now = self.clock.now();
        let mut tx = self.tx().await;
        let subject = subject.map(|name| Digest::of(Algorithm::Sha256, name.as_bytes()));
        let new = NewManifest {
            digest: &Digest::of(Algorithm::Sha256, name.as_bytes()),
            media_type: "application/vnd.oci.image.manifest.v1+json",
            is_index: !children.is_empty(),
            bytes: name.as_bytes(),
            depth: 0,
            subject: subject.as_ref(),
            artifact_type: None,
            annotations: None,
            facts: manifest::Facts::default(),
        };
        let id = manifest::insert(&mut tx, repository, new, now).await.unwrap().unwrap();
        held::hold_blobs(&mut tx, repository, id, blobs.iter().copied()).await.unwrap();
        held::hold_children(&mut tx, id, children.iter().copied()).await.unwrap();
        gc_queue::links_held(&mut tx, repository, blobs.iter().copied()).await.unwrap();
        gc_queue::manifests_held(&mut tx, repository, children.iter().copied()).await.unwrap();
        let lease = Some(now.after(LEASE));
        gc_queue::manifest(&mut tx, repository, id, now, lease).await.unwrap();
        let size = i64::try_from(name.len()).unwrap();
        usage::add(&mut tx, self.project, size).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    async fn tag(&self, repository: RepositoryId, name: &str, manifest: ManifestId) {
        let mut tx = self.tx().await;
        let name = name.parse().unwrap();
        let new = NewTag { name: &name, manifest, immutable: false, strict: false };
        assert!(tag::put(&mut tx, repository, new, self.clock.now()).await.unwrap());
        gc_queue::manifests_held(&mut tx, repository, [manifest]).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn untag(&self, repository: RepositoryId, name: &str) {
        let mut tx = self.tx().await;
        let name = name.parse().unwrap();
        let tag::Removed::Gone(id) = tag::remove(&mut tx, repository, &name).await.unwrap() else {
            panic!("there is no such tag");
        };
        gc_queue::manifest(&mut tx, repository, id, self.clock.now(), None).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn round(&self) {
        self.worker.round(true, &self.stop).await.unwrap();
        let wrong = link::miscounted(&mut self.db.read().await.unwrap()).await.unwrap();
        assert_eq!(wrong, [], "usage is exact");
    }

    /// A collection that somebody asks for; the results and the log.
    async fn ask(&self, parameters: &str) -> Execution {
        let mut tx = self.tx().await;
        let (job, now) = (GARBAGE_COLLECTION, self.clock.now());
        let id = execution::insert(&mut tx, job, "MANUAL", parameters, now).await.unwrap();
        tx.commit().await.unwrap();
        self.worker.collect_what_is_asked_for(&self.stop).await.unwrap();
        let mut conn = self.db.read().await.unwrap();
        execution::find(&mut conn, job, id).await.unwrap().unwrap()
    }

    async fn count(&self, sql: &'static str) -> i64 {
        let mut conn = self.db.read().await.unwrap();
        conn.query(sql).fetch_one::<(i64,)>().await.unwrap().0
    }

    async fn objects(&self) -> usize {
        self.blobs.walk().collect::<Vec<_>>().await.len()
    }

    async fn manifests(&self) -> i64 {
        self.count("SELECT COUNT(*) FROM manifest").await
    }

    async fn blob_rows(&self) -> i64 {
        self.count("SELECT COUNT(*) FROM blob").await
    }

    async fn queued(&self) -> i64 {
        self.count("SELECT COUNT(*) FROM gc_queue").await
    }
}
