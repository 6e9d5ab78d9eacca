//! What can be read of an artifact beside its manifest: an image's history, a chart's documents.

use std::io::{Cursor, Read as _};

use bytes::Bytes;
use flate2::read::GzDecoder;
use roadstead_model::Digest;
use roadstead_storage::tables::artifact::Artifact;
use roadstead_storage::tables::{blob, manifest};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Registry;
use crate::error::{Error, Result};

mod model;

/// The largest blob that is read, in bytes.
const LARGEST_BLOB: u64 = 32 << 20;
/// How many are read at once.
pub(crate) const AT_ONCE: usize = 4;
/// How many bytes of a packed chart are looked through, and how many of one file are answered.
const MOST_UNPACKED: u64 = 256 << 20;
const LARGEST_FILE: u64 = 4 << 20;

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addition {
    /// Its media type.
    pub content_type: &'static str,
    /// Its bytes.
    pub bytes: Bytes,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Document {
    config: Option<Named>,
    layers: Vec<Named>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    #[serde(default)]
    media_type: String,
    digest: Digest,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    annotations: std::collections::BTreeMap<String, String>,
}

const CHART: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";

impl Registry {
    /// An addition of an artifact by Harbor's name of it, in lower case; None when it has none of
    /// that name.
    pub async fn addition(&self, artifact: &Artifact, name: &str) -> Result<Option<Addition>> {
        // Whoever asks for many at once waits, so that memory is bounded.
        let _turn = self.additions.acquire().await;
        let bytes = manifest::bytes(&mut self.db.read().await?, artifact.id).await?;
        let document = bytes.and_then(|bytes| serde_json::from_slice::<Document>(&bytes).ok());
        let Some(document) = document else { return Ok(None) };
        match (artifact.kind.as_str(), name) {
            ("IMAGE" | "WASM", "build_history") => {
                let config = self.config(artifact, &document).await?;
                let history = config.get("history").cloned().unwrap_or_else(|| json!([]));
                Ok(Some(as_json(&history)))
            }
            ("CHART", "dependencies") => {
                let config = self.config(artifact, &document).await?;
                let needs = config.get("dependencies").cloned().unwrap_or_else(|| json!([]));
                Ok(Some(as_json(&needs)))
            }
            ("CHART", "readme.md" | "values.yaml") => self.of_chart(artifact, document, name).await,
            ("CNAI", "files") => Ok(Some(as_json(&model::files(&document.layers)))),
            ("CNAI", "readme.md" | "license") => self.of_model(artifact, &document, name).await,
            ("SBOM", "sbom") => {
                let Some(layer) = document.layers.first() else { return Ok(None) };
                let bytes = self.blob_of(artifact, &layer.digest, LARGEST_BLOB).await?;
                Ok(bytes.map(|bytes| Addition { content_type: JSON, bytes }))
            }
            _ => Ok(None),
        }
    }

    async fn blob_of(
        &self,
        artifact: &Artifact,
        digest: &Digest,
        most: u64,
    ) -> Result<Option<Bytes>> {
        let repository = artifact.repository;
        let found = blob::linked(&mut self.db.read().await?, repository, digest).await?;
        match found {
            Some(found) => self.read_whole(&found, most).await,
            None => Ok(None),
        }
    }

    async fn config(&self, artifact: &Artifact, document: &Document) -> Result<Value> {
        let Some(config) = &document.config else { return Ok(Value::Null) };
        let bytes = self.blob_of(artifact, &config.digest, LARGEST_FILE).await?;
        let bytes = bytes.ok_or_else(|| Error::BlobUnknown(config.digest.clone()))?;
        Ok(serde_json::from_slice(&bytes).unwrap_or_default())
    }

    async fn of_chart(
        &self,
        artifact: &Artifact,
        document: Document,
        name: &str,
    ) -> Result<Option<Addition>> {
        let packed = document.layers.into_iter().find(|layer| layer.media_type == CHART);
        let Some(packed) = packed else { return Ok(None) };
        let Some(bytes) = self.blob_of(artifact, &packed.digest, LARGEST_BLOB).await? else {
            return Ok(None);
        };
        let wanted = name.to_owned();
        let found = tokio::task::spawn_blocking(move || unpacked(&bytes, &wanted)).await?;
        let content_type = if name == "readme.md" { MARKDOWN } else { PLAIN };
        Ok(found.map(|bytes| Addition { content_type, bytes }))
    }

    async fn of_model(
        &self,
        artifact: &Artifact,
        document: &Document,
        name: &str,
    ) -> Result<Option<Addition>> {
        let Some(layer) = model::document(&document.layers, name) else { return Ok(None) };
        let bytes = self.blob_of(artifact, &layer.digest, LARGEST_FILE).await?;
        let content_type = if name == "readme.md" { MARKDOWN } else { PLAIN };
        let bytes = bytes.and_then(|bytes| model::text(&layer.media_type, bytes));
        Ok(bytes.map(|bytes| Addition { content_type, bytes }))
    }
}

const JSON: &str = "application/json; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";
const MARKDOWN: &str = "text/markdown; charset=utf-8";

fn as_json(value: &Value) -> Addition {
    Addition { content_type: JSON, bytes: value.to_string().into() }
}

/// A file at the top of a packed chart, whatever the chart is called; nothing, as Harbor has it, for
/// one that the chart does not have. What is no package, or unpacks to too much, has none.
fn unpacked(packed: &[u8], wanted: &str) -> Option<Bytes> {
    let plain = GzDecoder::new(Cursor::new(packed)).take(MOST_UNPACKED);
    let mut archive = tar::Archive::new(plain);
    let mut is_package = false;
    for entry in archive.entries().ok()? {
        let entry = entry.ok()?;
        is_package = true;
        let path = entry.path().ok()?.to_string_lossy().to_ascii_lowercase();
        let is_it = path.split_once('/').is_some_and(|(_, below)| below == wanted);
        if is_it && entry.header().entry_type().is_file() {
            let mut bytes = Vec::new();
            entry.take(LARGEST_FILE).read_to_end(&mut bytes).ok()?;
            return Some(bytes.into());
        }
    }
    is_package.then(Bytes::new)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (path, bytes) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, path, *bytes).unwrap();
        }
        archive.into_inner().unwrap().finish().unwrap()
    }

    #[test]
    fn of_a_chart_only_the_file_at_its_top_is_read() {
        let chart = packed(&[
            ("web/charts/db/README.md", b"of the database"),
            ("web/README.md", b"of the chart"),
            ("web/values.yaml", b"a: 1\n"),
        ]);
        assert_eq!(unpacked(&chart, "readme.md").unwrap(), "of the chart");
        assert_eq!(unpacked(&chart, "values.yaml").unwrap(), "a: 1\n");
        assert_eq!(unpacked(&chart, "license").unwrap(), "");
    }

    #[test]
    fn what_is_no_chart_or_unpacks_to_too_much_has_no_files() {
        assert_eq!(unpacked(b"nothing", "readme.md"), None);
        let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
        let zeros = vec![0; 1 << 20];
        for _ in 0..8 {
            bomb.write_all(&zeros).unwrap();
        }
        assert_eq!(unpacked(&bomb.finish().unwrap(), "readme.md"), None);
        let most = usize::try_from(LARGEST_FILE).unwrap();
        let large = packed(&[("web/README.md", &vec![b'x'; most + 1])]);
        assert_eq!(unpacked(&large, "readme.md").unwrap().len(), most);
    }
}
