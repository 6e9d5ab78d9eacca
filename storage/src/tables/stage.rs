//! What the tests of tables begin with: a database with a person, a private project and a
//! repository, and short ways to put content there.

use roadstead_model::{
    Algorithm, BlobId, Digest, ManifestId, ObjectKey, Origin, PrincipalId, ProjectId, RepositoryId,
    Tag, Timestamp,
};

use super::audit::Actor;
use super::manifest::NewManifest;
use super::principal::{self, Kind};
use super::tag::{self, NewTag};
use super::{blob, link, manifest, project, repository};
use crate::testing::Kept;
use crate::{Db, Tx};

pub(crate) const NOW: Timestamp = Timestamp(1_000_000);

pub(crate) struct Stage {
    _kept: Kept,
    pub(crate) db: Db,
    pub(crate) owner: PrincipalId,
    /// `team`, which is private and has no quota.
    pub(crate) project: ProjectId,
    /// `team/app`.
    pub(crate) repository: RepositoryId,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let (kept, db) = crate::testing::database(3).await;
        let mut tx = db.begin().await.unwrap();
        let owner = person(&mut tx, "owner").await;
        let project = project(&mut tx, "team", owner, false).await;
        let repository = repository(&mut tx, project, "team/app").await;
        tx.commit().await.unwrap();
        Self { _kept: kept, db, owner, project, repository }
    }

    /// What fails in a transaction ends it on PostgreSQL, so each such attempt has one of its own.
    pub(crate) async fn begin(&self) -> Tx {
        self.db.begin().await.unwrap()
    }
}

/// So many seconds after 1970.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp(second * 1_000_000)
}

pub(crate) fn sha256(text: &str) -> Digest {
    Digest::of(Algorithm::Sha256, text.as_bytes())
}

pub(crate) fn nobody() -> Actor<'static> {
    static ORIGIN: std::sync::LazyLock<Origin> = std::sync::LazyLock::new(Origin::default);
    Actor { principal: None, name: "system", origin: &ORIGIN }
}

pub(crate) async fn person(tx: &mut Tx, name: &str) -> PrincipalId {
    principal::insert(tx, Kind::User, name, NOW).await.unwrap()
}

pub(crate) async fn project(
    tx: &mut Tx,
    name: &str,
    owner: PrincipalId,
    public: bool,
) -> ProjectId {
    project::insert(tx, &name.parse().unwrap(), owner, public, -1, NOW).await.unwrap()
}

pub(crate) async fn repository(tx: &mut Tx, project: ProjectId, name: &str) -> RepositoryId {
    repository::ensure(tx, project, &name.parse().unwrap(), NOW).await.unwrap()
}

/// A blob of these bytes without links.
pub(crate) async fn blob(tx: &mut Tx, text: &str) -> BlobId {
    let (digest, key) = (sha256(text), ObjectKey::fresh());
    blob::insert(tx, &digest, text.len() as u64, &key, NOW).await.unwrap().expect("a new blob")
}

/// A blob of these bytes that is linked in a repository until `lease`.
pub(crate) async fn linked(
    tx: &mut Tx,
    project: ProjectId,
    repository: RepositoryId,
    text: &str,
    lease: Timestamp,
) -> BlobId {
    let id = blob(tx, text).await;
    link::put(tx, project, repository, id, lease).await.unwrap();
    id
}

/// A manifest of these bytes that holds nothing.
pub(crate) async fn manifest(tx: &mut Tx, repository: RepositoryId, text: &str) -> ManifestId {
    put(tx, repository, text, None, false).await.expect("a new manifest")
}

/// An index of these bytes that holds nothing yet.
pub(crate) async fn index(tx: &mut Tx, repository: RepositoryId, text: &str) -> ManifestId {
    put(tx, repository, text, None, true).await.expect("a new manifest")
}

/// A manifest of these bytes that refers to the one with those.
pub(crate) async fn referrer(
    tx: &mut Tx,
    repository: RepositoryId,
    text: &str,
    subject: &str,
) -> ManifestId {
    put(tx, repository, text, Some(subject), false).await.expect("a new manifest")
}

/// Every manifest of these tests is made here.
pub(crate) async fn put(
    tx: &mut Tx,
    repository: RepositoryId,
    text: &str,
    subject: Option<&str>,
    is_index: bool,
) -> Option<ManifestId> {
    let (digest, subject) = (sha256(text), subject.map(sha256));
    let new = NewManifest {
        digest: &digest,
        media_type: "application/vnd.oci.image.manifest.v1+json",
        is_index,
        bytes: text.as_bytes(),
        depth: 0,
        subject: subject.as_ref(),
        artifact_type: None,
        annotations: None,
        facts: manifest::Facts {
            accessory_of: subject.as_ref().map(Digest::as_str),
            ..manifest::Facts::default()
        },
    };
    manifest::insert(tx, repository, new, NOW).await.unwrap()
}

pub(crate) async fn tag(tx: &mut Tx, repository: RepositoryId, name: &str, manifest: ManifestId) {
    let name = name.parse().unwrap();
    assert!(tag::put(tx, repository, new_tag(&name, manifest), NOW).await.unwrap(), "{name}");
}

/// A tag that no rule protects.
pub(crate) fn new_tag(name: &Tag, manifest: ManifestId) -> NewTag<'_> {
    NewTag { name, manifest, immutable: false, strict: false }
}
