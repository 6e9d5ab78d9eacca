//! Everything that hangs on a manifest, as bytes, wherever it lies.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::content::sha256;
use crate::http::Person;

/// What a client says it understands when it asks for a manifest.
const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.docker.distribution.manifest.v2+json";

/// A manifest and all that it leads to, each under its digest.
#[derive(Clone, PartialEq, Eq)]
pub struct Content {
    root: String,
    parts: BTreeMap<String, Vec<u8>>,
}

/// Digests and lengths: the bytes themselves would bury the message.
impl std::fmt::Debug for Content {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(formatter, "root {}", self.root)?;
        for (digest, bytes) in &self.parts {
            writeln!(formatter, "  {digest} {} bytes", bytes.len())?;
        }
        Ok(())
    }
}

impl Content {
    /// What an OCI image layout directory holds under its only tag, or under `tag`.
    #[track_caller]
    pub fn of_layout(directory: impl AsRef<Path>, tag: &str) -> Self {
        let directory = directory.as_ref();
        let index = fs::read(directory.join("index.json")).expect("an index.json");
        let index: Value = serde_json::from_slice(&index).expect("JSON");
        let entries = index["manifests"].as_array().expect("manifests");
        let tagged = |entry: &&Value| {
            let name = &entry["annotations"]["org.opencontainers.image.ref.name"];
            entries.len() == 1 || name == tag
        };
        let entry = entries.iter().find(tagged).unwrap_or_else(|| panic!("no {tag} in {index}"));
        let root = entry["digest"].as_str().expect("a digest").to_owned();
        Self::walk(&root, |digest, _| {
            let (algorithm, hex) = digest.split_once(':').expect("a digest");
            let path = directory.join("blobs").join(algorithm).join(hex);
            fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        })
    }

    /// Collects what `read` answers for a digest (and whether it is a manifest), from the root on.
    #[track_caller]
    pub fn walk(root: &str, mut read: impl FnMut(&str, bool) -> Vec<u8>) -> Self {
        let mut walk = Walk::default();
        walk.open.push((root.to_owned(), true));
        while let Some((digest, is_manifest)) = walk.next() {
            let bytes = read(&digest, is_manifest);
            walk.take(digest, is_manifest, bytes);
        }
        Self { root: root.to_owned(), parts: walk.parts }
    }

    /// What the server answers this person for a tag or digest in a repository.
    pub async fn of_server(person: &Person, repository: &str, reference: &str) -> Self {
        let bytes = fetch(person, &format!("/v2/{repository}/manifests/{reference}")).await;
        let root = sha256(&bytes);
        let mut walk = Walk::default();
        walk.take(root.clone(), true, bytes);
        while let Some((digest, is_manifest)) = walk.next() {
            let kind = if is_manifest { "manifests" } else { "blobs" };
            let bytes = fetch(person, &format!("/v2/{repository}/{kind}/{digest}")).await;
            walk.take(digest, is_manifest, bytes);
        }
        Self { root, parts: walk.parts }
    }

    /// The digest of the manifest it all hangs on.
    pub fn digest(&self) -> &str {
        &self.root
    }

    /// The bytes of the manifest it all hangs on.
    pub fn manifest(&self) -> &[u8] {
        &self.parts[&self.root]
    }

    /// The manifest it all hangs on, parsed.
    pub fn parsed(&self) -> Value {
        serde_json::from_slice(self.manifest()).expect("a manifest in JSON")
    }

    /// The bytes under a digest.
    pub fn part(&self, digest: &str) -> &[u8] {
        self.parts.get(digest).unwrap_or_else(|| panic!("no {digest} in {self:?}"))
    }

    /// Every digest.
    pub fn digests(&self) -> impl Iterator<Item = &str> {
        self.parts.keys().map(String::as_str)
    }

    /// The digests of the layers of the image it is.
    pub fn layers(&self) -> Vec<String> {
        let manifest = self.parsed();
        let layers = manifest["layers"].as_array().expect("layers");
        layers.iter().map(|layer| layer["digest"].as_str().expect("a digest").to_owned()).collect()
    }
}

/// The way through a manifest's content: what is still to be read, and what has been.
#[derive(Default)]
struct Walk {
    open: Vec<(String, bool)>,
    parts: BTreeMap<String, Vec<u8>>,
}

impl Walk {
    /// The next digest to read, and whether it is a manifest's.
    fn next(&mut self) -> Option<(String, bool)> {
        self.open.retain(|(digest, _)| !self.parts.contains_key(digest));
        self.open.pop()
    }

    /// Keeps the bytes under a digest, which they must have.
    #[track_caller]
    fn take(&mut self, digest: String, is_manifest: bool, bytes: Vec<u8>) {
        assert_eq!(sha256(&bytes), digest, "the digest of the bytes that were answered");
        if is_manifest {
            self.open.extend(children(&bytes));
        }
        self.parts.insert(digest, bytes);
    }
}

async fn fetch(person: &Person, path: &str) -> Vec<u8> {
    let request = person.send("GET", path).header("accept", ACCEPT);
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.status(), 200, "GET {path}");
    answer.bytes().await.expect("a body").to_vec()
}

/// The digests that a manifest names, each with whether it is that of a manifest.
fn children(manifest: &[u8]) -> Vec<(String, bool)> {
    let manifest: Value = serde_json::from_slice(manifest).expect("a manifest in JSON");
    let named = |field: &str, is_manifest: bool| {
        let entries = manifest[field].as_array().cloned().unwrap_or_default();
        let digest = |entry: &Value| entry["digest"].as_str().expect("a digest").to_owned();
        entries.iter().map(|entry| (digest(entry), is_manifest)).collect::<Vec<_>>()
    };
    let mut all = named("manifests", true);
    all.extend(named("layers", false));
    all.extend(manifest["config"]["digest"].as_str().map(|digest| (digest.to_owned(), false)));
    all
}
