//! The same bytes for everybody: pushed into registries, laid out as files for nginx.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::content::{self, Content, Contents};
use crate::http::Body;
use crate::load::push;
use crate::servers::{ADMIN, Kind, Server, token_request};

/// The repository of everything. In Roadstead its project is private.
pub(crate) const REPOSITORY: &str = "bench/image";
/// The tag of the image.
pub(crate) const TAG: &str = "latest";

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// An image: its layers, its config, its manifest.
pub(crate) struct Image {
    pub(crate) layers: Vec<Content>,
    pub(crate) config: Content,
    pub(crate) manifest: Vec<u8>,
}

/// The path of a blob.
pub(crate) fn blob_path(digest: &str) -> String {
    format!("/v2/{REPOSITORY}/blobs/{digest}")
}

/// The path of the image's manifest.
pub(crate) fn manifest_path() -> String {
    format!("/v2/{REPOSITORY}/manifests/{TAG}")
}

/// The header line of a client that reads manifests.
pub(crate) fn accept() -> String {
    format!("Accept: {MANIFEST}\r\n")
}

/// The scope of a token that reads.
pub(crate) fn pull_scope() -> String {
    format!("repository:{REPOSITORY}:pull")
}

/// An image with layers of this size; its manifest has about two KiB, as many have.
pub(crate) fn image(layers: u64, size: u64) -> Image {
    let contents = Contents::of_size(size);
    let layers: Vec<Content> = (0..layers).map(|number| contents.number(number)).collect();
    let config = Contents::of_size(1500).number(0);
    let described = |media_type: &str, content: &Content| {
        json!({
            "mediaType": format!("application/vnd.oci.image.{media_type}"),
            "digest": content.digest,
            "size": content.size(),
            "annotations": {"org.opencontainers.image.title": "x".repeat(80)},
        })
    };
    let layer = |content| described("layer.v1.tar+gzip", content);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": described("config.v1+json", &config),
        "layers": layers.iter().map(layer).collect::<Vec<_>>(),
        "annotations": {"org.opencontainers.image.description": "x".repeat(300)},
    });
    Image { layers, config, manifest: manifest.to_string().into_bytes() }
}

/// Makes the project in Roadstead; others have none.
pub(crate) async fn project(server: &Server) -> anyhow::Result<()> {
    project_that_is(server, "false").await
}

/// The same; it may be public.
pub(crate) async fn project_that_is(server: &Server, public: &str) -> anyhow::Result<()> {
    if server.kind != Kind::Roadstead {
        return Ok(());
    }
    let (_, basic) = token_request("");
    let headers = format!("{basic}Content-Type: application/json\r\n");
    let body = json!({"project_name": "bench", "metadata": {"public": public}}).to_string();
    let made = server.endpoint.ask("POST /api/v2.0/projects", &headers, body.as_bytes()).await?;
    ensure!(made.0.status == 201, "a project for {}: {}", ADMIN.0, made.0.status);
    Ok(())
}

/// Lets a server have these blobs.
pub(crate) async fn blobs(server: &Server, contents: &[Content]) -> anyhow::Result<()> {
    if server.kind == Kind::Nginx {
        for content in contents {
            write(server, &blob_path(&content.digest), &content.pieces())?;
        }
        return Ok(());
    }
    push::all(server, 1, REPOSITORY, contents.to_vec()).await?;
    Ok(())
}

/// Lets a server have an image.
pub(crate) async fn push(server: &Server, image: &Image) -> anyhow::Result<()> {
    let mut all = image.layers.clone();
    all.push(image.config.clone());
    blobs(server, &all).await?;
    if server.kind == Kind::Nginx {
        return write(server, &manifest_path(), &[&image.manifest]);
    }
    let scope = format!("repository:{REPOSITORY}:pull,push");
    let headers = server.authorization(&scope).await? + &format!("Content-Type: {MANIFEST}\r\n");
    let request = format!("PUT {}", manifest_path());
    let (answer, said) = server.endpoint.ask(&request, &headers, &image.manifest).await?;
    ensure!(answer.status == 201, "{request}: {}", String::from_utf8_lossy(&said));
    Ok(())
}

fn file(server: &Server, path: &str) -> anyhow::Result<PathBuf> {
    let file = server.data.join("root").join(path.trim_start_matches('/'));
    fs::create_dir_all(file.parent().context("a directory")?)?;
    Ok(file)
}

fn write(server: &Server, path: &str, pieces: &[&[u8]]) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut file = fs::File::create(file(server, path)?)?;
    pieces.iter().try_for_each(|piece| file.write_all(piece))?;
    // What is still to be written would disturb what is measured later.
    Ok(file.sync_all()?)
}

/// Lets nginx serve the very file in which another server keeps a large blob, so that both have the
/// same pages of the page cache; a file of its own where that has none of this size.
fn share(nginx: &Server, keeper: &Server, content: &Content) -> anyhow::Result<()> {
    let path = blob_path(&content.digest);
    match file_with(&keeper.data, content)? {
        Some(kept) => Ok(fs::hard_link(kept, file(nginx, &path)?)?),
        None => write(nginx, &path, &content.pieces()),
    }
}

/// The file below a directory that has this content, as far as its size, its first and its last bytes
/// tell; what is served is compared whole.
fn file_with(directory: &Path, content: &Content) -> anyhow::Result<Option<PathBuf>> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let about = entry.metadata()?;
        if about.is_dir() {
            if let Some(found) = file_with(&entry.path(), content)? {
                return Ok(Some(found));
            }
        } else if about.len() == content.size() && is_alike(&entry.path(), content)? {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}

fn is_alike(path: &Path, content: &Content) -> anyhow::Result<bool> {
    let file = fs::File::open(path)?;
    let pieces = content.pieces();
    let (Some(first), Some(last)) = (pieces.first(), pieces.last()) else { return Ok(false) };
    let first = &first[..first.len().min(4096)];
    let ends = [(first, 0), (last, content.size() - last.len() as u64)];
    for (expected, at) in ends {
        let mut found = vec![0; expected.len()];
        file.read_exact_at(&mut found, at)?;
        if found != expected {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Lets all of these have a large blob, nginx by sharing that of the first one, and reads it from each.
pub(crate) async fn everywhere(servers: &[Server], content: &Content) -> anyhow::Result<()> {
    for server in servers.iter().filter(|server| server.kind != Kind::Nginx) {
        blobs(server, std::slice::from_ref(content)).await?;
    }
    for server in servers {
        if let (Kind::Nginx, Some(keeper)) = (server.kind, servers.first()) {
            share(server, keeper, content)?;
        }
        check(server, content).await?;
    }
    Ok(())
}

/// Reads a blob and compares it with its digest; afterwards it is in the page cache.
async fn check(server: &Server, content: &Content) -> anyhow::Result<()> {
    let headers = server.authorization(&pull_scope()).await?;
    let mut connection = server.endpoint.connect().await?;
    let head = server.endpoint.head(&format!("GET {}", blob_path(&content.digest)), &headers, None);
    connection.send(&head, &[]).await?;
    let answer = connection.answer().await?;
    ensure!(answer.status == 200, "{}: {}", server.kind.name(), answer.status);
    ensure!(answer.body == Body::Length(content.size()), "{:?}", answer.body);
    let mut hash = Sha256::new();
    connection.read(answer.body, |bytes| hash.update(bytes)).await?;
    let digest = content::named(hash);
    ensure!(digest == content.digest, "{} serves other bytes: {digest}", server.kind.name());
    Ok(())
}
