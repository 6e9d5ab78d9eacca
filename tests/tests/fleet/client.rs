//! A client that pushes and pulls as docker and crane do, with their patience.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use reqwest::{Client, Method, Response, StatusCode};
use roadstead_tests::ADMIN_PASSWORD;
use roadstead_tests::content::{self, MANIFEST, sha256};
use roadstead_tests::http::{header, with_query};
use serde_json::json;
use tokio::sync::Mutex;

/// How often clients send a request, all in all.
const TRIES: u32 = 4;
/// How often a push is begun again when what it sent was collected before the manifest came.
const PUSHES: usize = 60;

/// How many repositories are pushed to.
pub(crate) const REPOSITORIES: usize = 8;

pub(crate) fn repository(n: usize) -> String {
    format!("library/app-{}", n % REPOSITORIES)
}

/// An image: layers, of which several images may have the same.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) repository: String,
    pub(crate) tag: String,
    pub(crate) layers: Vec<Bytes>,
}

/// Where requests go, in turn, and what they met.
pub(crate) struct Registry {
    client: Client,
    hosts: Vec<String>,
    turn: AtomicUsize,
    /// As docker does: the password is sent once, and a token with each request.
    token: Mutex<String>,
    pub(crate) requests: AtomicUsize,
    /// Requests that were sent again.
    pub(crate) repeated: AtomicUsize,
    /// Pushes that were begun again.
    pub(crate) restarted: AtomicUsize,
}

/// Why a push or a pull failed for good.
pub(crate) type Failed = String;

impl Registry {
    pub(crate) fn new(hosts: Vec<String>) -> Self {
        let client = Client::builder().no_proxy().tls_certs_only([]).build().expect("a client");
        let [turn, requests, repeated, restarted] = Default::default();
        Self { client, hosts, turn, token: Mutex::default(), requests, repeated, restarted }
    }

    fn host(&self) -> &str {
        &self.hosts[self.turn.fetch_add(1, Ordering::Relaxed) % self.hosts.len()]
    }

    /// A token for everything that is pushed; another one when `old` is not good any more.
    async fn token(&self, old: &str) -> String {
        let mut token = self.token.lock().await;
        for _ in 0..TRIES {
            if *token != old {
                break;
            }
            let url = format!("http://{}/service/token", self.host());
            let scopes = (0..REPOSITORIES).map(|n| format!("repository:{}:*", repository(n)));
            let query: Vec<(&str, String)> = scopes.map(|scope| ("scope", scope)).collect();
            let request = self.client.get(url).basic_auth("admin", Some(ADMIN_PASSWORD));
            if let Ok(answer) = request.query(&query).send().await
                && let Ok(body) = answer.json::<serde_json::Value>().await
            {
                body["token"].as_str().unwrap_or_default().clone_into(&mut token);
            }
        }
        token.clone()
    }

    /// Sends a request to whose turn it is; again, when it did not arrive or the answer says that
    /// it may work later.
    async fn send(
        &self,
        method: &str,
        path: &str,
        content_type: &str,
        body: &Bytes,
    ) -> Result<Response, Failed> {
        // crane waits one second and then three; docker five, ten, and so on.
        let mut wait = Duration::from_secs(1);
        let mut last = String::new();
        let mut token = self.token("").await;
        for attempt in 0..TRIES {
            if attempt > 0 {
                self.repeated.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(wait).await;
                wait *= 3;
            }
            self.requests.fetch_add(1, Ordering::Relaxed);
            let method: Method = method.parse().expect("a method");
            let url = format!("http://{}{path}", self.host());
            let request = self.client.request(method, url);
            let request = request
                .bearer_auth(&token)
                .header("content-type", content_type)
                .timeout(Duration::from_mins(1));
            match request.body(body.clone()).send().await {
                Ok(answer) if answer.status() == 401 => {
                    token = self.token(&token).await;
                    "401".clone_into(&mut last);
                }
                Ok(answer) if !may_be_repeated(answer.status()) => return Ok(answer),
                Ok(answer) => {
                    let status = answer.status();
                    last = format!("{status}: {}", answer.text().await.unwrap_or_default());
                }
                Err(error) => last = format!("{error:?}"),
            }
        }
        Err(format!("{method} {path}: {last}"))
    }

    /// Pushes an image. When a blob is gone before the manifest names it, all of it again.
    pub(crate) async fn push(&self, image: &Image) -> Result<(), Failed> {
        for attempt in 0..PUSHES {
            if attempt > 0 {
                self.restarted.fetch_add(1, Ordering::Relaxed);
            }
            if self.push_once(image).await? {
                return Ok(());
            }
        }
        Err(format!("{}:{}: begun {PUSHES} times", image.repository, image.tag))
    }

    async fn push_once(&self, image: &Image) -> Result<bool, Failed> {
        let config = config(image);
        for blob in image.layers.iter().chain([&config]) {
            if !self.push_blob(&image.repository, blob).await? {
                return Ok(false);
            }
        }
        let path = format!("/v2/{}/manifests/{}", image.repository, image.tag);
        let answer = self.send("PUT", &path, MANIFEST, &manifest(image)).await?;
        match answer.status().as_u16() {
            201 => Ok(true),
            400 | 404 => {
                let text = answer.text().await.unwrap_or_default();
                let gone = text.contains("MANIFEST_BLOB_UNKNOWN");
                if gone { Ok(false) } else { Err(format!("PUT {path}: {text}")) }
            }
            _ => Err(unexpected("PUT", &path, answer).await),
        }
    }

    /// False when the session was gone before its end.
    async fn push_blob(&self, repository: &str, blob: &Bytes) -> Result<bool, Failed> {
        let none = Bytes::new();
        let digest = sha256(blob);
        let path = format!("/v2/{repository}/blobs/{digest}");
        if self.send("HEAD", &path, "", &none).await?.status() == 200 {
            return Ok(true);
        }
        let path = format!("/v2/{repository}/blobs/uploads/");
        let begun = self.send("POST", &path, "", &none).await?;
        if begun.status() != 202 {
            return Err(unexpected("POST", &path, begun).await);
        }
        let (first, second) = (blob.slice(..blob.len() / 2), blob.slice(blob.len() / 2..));
        let location = header(&begun, "location");
        let sent = self.send("PATCH", &location, "application/octet-stream", &first).await?;
        if sent.status() != 202 {
            // A repeated piece that had arrived: the whole blob again, as clients do.
            return Ok(false);
        }
        let url = with_query(&header(&sent, "location"), &format!("digest={digest}"));
        let ended = self.send("PUT", &url, "application/octet-stream", &second).await?;
        Ok(ended.status() == 201)
    }

    pub(crate) async fn delete(&self, image: &Image) -> Result<(), Failed> {
        let path = format!("/v2/{}/manifests/{}", image.repository, sha256(&manifest(image)));
        let answer = self.send("DELETE", &path, "", &Bytes::new()).await?;
        match answer.status().as_u16() {
            202 | 404 => Ok(()),
            _ => Err(unexpected("DELETE", &path, answer).await),
        }
    }

    /// Reads all of an image, to the byte.
    pub(crate) async fn pull(&self, image: &Image) -> Result<(), Failed> {
        let path = format!("/v2/{}/manifests/{}", image.repository, image.tag);
        self.read(&path, &manifest(image)).await?;
        for blob in image.layers.iter().chain([&config(image)]) {
            self.read(&format!("/v2/{}/blobs/{}", image.repository, sha256(blob)), blob).await?;
        }
        Ok(())
    }

    async fn read(&self, path: &str, expected: &Bytes) -> Result<(), Failed> {
        for _ in 0..TRIES {
            let answer = self.send("GET", path, "", &Bytes::new()).await?;
            if answer.status() != 200 {
                return Err(unexpected("GET", path, answer).await);
            }
            match answer.bytes().await {
                Ok(read) if read == *expected => return Ok(()),
                Ok(_) => return Err(format!("GET {path}: other bytes")),
                // Cut off in the middle: clients read it again.
                Err(_) => self.repeated.fetch_add(1, Ordering::Relaxed),
            };
        }
        Err(format!("GET {path}: never whole"))
    }
}

async fn unexpected(method: &str, path: &str, answer: Response) -> Failed {
    let status = answer.status();
    format!("{method} {path}: {status}: {}", answer.text().await.unwrap_or_default())
}

/// What go-containerregistry and docker send again.
fn may_be_repeated(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
}

pub(crate) fn config(image: &Image) -> Bytes {
    let config = json!({"architecture": "amd64", "os": "linux", "tag": image.tag});
    serde_json::to_vec(&config).expect("JSON").into()
}

pub(crate) fn manifest(image: &Image) -> Bytes {
    let layers: Vec<&[u8]> = image.layers.iter().map(AsRef::as_ref).collect();
    serde_json::to_vec(&content::image(&config(image), &layers)).expect("JSON").into()
}
