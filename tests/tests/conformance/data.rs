//! Content to push, with digests of either algorithm.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use roadstead_tests::content::{self, random_bytes};
use serde_json::{Value, json};

/// How content is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Sha256,
    Sha512,
}

impl Algorithm {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    /// The digest of bytes.
    pub(crate) fn digest(self, bytes: &[u8]) -> String {
        match self {
            Self::Sha256 => content::sha256(bytes),
            Self::Sha512 => content::sha512(bytes),
        }
    }
}

/// A blob to push.
#[derive(Clone, Debug)]
pub(crate) struct Blob {
    pub(crate) digest: String,
    pub(crate) bytes: Vec<u8>,
}

impl Blob {
    /// A blob of these bytes.
    pub(crate) fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        Self { digest: algorithm.digest(bytes), bytes: bytes.to_vec() }
    }

    /// A blob of random bytes.
    pub(crate) fn random(rng: &mut StdRng, algorithm: Algorithm, length: usize) -> Self {
        Self::of(algorithm, &random_bytes(rng, length))
    }

    /// Where a repository has it.
    pub(crate) fn path(&self, repository: &str) -> String {
        format!("/v2/{repository}/blobs/{}", self.digest)
    }
}

/// A manifest to push.
#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    pub(crate) digest: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) media_type: String,
    pub(crate) subject: Option<String>,
}

impl Manifest {
    /// The manifest that a document makes.
    pub(crate) fn of(algorithm: Algorithm, document: &Value) -> Self {
        let bytes = serde_json::to_vec(document).expect("JSON");
        Self {
            digest: algorithm.digest(&bytes),
            bytes,
            media_type: document["mediaType"].as_str().expect("a media type").to_owned(),
            subject: document["subject"]["digest"].as_str().map(str::to_owned),
        }
    }

    /// Its descriptor.
    pub(crate) fn descriptor(&self) -> Value {
        json!({"mediaType": self.media_type, "digest": self.digest, "size": self.bytes.len()})
    }

    /// Where a repository has it.
    pub(crate) fn path(&self, repository: &str) -> String {
        format!("/v2/{repository}/manifests/{}", self.digest)
    }
}

/// Content that belongs together: what is pushed, and what lists must then show.
#[derive(Clone, Debug)]
pub(crate) struct DataSet {
    pub(crate) algorithm: Algorithm,
    pub(crate) blobs: Vec<Blob>,
    /// In the order of pushing: what is named comes before what names it.
    pub(crate) manifests: Vec<Manifest>,
    /// Tags, each with the digest of its manifest.
    pub(crate) tags: BTreeMap<String, String>,
    /// Digests of subjects, each with descriptors as lists of referrers have them.
    pub(crate) referrers: BTreeMap<String, Vec<Value>>,
    /// Whether tags are set with `?tag=` when a manifest is pushed by digest.
    pub(crate) tag_parameter: bool,
}

impl DataSet {
    /// An empty set.
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        Self {
            algorithm,
            blobs: Vec::new(),
            manifests: Vec::new(),
            tags: BTreeMap::new(),
            referrers: BTreeMap::new(),
            tag_parameter: false,
        }
    }

    /// Adds a blob and returns its descriptor.
    pub(crate) fn blob(&mut self, media_type: &str, bytes: &[u8]) -> Value {
        let blob = Blob::of(self.algorithm, bytes);
        let descriptor =
            json!({"mediaType": media_type, "digest": blob.digest, "size": bytes.len()});
        if self.blobs.iter().all(|known| known.digest != blob.digest) {
            self.blobs.push(blob);
        }
        descriptor
    }

    /// Adds a manifest and returns its descriptor.
    pub(crate) fn manifest(&mut self, document: &Value) -> Value {
        let manifest = Manifest::of(self.algorithm, document);
        let descriptor = manifest.descriptor();
        if let Some(subject) = &manifest.subject {
            let mut referrer = descriptor.clone();
            let config = Some(&document["config"]["mediaType"]).filter(|name| name.is_string());
            let own = document.get("artifactType").or(config);
            for (key, value) in
                [("artifactType", own), ("annotations", document.get("annotations"))]
            {
                if let Some(value) = value {
                    referrer[key] = value.clone();
                }
            }
            self.referrers.entry(subject.clone()).or_default().push(referrer);
        }
        self.manifests.push(manifest);
        descriptor
    }

    /// Lets a tag name the manifest of a descriptor.
    pub(crate) fn tag(&mut self, tag: &str, descriptor: &Value) {
        let digest = descriptor["digest"].as_str().expect("a digest");
        self.tags.insert(tag.to_owned(), digest.to_owned());
    }

    /// The manifest with this digest.
    pub(crate) fn find(&self, digest: &str) -> &Manifest {
        self.manifests.iter().find(|m| m.digest == digest).expect("a manifest of the set")
    }
}
