//! Reading a manifest, strictly: what clients read in it and what we read is the same.

use std::collections::BTreeMap;

use roadstead_model::{Digest, Tag};
use roadstead_storage::tables::manifest::Facts;
use serde::Deserialize;

use crate::artifact::kind::{Said, signed_by_tag};

mod strict;

/// The media types of manifests (image-spec; Docker's registry documentation).
pub(crate) mod media_type {
    pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
    pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    pub(crate) const DOCKER_LIST: &str =
        "application/vnd.docker.distribution.manifest.list.v2+json";

    /// Layers that a registry need not have.
    pub(super) fn is_foreign(layer: &str) -> bool {
        layer.starts_with("application/vnd.oci.image.layer.nondistributable.v1.tar")
            || layer == "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    }

    /// What clients send when they mean nothing by it.
    pub(super) fn says_nothing(content_type: &str) -> bool {
        matches!(content_type, "" | "application/json" | "application/octet-stream")
    }

    /// The four that we know; None for others.
    pub(super) fn is_index(media_type: &str) -> Option<bool> {
        match media_type {
            OCI_MANIFEST | DOCKER_MANIFEST => Some(false),
            OCI_INDEX | DOCKER_LIST => Some(true),
            _ => None,
        }
    }
}

/// Content that a manifest names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    /// May be missing: a foreign layer, or one with URLs.
    pub(crate) optional: bool,
}

/// A manifest, read.
#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    /// Without parameters.
    pub(crate) media_type: String,
    /// Whether what it names may be manifests.
    pub(crate) is_index: bool,
    /// Config and layers of an image; manifests (or blobs) of an index.
    pub(crate) names: Vec<Named>,
    pub(crate) subject: Option<Digest>,
    /// As lists of referrers show it.
    pub(crate) artifact_type: Option<String>,
    /// As JSON; very long ones only beside a subject, where lists of referrers need them.
    pub(crate) annotations: Option<String>,
    /// Harbor's word for what it is.
    pub(crate) kind: String,
    /// Harbor's word for what it is to its subject, or to what the tag that cosign gave it names.
    pub(crate) accessory_type: &'static str,
    /// Whether cosign made it as the signature of what its tag names.
    pub(crate) is_cosign_signature: bool,
    /// What it is shown as, if that is not its own media type.
    pub(crate) config_media_type: Option<String>,
}

/// How many bytes of annotations are kept where no list of referrers needs them.
const MOST_ANNOTATIONS: usize = 65_536;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: Option<i64>,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: Option<String>,
    digest: String,
    size: u64,
    urls: Option<Vec<String>>,
}

/// Why bytes are no manifest, for people.
type Invalid = String;

impl Descriptor {
    fn named(&self) -> Result<Named, Invalid> {
        let digest = self.digest.parse().map_err(|error| format!("{:?}: {error}", self.digest))?;
        if i64::try_from(self.size).is_err() {
            return Err(format!("the size of {digest} is out of range"));
        }
        let foreign = self.media_type.as_deref().is_some_and(media_type::is_foreign);
        let optional = foreign || self.urls.as_ref().is_some_and(|urls| !urls.is_empty());
        Ok(Named { digest, size: self.size, optional })
    }
}

impl Manifest {
    /// Reads a manifest that was sent with `content_type`; `most` bounds layers and children.
    pub(crate) fn parse(content_type: &str, bytes: &[u8], most: usize) -> Result<Self, Invalid> {
        strict::check(bytes).map_err(|error| error.to_string())?;
        let document: Document =
            serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let media_type = document.media_type(content_type)?;
        if document.schema_version != Some(2) {
            return Err("schemaVersion must be 2; Docker's schema 1 is not supported".to_owned());
        }
        let is_index = media_type::is_index(&media_type)
            .ok_or_else(|| format!("{media_type:?} is not the media type of a manifest"))?;
        let described = document.described(is_index)?;
        if described.len() > most.saturating_add(1) {
            return Err(format!("it names more than {most} layers or manifests"));
        }
        let names = described.into_iter().map(Descriptor::named).collect::<Result<_, _>>()?;
        let subject = document.subject.as_ref().map(Descriptor::named).transpose()?;
        let annotations = document.annotations.as_ref();
        let annotations = annotations.and_then(|some| serde_json::to_string(some).ok());
        let annotations =
            annotations.filter(|text| subject.is_some() || text.len() <= MOST_ANNOTATIONS);
        let layers = document.layer_types();
        let said = document.said(is_index, &layers);
        Ok(Self {
            kind: said.kind(),
            accessory_type: said.accessory_type(),
            is_cosign_signature: said.is_cosign_signature(),
            config_media_type: said.shown_config().map(str::to_owned),
            artifact_type: document.artifact_type(is_index),
            media_type,
            is_index,
            names,
            subject: subject.map(|named| named.digest),
            annotations,
        })
    }
}

impl Manifest {
    /// The digest that it signs, if one of its tags is what cosign calls a signature.
    pub(crate) fn signs(&self, tags: &[Tag]) -> Option<String> {
        let signs = self.is_cosign_signature && self.subject.is_none();
        tags.iter().filter(|_| signs).find_map(|tag| signed_by_tag(tag.as_str()))
    }

    /// What its row says of it as an artifact, but for its size.
    pub(crate) fn facts<'a>(&'a self, signed: Option<&'a str>) -> Facts<'a> {
        let accessory_of = self.subject.as_ref().map(Digest::as_str).or(signed);
        let signed = signed.map(|_| "signature.cosign");
        let accessory_type = self.subject.as_ref().map(|_| self.accessory_type).or(signed);
        Facts {
            kind: &self.kind,
            config_media_type: self.config_media_type.as_deref(),
            total_size: 0,
            accessory_of,
            accessory_type,
        }
    }
}

impl Document {
    fn layer_types(&self) -> Vec<&str> {
        let layers = self.layers.iter().flatten();
        layers.map(|layer| layer.media_type.as_deref().unwrap_or_default()).collect()
    }

    fn said<'a>(&'a self, is_index: bool, layers: &'a [&'a str]) -> Said<'a> {
        let config = self.config.as_ref().and_then(|config| config.media_type.as_deref());
        Said {
            is_index,
            artifact_type: self.artifact_type.as_deref().filter(|own| !own.is_empty()),
            config: config.filter(|_| !is_index),
            layers,
            annotations: self.annotations.as_ref(),
        }
    }

    /// What the body says it is, and the header, which must not contradict.
    fn media_type(&self, content_type: &str) -> Result<String, Invalid> {
        let header = content_type.split(';').next().unwrap_or_default().trim();
        match self.media_type.as_deref().filter(|body| !body.is_empty()) {
            Some(body) if media_type::says_nothing(header) || header == body => Ok(body.to_owned()),
            Some(body) => {
                Err(format!("Content-Type is {header:?} and mediaType in the body {body:?}"))
            }
            None if !media_type::says_nothing(header) => Ok(header.to_owned()),
            None if self.manifests.is_some() => Ok(media_type::OCI_INDEX.to_owned()),
            None if self.config.is_some() => Ok(media_type::OCI_MANIFEST.to_owned()),
            None => Err("neither Content-Type nor mediaType says what it is".to_owned()),
        }
    }

    /// What it names; a document that could be read as both kinds is neither (CVE-2021-41190).
    fn described(&self, is_index: bool) -> Result<Vec<&Descriptor>, Invalid> {
        if is_index {
            if self.config.is_some() || self.layers.is_some() {
                return Err("an index must not have config or layers".to_owned());
            }
            return Ok(self.manifests.iter().flatten().collect());
        }
        if self.manifests.is_some() {
            return Err("an image manifest must not have manifests".to_owned());
        }
        let config = self.config.as_ref().ok_or("an image manifest must have a config")?;
        Ok(std::iter::once(config).chain(self.layers.iter().flatten()).collect())
    }

    /// The type that lists of referrers show (distribution-spec, "Listing Referrers").
    fn artifact_type(&self, is_index: bool) -> Option<String> {
        let own = self.artifact_type.clone().filter(|own| !own.is_empty());
        let config = self.config.as_ref().and_then(|config| config.media_type.clone());
        if is_index { own } else { own.or(config) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn descriptor(media_type: &str) -> Value {
        json!({"mediaType": media_type, "digest": format!("sha256:{HEX}"), "size": 0})
    }

    fn image() -> Value {
        json!({"schemaVersion": 2, "config": descriptor("a/b"), "layers": [descriptor("c/d")]})
    }

    fn parse(content_type: &str, document: &Value) -> Result<Manifest, String> {
        Manifest::parse(content_type, document.to_string().as_bytes(), 10)
    }

    fn text(document: &str) -> Result<Manifest, String> {
        Manifest::parse(media_type::OCI_MANIFEST, document.as_bytes(), 10)
    }

    #[test]
    fn the_media_type_comes_from_header_or_body_and_they_must_agree() {
        let with = |media_type: &str| {
            let mut document = image();
            document["mediaType"] = media_type.into();
            document
        };
        for (header, document, expected) in [
            (media_type::OCI_MANIFEST, image(), media_type::OCI_MANIFEST),
            (
                "application/vnd.oci.image.manifest.v1+json; charset=utf-8",
                image(),
                media_type::OCI_MANIFEST,
            ),
            ("", image(), media_type::OCI_MANIFEST),
            ("application/json", with(media_type::DOCKER_MANIFEST), media_type::DOCKER_MANIFEST),
            ("", json!({"schemaVersion": 2, "manifests": []}), media_type::OCI_INDEX),
        ] {
            assert_eq!(parse(header, &document).unwrap().media_type, expected);
        }
        assert!(parse(media_type::DOCKER_MANIFEST, &with(media_type::OCI_MANIFEST)).is_err());
        assert!(parse("text/html", &image()).is_err());
        assert!(parse("application/vnd.oci.artifact.manifest.v1+json", &image()).is_err());
        assert!(parse("", &json!({"schemaVersion": 2})).is_err());
    }

    #[test]
    fn a_document_that_could_be_both_kinds_is_refused() {
        let mut both = image();
        both["manifests"] = json!([]);
        assert!(parse(media_type::OCI_MANIFEST, &both).is_err());
        assert!(parse(media_type::OCI_INDEX, &both).is_err());
        assert!(parse(media_type::OCI_INDEX, &image()).is_err());
        let schema1 = json!({"schemaVersion": 1, "fsLayers": []});
        assert!(parse(media_type::OCI_MANIFEST, &schema1).is_err());
    }

    #[test]
    fn what_parsers_read_differently_is_refused() {
        let config = descriptor("a/b");
        let start = format!(r#"{{"schemaVersion":2,"config":{config}"#);
        assert!(text(&format!("{start}}}")).is_ok());
        for rest in [
            r#","layers":[],"layers":[]}"#.to_owned(),
            r#","LAYERS":[]}"#.to_owned(),
            r#","layer\u017f":[]}"#.to_owned(),
            r#","mediaType":"","MediaType":""}"#.to_owned(),
            r#","annotations":{"a":"1","a":"2"}}"#.to_owned(),
            r#","custom":{"deep":[{"x":1,"x":1}]}}"#.to_owned(),
            r#","layers":[{"digest":"x","size":1,"Digest":"y"}]}"#.to_owned(),
            r#","layers":[{"digest":"sha256:short","size":1}]}"#.to_owned(),
            r"} trailing".to_owned(),
            r#","x":"\ud800"}"#.to_owned(),
            format!(r#","layers":[{{"digest":"sha256:{HEX}","size":1.0}}]}}"#),
            format!(r#","layers":[{{"digest":"sha256:{HEX}","size":-0}}]}}"#),
            format!(r#","layers":[{{"digest":"sha256:{HEX}","size":1e3}}]}}"#),
            format!(r#","layers":[{{"digest":"sha256:{HEX}","size":9223372036854775808}}]}}"#),
        ] {
            assert!(text(&format!("{start}{rest}")).is_err(), "{rest}");
        }
        assert!(text(&format!("\u{feff}{start}}}")).is_err());
        assert!(Manifest::parse("", b"\xff\xfe{}", 10).is_err());
        assert!(text(&"[".repeat(1_000_000)).is_err());
        // Unknown keys are the client's own, and case matters for nothing there.
        assert!(
            text(&format!(r#"{start},"custom":1,"annotations":{{"a":"1","A":"2"}}}}"#)).is_ok()
        );
    }

    #[test]
    fn the_number_of_layers_is_bounded() {
        let mut document = image();
        document["layers"] = vec![descriptor("c/d"); 10].into();
        assert!(parse("", &document).is_ok());
        document["layers"] = vec![descriptor("c/d"); 11].into();
        assert!(parse("", &document).is_err());
    }

    #[test]
    fn foreign_layers_may_be_missing_and_null_means_none() {
        let mut document = image();
        document["layers"] = json!([
            descriptor("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"),
            {"mediaType": "c/d", "digest": format!("sha256:{HEX}"), "size": 0, "urls": ["http://x"]},
            descriptor("c/d"),
        ]);
        let optional: Vec<bool> =
            parse("", &document).unwrap().names.iter().map(|named| named.optional).collect();
        assert_eq!(optional, [false, true, true, false]);
        document["layers"] = Value::Null;
        assert_eq!(parse("", &document).unwrap().names.len(), 1);
    }

    #[test]
    fn the_artifact_type_falls_back_to_the_config_for_images_only() {
        let mut document = image();
        document["subject"] = descriptor(media_type::OCI_MANIFEST);
        document["annotations"] = json!({"k": "v"});
        let read = parse("", &document).unwrap();
        assert_eq!(read.artifact_type.as_deref(), Some("a/b"));
        assert_eq!(read.annotations.as_deref(), Some(r#"{"k":"v"}"#));
        document["artifactType"] = "x/y".into();
        assert_eq!(parse("", &document).unwrap().artifact_type.as_deref(), Some("x/y"));
        let index = json!({"schemaVersion": 2, "manifests": []});
        assert_eq!(parse(media_type::OCI_INDEX, &index).unwrap().artifact_type, None);
    }
}
