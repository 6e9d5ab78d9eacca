//! What is read in an artifact's config and in the descriptors of an index.
//!
//! It is read when somebody looks at the artifact first, so that a push does not wait for it, and
//! kept from then on.

use std::collections::BTreeMap;

use roadstead_model::Digest;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::kind::{IMAGE_CONFIGS, WASM_CONFIG, says_wasm};

/// The largest config that is read.
pub(super) const MOST_BYTES: u64 = 1 << 20;
/// The most bytes of attributes, and of what is said of children, that are kept: lists show them.
const MOST_KEPT: usize = 65_536;

/// Keys of a config that is no image's which are not shown, because they say nothing.
const SKIPPED: &str = "io.goharbor.artifact.v1alpha1.skip-list";
const CONFIG_TYPE: &str = "manifest.config.mediaType";
const TITLE: &str = "org.opencontainers.image.title";
/// Labels of an image that name its author, where the config does not.
const AUTHORS: [&str; 2] = ["org.opencontainers.image.authors", "maintainer"];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Document {
    config: Option<Config>,
    layers: Vec<Layer>,
    manifests: Vec<Child>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Layer {
    media_type: String,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    #[serde(default)]
    media_type: String,
    digest: Digest,
    size: u64,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
struct Child {
    digest: String,
    #[serde(default)]
    platform: Option<Value>,
    #[serde(default)]
    annotations: Option<Value>,
    #[serde(default)]
    urls: Option<Value>,
}

/// A manifest, as far as its attributes go.
pub(super) struct Reading {
    /// The config that is to be read.
    pub(super) config: Option<Digest>,
    is_image: bool,
    skipped: Vec<String>,
    /// What the manifest says by itself.
    own: Map<String, Value>,
    /// As JSON.
    pub(super) children: String,
}

impl Reading {
    /// Begins with the manifest's bytes, which were read strictly when they were pushed.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut document: Document = serde_json::from_slice(bytes).unwrap_or_default();
        let own = of_wasm(&document);
        let children: Vec<Value> = std::mem::take(&mut document.manifests)
            .into_iter()
            .map(|child| {
                json!({"digest": child.digest, "platform": child.platform,
                       "annotations": child.annotations, "urls": child.urls})
            })
            .collect();
        let children = Value::Array(children).to_string();
        let fits = children.len() <= MOST_KEPT;
        let config = document.config.filter(|config| config.size <= MOST_BYTES);
        let media_type = config.as_ref().map_or("", |config| config.media_type.as_str());
        let is_image = IMAGE_CONFIGS.contains(&media_type);
        // A module that was pushed as it is has a config that says nothing.
        let reads = media_type.ends_with("json") && media_type != WASM_CONFIG;
        let annotations = config.as_ref().and_then(|config| config.annotations.as_ref());
        let skipped = annotations.and_then(|some| some.get(SKIPPED)).map_or("", String::as_str);
        Self {
            skipped: skipped.split(',').map(str::to_owned).collect(),
            config: config.filter(|_| reads).map(|config| config.digest),
            is_image,
            own,
            children: if fits { children } else { "[]".to_owned() },
        }
    }

    /// What the config and the manifest say, as JSON.
    pub(super) fn attributes(&self, config: &[u8]) -> String {
        let mut attributes = match serde_json::from_slice(config) {
            Ok(Value::Object(mut config)) if self.is_image => of_image(&mut config),
            Ok(Value::Object(mut config)) => {
                for key in &self.skipped {
                    config.remove(key);
                }
                config
            }
            _ => Map::new(),
        };
        attributes.extend(self.own.clone());
        kept(attributes)
    }
}

/// What Harbor shows of WebAssembly beside the config.
fn of_wasm(document: &Document) -> Map<String, Value> {
    let mut shown = Map::new();
    let Some(config) = &document.config else { return shown };
    if config.media_type == WASM_CONFIG {
        shown.insert(CONFIG_TYPE.to_owned(), WASM_CONFIG.into());
        if let Some(layer) = document.layers.first() {
            let title = layer.annotations.as_ref().and_then(|some| some.get(TITLE));
            let title = title.map_or("", String::as_str);
            shown.insert("manifest.layers.mediaType".to_owned(), layer.media_type.as_str().into());
            shown.insert(TITLE.to_owned(), title.into());
        }
    } else if document.annotations.as_ref().is_some_and(says_wasm) {
        shown.insert(CONFIG_TYPE.to_owned(), config.media_type.as_str().into());
    }
    shown
}

/// As JSON; what is too long is left out, the longest first.
fn kept(mut attributes: Map<String, Value>) -> String {
    loop {
        let text = Value::Object(attributes.clone()).to_string();
        if text.len() <= MOST_KEPT {
            return text;
        }
        let longest = attributes.iter().max_by_key(|(_, value)| value.to_string().len());
        let Some(longest) = longest.map(|(key, _)| key.clone()) else { return "{}".to_owned() };
        attributes.remove(&longest);
    }
}

/// The bytes of a manifest, its config and its layers; those of the children of an index are not
/// known here.
pub(super) fn content_size(bytes: &[u8]) -> i64 {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Sized {
        size: u64,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Sizes {
        config: Option<Sized>,
        layers: Vec<Sized>,
    }
    let sizes: Sizes = serde_json::from_slice(bytes).unwrap_or_default();
    let named = sizes.config.iter().chain(&sizes.layers).map(|named| named.size);
    let total = named.fold(bytes.len() as u64, u64::saturating_add);
    i64::try_from(total).unwrap_or(i64::MAX)
}

/// What Harbor shows of an image's config; without an author, a label that names one.
fn of_image(config: &mut Map<String, Value>) -> Map<String, Value> {
    let labels = config.get("config").and_then(|inner| inner.get("Labels"));
    let named = AUTHORS.iter().map(|name| labels.and_then(|labels| labels.get(*name)));
    let said = std::iter::once(config.get("author")).chain(named).flatten();
    let author = said.filter_map(Value::as_str).find(|author| !author.is_empty());
    let author = Value::from(author.unwrap_or_default());
    let mut attributes = Map::new();
    for key in ["architecture", "os", "created"] {
        if let Some(value) = config.remove(key) {
            attributes.insert(key.to_owned(), value);
        }
    }
    attributes.insert("author".to_owned(), author);
    attributes.insert("config".to_owned(), config.remove("config").unwrap_or_else(|| json!({})));
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn reading(media_type: &str, annotations: &Value) -> Reading {
        let config = json!({"mediaType": media_type, "digest": format!("sha256:{HEX}"), "size": 2,
                            "annotations": annotations});
        let manifest = json!({"config": config});
        Reading::of(manifest.to_string().as_bytes())
    }

    fn attributes(reading: &Reading, config: &Value) -> Value {
        serde_json::from_str(&reading.attributes(config.to_string().as_bytes())).unwrap()
    }

    #[test]
    fn of_an_image_harbors_five_are_shown() {
        let read = reading("application/vnd.oci.image.config.v1+json", &Value::Null);
        let config = json!({"architecture": "arm64", "os": "linux", "history": [],
            "created": "2026-01-01T00:00:00Z", "config": {"Labels": {"maintainer": "me"}}});
        let expected = json!({"architecture": "arm64", "os": "linux", "author": "me",
            "created": "2026-01-01T00:00:00Z", "config": {"Labels": {"maintainer": "me"}}});
        assert_eq!(attributes(&read, &config), expected);
        assert_eq!(attributes(&read, &json!([1])), json!({}));
        assert_eq!(attributes(&read, &json!({"author": "you", "config": null}))["author"], "you");
        let labels = json!({"maintainer": "me", "org.opencontainers.image.authors": "us"});
        let config = json!({"author": "", "config": {"Labels": labels}});
        assert_eq!(attributes(&read, &config)["author"], "us");
    }

    #[test]
    fn webassembly_says_how_it_is_packed() {
        let layer = json!({"mediaType": "application/vnd.wasm.content.layer.v1+wasm",
                           "annotations": {(TITLE): "tide.wasm"}});
        let config = |media_type| json!({"mediaType": media_type, "digest": format!("sha256:{HEX}"), "size": 2});
        let module = json!({"config": config(WASM_CONFIG), "layers": [layer]});
        let read = Reading::of(module.to_string().as_bytes());
        assert_eq!(read.config, None);
        let expected = json!({(CONFIG_TYPE): WASM_CONFIG, (TITLE): "tide.wasm",
            "manifest.layers.mediaType": "application/vnd.wasm.content.layer.v1+wasm"});
        assert_eq!(attributes(&read, &Value::Null), expected);
        let image = json!({"config": config(IMAGE_CONFIGS[0]),
                           "annotations": {"run.oci.handler": "wasm"}});
        let read = Reading::of(image.to_string().as_bytes());
        let expected = json!({(CONFIG_TYPE): IMAGE_CONFIGS[0], "os": "wasip1", "author": "",
                              "config": {}});
        assert_eq!(attributes(&read, &json!({"os": "wasip1"})), expected);
    }

    #[test]
    fn of_anything_else_the_whole_config_but_what_it_leaves_out() {
        let skip = json!({SKIPPED: "a,b"});
        let read = reading("application/vnd.acme.rocket.config.v1+json", &skip);
        assert_eq!(attributes(&read, &json!({"a": 1, "b": 2, "c": 3})), json!({"c": 3}));
        assert_eq!(reading("text/plain", &Value::Null).config, None);
    }

    #[test]
    fn what_is_too_long_for_a_list_is_left_out() {
        let read = reading("application/vnd.oci.image.config.v1+json", &Value::Null);
        let config = json!({"os": "linux", "config": {"Labels": {"long": "x".repeat(70_000)}}});
        assert_eq!(attributes(&read, &config), json!({"os": "linux", "author": ""}));
    }

    #[test]
    fn children_keep_their_platforms() {
        let child = json!({"digest": "sha256:x", "mediaType": "m", "size": 1,
                           "platform": {"os": "linux", "architecture": "amd64"}});
        let read = Reading::of(json!({"manifests": [child]}).to_string().as_bytes());
        let children: Value = serde_json::from_str(&read.children).unwrap();
        assert_eq!(children[0]["platform"]["architecture"], "amd64");
        assert_eq!(children[0]["urls"], Value::Null);
    }
}
