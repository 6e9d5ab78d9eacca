//! Debian's docker-registry as a second opinion on status codes: the same requests to both, and
//! every difference with its reason.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reqwest::{Client, RequestBuilder};
use roadstead_tests::content::{self, MANIFEST, sha256};
use roadstead_tests::{ADMIN_PASSWORD, Setup, free_port};
use serde_json::json;

/// The peer, ended with the test.
struct Peer {
    child: Child,
    base: String,
    _directory: tempfile::TempDir,
}

impl Peer {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let port = free_port();
        let root = directory.path().join("data");
        let config = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  delete:\n    enabled: true\n  \
             filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:{port}\n",
            root.display()
        );
        let path = directory.path().join("config.yml");
        fs::write(&path, config).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("docker-registry is missing: run `make test`, which installs it");
        let peer = Self { child, base: format!("http://127.0.0.1:{port}"), _directory: directory };
        for _ in 0..200 {
            if reqwest::get(format!("{}/v2/", peer.base)).await.is_ok() {
                return peer;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("docker-registry does not answer");
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A registry to ask.
struct Asked {
    client: Client,
    base: String,
}

impl Asked {
    fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let url = if path.starts_with('/') { format!("{}{path}", self.base) } else { path.into() };
        self.client.request(method.parse().unwrap(), url).basic_auth("admin", Some(ADMIN_PASSWORD))
    }

    /// Status of a request; a path that begins with `session` is below a fresh upload session.
    async fn status(&self, step: &Step) -> u16 {
        let path = if let Some(query) = step.path.strip_prefix("session") {
            let uploads = format!("/v2/{REPOSITORY}/blobs/uploads/");
            let opened = self.request("POST", &uploads).send().await.unwrap();
            let location = opened.headers()["location"].to_str().unwrap().to_owned();
            let separator = if location.contains('?') { "&" } else { "?" };
            format!("{location}{}", query.replacen('?', separator, 1))
        } else {
            step.path.clone()
        };
        let mut request = self.request(step.method, &path).body(step.body.clone());
        for (name, value) in &step.headers {
            request = request.header(*name, value);
        }
        request.send().await.unwrap().status().as_u16()
    }
}

const REPOSITORY: &str = "library/opinion";

/// A request, and why the answers may differ, if they may.
struct Step {
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    /// (the peer's status, ours, why)
    differs: Option<(u16, u16, &'static str)>,
}

fn step(method: &'static str, path: impl AsRef<str>) -> Step {
    let path = path.as_ref().replace('~', &format!("/v2/{REPOSITORY}"));
    Step { method, path, headers: Vec::new(), body: Vec::new(), differs: None }
}

impl Step {
    fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    fn differs(mut self, peer: u16, ours: u16, why: &'static str) -> Self {
        self.differs = Some((peer, ours, why));
        self
    }
}

// A list, not a procedure.
#[allow(clippy::too_many_lines)]
fn steps() -> Vec<Step> {
    let (config, layer) = (b"{}".to_vec(), b"a layer".to_vec());
    let manifest = serde_json::to_vec(&content::image(&config, &[&layer])).unwrap();
    let (config_digest, layer_digest) = (sha256(&config), sha256(&layer));
    let (manifest_digest, other) = (sha256(&manifest), sha256(b"other"));
    let put = |reference: &str, body: &[u8]| {
        let path = format!("~/manifests/{reference}");
        step("PUT", path).header("content-type", MANIFEST).body(body)
    };
    let layer_path = format!("~/blobs/{layer_digest}");
    let get = |range: &str| step("GET", &layer_path).header("range", range);
    let unknown = json!({"schemaVersion": 2, "mediaType": MANIFEST,
        "config": {"mediaType": "a/b", "digest": other, "size": 5}, "layers": []});
    vec![
        step("GET", "/v2/"),
        step("GET", "~/tags/list"),
        step("GET", "~/manifests/latest"),
        step("GET", format!("~/blobs/{other}")),
        step("HEAD", format!("~/blobs/{other}")),
        step("DELETE", format!("~/blobs/{other}")),
        step("GET", "~/blobs/uploads/6b3c9a93-af5d-473f-a4ff-9710022185cd"),
        step("POST", "~/blobs/uploads/"),
        step("GET", "session"),
        step("DELETE", "session"),
        step("PATCH", "session").body("abc"),
        step("PUT", "session").body("abc"),
        step("PUT", format!("session?digest={other}")).body("abc"),
        step("PUT", "session?digest=sha256:short").body("abc"),
        step("PUT", format!("session?digest={config_digest}")).body(config),
        step("PUT", format!("session?digest={layer_digest}")).body(layer),
        step("PUT", format!("session?digest={other}"))
            .header("content-range", "5-9")
            .body("wrong")
            .differs(
                400,
                416,
                "the peer does not read Content-Range here, and compares digests only",
            ),
        step("POST", format!("~/blobs/uploads/?mount={layer_digest}&from={REPOSITORY}")),
        step("POST", format!("~/blobs/uploads/?mount={other}&from={REPOSITORY}")),
        put("latest", &manifest),
        put(&manifest_digest, &manifest),
        put(&other, &manifest),
        put("bad", b"{"),
        put("unknown", unknown.to_string().as_bytes()).differs(
            400,
            404,
            "the specification's table of errors",
        ),
        put("sha256:short", &manifest).differs(500, 400, "a client's mistake is no 500"),
        step("GET", "~/manifests/latest").header("accept", MANIFEST),
        step("HEAD", format!("~/manifests/{manifest_digest}")).header("accept", MANIFEST),
        step("GET", "~/manifests/latest")
            .header("accept", MANIFEST)
            .header("if-none-match", format!("\"{manifest_digest}\"")),
        step("GET", &layer_path),
        step("HEAD", &layer_path),
        get("bytes=0-2"),
        get("bytes=-2"),
        get("bytes=2-"),
        get("bytes=0-1,4-5"),
        get("bytes=100-200"),
        step("GET", "~/tags/list"),
        step("GET", "/v2/_catalog"),
        step("GET", "/v2/_catalog?n=-1").differs(200, 400, "a page cannot have -1 entries"),
        step("GET", "/v2/Library/x/tags/list").differs(
            404,
            400,
            "the name is invalid, not unknown",
        ),
        step("POST", "~/manifests/latest"),
        step("PUT", &layer_path),
        step("DELETE", "~/manifests/latest").differs(
            400,
            202,
            "tags can be deleted; the peer wants a digest",
        ),
        step("DELETE", format!("~/manifests/{manifest_digest}")),
        step("GET", format!("~/manifests/{manifest_digest}")),
        step("DELETE", &layer_path),
        step("GET", &layer_path),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn statuses_are_the_peers_or_differ_for_a_reason() {
    let server = Setup::new().start();
    let peer = Peer::start().await;
    let client = Client::new();
    let ours = Asked { client: client.clone(), base: server.url("") };
    let theirs = Asked { client, base: peer.base.clone() };
    let mut surprises = Vec::new();
    for step in steps() {
        let found = (theirs.status(&step).await, ours.status(&step).await);
        let expected = step.differs.map(|(peer, ours, _)| (peer, ours));
        let fine = expected.map_or(found.0 == found.1, |expected| expected == found);
        if !fine {
            surprises.push(format!("{} {}: {found:?}", step.method, step.path));
        }
    }
    assert!(surprises.is_empty(), "(peer, ours):\n{}", surprises.join("\n"));
}
