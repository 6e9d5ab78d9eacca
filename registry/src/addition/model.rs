//! Models: their files, and the documents among these.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use bytes::Bytes;
use flate2::read::GzDecoder;
use serde_json::{Value, json};

use super::{LARGEST_FILE, Named};

/// Where a layer says which file it is: as the specification has it, and as its tools still write it.
const PATHS: [&str; 2] = ["org.cncf.model.filepath", "org.cnai.model.filepath"];

fn path(layer: &Named) -> Option<&str> {
    let said = PATHS.iter().find_map(|key| layer.annotations.get(*key));
    said.map(String::as_str).filter(|path| !path.is_empty())
}

/// The layer that is the addition of this name.
pub(super) fn document<'a>(layers: &'a [Named], name: &str) -> Option<&'a Named> {
    let names = match name {
        "readme.md" => ["readme", "readme.md"],
        _ => ["license", "license.txt"],
    };
    let is_it = |layer: &&Named| {
        let path = path(layer).unwrap_or_default().to_ascii_lowercase();
        names.contains(&path.trim_start_matches("./"))
    };
    layers.iter().find(is_it)
}

/// The text in a layer, which is the file itself or an archive of it; None for what is packed in
/// a way that is not read.
pub(super) fn text(media_type: &str, bytes: Bytes) -> Option<Bytes> {
    match media_type.rsplit_once('.').map_or("", |(_, packed)| packed) {
        "tar" => first_file(Cursor::new(bytes)),
        "tar+gzip" => first_file(GzDecoder::new(Cursor::new(bytes)).take(2 * LARGEST_FILE)),
        "tar+zstd" => None,
        _ => Some(bytes),
    }
}

fn first_file(archive: impl Read) -> Option<Bytes> {
    let mut archive = tar::Archive::new(archive);
    for entry in archive.entries().ok()? {
        let entry = entry.ok()?;
        if entry.header().entry_type().is_file() {
            let mut bytes = Vec::new();
            entry.take(LARGEST_FILE).read_to_end(&mut bytes).ok()?;
            return Some(bytes.into());
        }
    }
    None
}

/// What a directory of a model holds.
#[derive(Default)]
struct Directory<'a> {
    directories: BTreeMap<&'a str, Directory<'a>>,
    /// With their sizes.
    files: BTreeMap<&'a str, u64>,
}

/// How deep a path may lead.
const DEEPEST: usize = 64;

/// The files of a model as a tree: directories first, and each by name.
pub(super) fn files(layers: &[Named]) -> Value {
    let mut root = Directory::default();
    for layer in layers {
        let Some(path) = path(layer) else { continue };
        let parts = path.split('/').filter(|part| !matches!(*part, "" | "."));
        let mut parts: Vec<&str> = parts.take(DEEPEST).collect();
        let name = if path.ends_with('/') { None } else { parts.pop() };
        let inner = parts
            .into_iter()
            .fold(&mut root, |inner, part| inner.directories.entry(part).or_default());
        if let Some(name) = name {
            inner.files.insert(name, layer.size);
        }
    }
    root.shown()
}

impl Directory<'_> {
    fn shown(&self) -> Value {
        let directories = self.directories.iter().map(|(name, inner)| match inner.shown() {
            Value::Array(none) if none.is_empty() => json!({"name": name, "type": "directory"}),
            children => json!({"name": name, "type": "directory", "children": children}),
        });
        let files = self.files.iter().map(|(name, size)| match size {
            0 => json!({"name": name, "type": "file"}),
            size => json!({"name": name, "type": "file", "size": size}),
        });
        directories.chain(files).collect()
    }
}

#[cfg(test)]
mod tests {
    use roadstead_model::Digest;

    use super::*;

    fn layer(key: &str, path: &str, size: u64) -> Named {
        Named {
            media_type: "application/vnd.cncf.model.doc.v1.raw".to_owned(),
            digest: Digest::of(roadstead_model::Algorithm::Sha256, path.as_bytes()),
            size,
            annotations: BTreeMap::from([(key.to_owned(), path.to_owned())]),
        }
    }

    #[test]
    fn files_are_a_tree_with_directories_first() {
        let layers = [
            layer(PATHS[0], "model.safetensors", 9),
            layer(PATHS[1], "docs/deep/a.md", 2),
            layer(PATHS[0], "docs/README.md", 3),
            layer(PATHS[0], "empty/", 0),
            layer("another", "x", 1),
            layer(PATHS[0], "./README.md", 0),
        ];
        let expected = json!([
            {"name": "docs", "type": "directory", "children": [
                {"name": "deep", "type": "directory", "children": [
                    {"name": "a.md", "type": "file", "size": 2}]},
                {"name": "README.md", "type": "file", "size": 3}]},
            {"name": "empty", "type": "directory"},
            {"name": "README.md", "type": "file"},
            {"name": "model.safetensors", "type": "file", "size": 9},
        ]);
        assert_eq!(files(&layers), expected);
        let deep = layer(PATHS[0], &"a/".repeat(10_000), 1);
        assert!(files(&[deep]).to_string().len() < 5_000);
        assert_eq!(document(&layers, "readme.md").unwrap().size, 0, "the one at the top");
        assert!(document(&layers, "license").is_none());
    }

    #[test]
    fn a_document_is_read_as_it_is_and_out_of_an_archive() {
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(6);
        header.set_mode(0o644);
        archive.append_data(&mut header, "README.md", &b"# Tide"[..]).unwrap();
        let archive: Bytes = archive.into_inner().unwrap().into();
        let doc = |packed: &str| format!("application/vnd.cncf.model.doc.v1.{packed}");
        assert_eq!(text(&doc("tar"), archive.clone()).unwrap(), "# Tide");
        assert_eq!(text(&doc("raw"), "plain".into()).unwrap(), "plain");
        assert_eq!(text(&doc("tar+zstd"), archive.clone()), None);
        assert_eq!(text(&doc("tar+gzip"), archive), None, "it is not compressed");
        assert_eq!(text(&doc("tar"), "no archive".into()), None);
    }
}
