//! Images and indexes of many shapes.

use rand::rngs::StdRng;
use roadstead_tests::content::{INDEX, MANIFEST, hex, random_bytes};
use serde_json::{Value, json};

use crate::data::{Algorithm, DataSet};

pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
pub(crate) const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// Two artifact types that are nobody's.
pub(crate) const TYPES: [&str; 2] =
    ["application/vnd.example.thing.v1", "application/vnd.example.thing.v2"];

/// What a manifest looks like.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    /// Media types of the layers.
    pub(crate) layers: Vec<&'static str>,
    /// Makes it an artifact, with an empty config.
    pub(crate) artifact_type: Option<&'static str>,
    pub(crate) annotations: Value,
    pub(crate) subject: Option<Value>,
    /// Adds fields that no specification knows.
    pub(crate) custom_fields: bool,
    /// Repeats content in `data` of its descriptor.
    pub(crate) inline_data: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            layers: vec!["application/vnd.oci.image.layer.v1.tar+gzip"; 2],
            artifact_type: None,
            annotations: Value::Null,
            subject: None,
            custom_fields: false,
            inline_data: false,
        }
    }
}

impl Shape {
    /// An artifact with one layer of its own type.
    pub(crate) fn artifact(artifact_type: &'static str) -> Self {
        let layers = vec![artifact_type];
        Self { layers, artifact_type: Some(artifact_type), ..Self::default() }
    }

    /// The same with a subject, and an annotation that makes it the only one of its kind.
    pub(crate) fn about(mut self, rng: &mut StdRng, subject: &Value) -> Self {
        let unique = hex(&random_bytes(rng, 8));
        self.annotations = json!({"org.example.test": "a value", "org.example.unique": unique});
        self.subject = Some(subject.clone());
        self
    }

    fn finish(&self, rng: &mut StdRng, mut document: Value) -> Value {
        if let Some(artifact_type) = self.artifact_type {
            document["artifactType"] = artifact_type.into();
        }
        if !self.annotations.is_null() {
            document["annotations"] = self.annotations.clone();
        }
        if let Some(subject) = &self.subject {
            document["subject"] = subject.clone();
        }
        if self.custom_fields {
            document["org.example.custom"] = hex(&random_bytes(rng, 8)).into();
            document["config.custom"] = json!({"nested": [1, null, {"deep": true}]});
        }
        document
    }

    fn blob(&self, set: &mut DataSet, media_type: &str, bytes: &[u8]) -> Value {
        use base64::Engine as _;
        let mut descriptor = set.blob(media_type, bytes);
        if self.inline_data {
            descriptor["data"] = base64::prelude::BASE64_STANDARD.encode(bytes).into();
        }
        descriptor
    }

    /// The document of an image or artifact over new blobs.
    pub(crate) fn document(&self, rng: &mut StdRng, set: &mut DataSet) -> Value {
        let layer = |media_type: &&str| {
            let bytes = if *media_type == EMPTY { b"{}".to_vec() } else { random_bytes(rng, 700) };
            self.blob(set, media_type, &bytes)
        };
        let layers: Vec<Value> = self.layers.iter().map(layer).collect();
        let config = if self.artifact_type.is_some() {
            self.blob(set, EMPTY, b"{}")
        } else {
            let diffs: Vec<&Value> = layers.iter().map(|layer| &layer["digest"]).collect();
            let config = json!({
                "architecture": "amd64", "os": "linux", "author": hex(&random_bytes(rng, 8)),
                "rootfs": {"type": "layers", "diff_ids": diffs},
            });
            self.blob(set, CONFIG, &serde_json::to_vec(&config).expect("JSON"))
        };
        let document = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers,
        });
        self.finish(rng, document)
    }

    /// Adds an image or artifact and returns its descriptor.
    pub(crate) fn image(&self, rng: &mut StdRng, set: &mut DataSet) -> Value {
        let document = self.document(rng, set);
        set.manifest(&document)
    }

    /// Adds an index over these descriptors and returns its descriptor.
    pub(crate) fn index(&self, rng: &mut StdRng, set: &mut DataSet, children: &[Value]) -> Value {
        let document = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": children});
        let document = self.finish(rng, document);
        set.manifest(&document)
    }

    /// Adds an index over images of this shape for two platforms.
    pub(crate) fn platforms(&self, rng: &mut StdRng, set: &mut DataSet) -> Value {
        let child = |architecture: &str| {
            let mut descriptor = self.image(rng, set);
            descriptor["platform"] = json!({"os": "linux", "architecture": architecture});
            descriptor
        };
        let children = ["amd64", "arm64"].map(child);
        self.index(rng, set, &children)
    }
}

/// A set with one image of a shape under a tag.
pub(crate) fn tagged_image(rng: &mut StdRng, shape: &Shape, tag: &str) -> DataSet {
    let mut set = DataSet::new(Algorithm::Sha256);
    let image = shape.image(rng, &mut set);
    set.tag(tag, &image);
    set
}

/// A set with one index over two images of a shape under a tag.
pub(crate) fn tagged_index(rng: &mut StdRng, shape: &Shape, tag: &str) -> DataSet {
    let mut set = DataSet::new(Algorithm::Sha256);
    let index = shape.platforms(rng, &mut set);
    set.tag(tag, &index);
    set
}
