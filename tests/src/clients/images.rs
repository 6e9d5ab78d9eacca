//! Images made on the spot: random layers, packed by tar and gzip, in OCI image layouts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rand::Rng as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::bench::Bench;
use super::content::Content;
use crate::content::{self, random_bytes, sha256};

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// Writes a directory of files with random content and names them; the first is of some MiB.
pub fn random_files(bench: &Bench, rng: &mut StdRng, directory: &str, count: usize) -> PathBuf {
    for number in 0..count {
        let length = if number == 0 { 3 << 20 } else { rng.random_range(1..200_000) };
        bench.file(&format!("{directory}/file-{number}"), &random_bytes(rng, length));
    }
    bench.path(directory)
}

/// Makes an OCI image layout with one image of three layers under `tag`.
pub(super) fn image(bench: &Bench, rng: &mut StdRng, name: &str, tag: &str) -> PathBuf {
    let layout = Layout::new(bench, name);
    let layers: Vec<Layer> = (0..3).map(|number| layout.layer(bench, rng, number)).collect();
    let manifest = layout.manifest("amd64", &layers.iter().collect::<Vec<_>>());
    layout.finish(tag, manifest)
}

/// Makes an OCI image layout with an index of two platforms under `tag`, one layer shared.
pub(super) fn index(bench: &Bench, rng: &mut StdRng, name: &str, tag: &str) -> PathBuf {
    let layout = Layout::new(bench, name);
    let layers: Vec<Layer> = (0..3).map(|number| layout.layer(bench, rng, number)).collect();
    let child = |platform: &str, own: &Layer| {
        let mut entry = layout.manifest(platform, &[&layers[0], own]);
        entry["platform"] = json!({"architecture": platform, "os": "linux"});
        entry
    };
    let children = [child("amd64", &layers[1]), child("arm64", &layers[2])];
    let bytes = serde_json::to_vec(&content::index(&children)).expect("JSON");
    let entry = layout.put(content::INDEX, &bytes);
    layout.finish(tag, entry)
}

/// Makes an OCI image layout with an artifact under `tag` whose subject is other content.
pub(super) fn artifact(
    bench: &Bench,
    rng: &mut StdRng,
    name: &str,
    tag: &str,
    about: &Content,
) -> PathBuf {
    let layout = Layout::new(bench, name);
    let statement = random_bytes(rng, 5_000);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": content::MANIFEST,
        "artifactType": "application/vnd.example.statement",
        "config": layout.put("application/vnd.oci.empty.v1+json", b"{}"),
        "layers": [layout.put("application/octet-stream", &statement)],
        "subject": {
            "mediaType": about.parsed()["mediaType"],
            "digest": about.digest(),
            "size": about.manifest().len(),
        },
        "annotations": {"org.example.note": "made on the spot"},
    });
    let bytes = serde_json::to_vec(&manifest).expect("JSON");
    let entry = layout.put(content::MANIFEST, &bytes);
    layout.finish(tag, entry)
}

struct Layer {
    descriptor: Value,
    diff_id: String,
}

struct Layout {
    directory: PathBuf,
}

impl Layout {
    fn new(bench: &Bench, name: &str) -> Self {
        bench.file(&format!("{name}/oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#);
        bench.directory(&format!("{name}/blobs/sha256"));
        Self { directory: bench.path(name) }
    }

    /// Adds a blob and returns its descriptor.
    fn put(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = sha256(bytes);
        let hex = digest.strip_prefix("sha256:").expect("sha256");
        fs::write(self.directory.join("blobs/sha256").join(hex), bytes).expect("a file");
        content::descriptor(media_type, bytes)
    }

    /// Adds a layer; the first is the large one.
    fn layer(&self, bench: &Bench, rng: &mut StdRng, number: usize) -> Layer {
        let length = if number == 0 { 3 << 20 } else { rng.random_range(1..200_000) };
        let files = self.directory.file_name().expect("a name").display().to_string();
        let files = format!("{files}.layer-{number}");
        bench.file(&format!("{files}/layer-{number}"), &random_bytes(rng, length));
        let (tar, packed) = pack(&bench.path(&files));
        Layer { descriptor: self.put(LAYER, &packed), diff_id: sha256(&tar) }
    }

    /// Adds a config and a manifest over layers and returns the manifest's descriptor.
    fn manifest(&self, platform: &str, layers: &[&Layer]) -> Value {
        let diff_ids: Vec<&str> = layers.iter().map(|layer| layer.diff_id.as_str()).collect();
        let config = json!({
            "architecture": platform, "os": "linux", "config": {},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": content::MANIFEST,
            "config": self.put(CONFIG, &serde_json::to_vec(&config).expect("JSON")),
            "layers": layers.iter().map(|layer| &layer.descriptor).collect::<Vec<_>>(),
        });
        self.put(content::MANIFEST, &serde_json::to_vec(&manifest).expect("JSON"))
    }

    /// Writes the index that names the root.
    fn finish(self, tag: &str, mut entry: Value) -> PathBuf {
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
        let index = json!({"schemaVersion": 2, "manifests": [entry]});
        let bytes = serde_json::to_vec(&index).expect("JSON");
        fs::write(self.directory.join("index.json"), bytes).expect("a file");
        self.directory
    }
}

/// A directory as a tar archive and the same archive compressed.
fn pack(directory: &Path) -> (Vec<u8>, Vec<u8>) {
    let tar = Command::new("tar")
        .args(["--create", "--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--directory"])
        .arg(directory)
        .arg(".")
        .output()
        .expect("tar starts");
    assert!(tar.status.success(), "{}", String::from_utf8_lossy(&tar.stderr));
    let archive = directory.with_extension("tar");
    fs::write(&archive, &tar.stdout).expect("a file");
    let packed = Command::new("gzip").args(["--no-name", "--stdout"]).arg(&archive).output();
    let packed = packed.expect("gzip starts");
    assert!(packed.status.success(), "{}", String::from_utf8_lossy(&packed.stderr));
    fs::remove_file(&archive).expect("the archive goes");
    (tar.stdout, packed.stdout)
}
