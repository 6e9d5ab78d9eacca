//! Clients that push while the database is in trouble, and do not give up.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::{RequestBuilder, Response};
use roadstead_tests::Server;
use roadstead_tests::content::{self, MANIFEST, sha256};
use roadstead_tests::http::{Person, header, with_query};
use serde_json::json;
use tokio::task::JoinHandle;

/// Sends until the answer is no 503, as clients do.
async fn persist(request: RequestBuilder) -> Response {
    for _ in 0..600 {
        let again = request.try_clone().expect("a body that can be sent again");
        let answer = again.send().await.unwrap();
        if answer.status() != 503 {
            return answer;
        }
        assert!(answer.headers().contains_key("retry-after"));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the server does not recover");
}

async fn push_blob(person: &Person, repository: &str, bytes: &[u8]) {
    let uploads = format!("/v2/{repository}/blobs/uploads/");
    loop {
        let started = persist(person.send("POST", &uploads)).await;
        assert_eq!(started.status(), 202);
        let url = with_query(&header(&started, "location"), &format!("digest={}", sha256(bytes)));
        let put = persist(person.send("PUT", &url).body(bytes.to_vec())).await;
        match put.status().as_u16() {
            201 => return,
            // A part was written when the answer failed; another session takes it all.
            404 | 416 | 400 => {}
            other => panic!("a blob was answered {other}"),
        }
    }
}

async fn push(person: &Person, repository: &str, tag: &str, layer: &[u8]) -> String {
    let config = serde_json::to_vec(&json!({"x": sha256(layer)})).unwrap();
    push_blob(person, repository, &config).await;
    push_blob(person, repository, layer).await;
    let manifest = serde_json::to_vec(&content::image(&config, &[layer])).unwrap();
    let put = person
        .send("PUT", &format!("/v2/{repository}/manifests/{tag}"))
        .header("content-type", MANIFEST)
        .body(manifest.clone());
    let answer = persist(put).await;
    assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
    sha256(&manifest)
}

/// Clients that push one image after the other until they are told to stop.
pub struct Pushing {
    clients: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    pushed: Arc<Mutex<Vec<(String, String, String)>>>,
}

impl Pushing {
    /// Starts six of them.
    pub fn start(server: &Server) -> Self {
        let (stop, pushed) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let clients = (0..6).map(|n| {
            let (person, stop, pushed) = (server.admin(), stop.clone(), pushed.clone());
            tokio::spawn(async move {
                for round in 0..200 {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let (repository, tag) = (format!("library/r{n}"), format!("t{round}"));
                    let layer = format!("layer {n} {round}");
                    let digest = push(&person, &repository, &tag, layer.as_bytes()).await;
                    pushed.lock().unwrap().push((repository, tag, digest));
                }
            })
        });
        Self { clients: clients.collect(), stop, pushed }
    }

    /// How many images were acknowledged so far.
    pub fn count(&self) -> usize {
        self.pushed.lock().unwrap().len()
    }

    /// Lets them end; then whatever was acknowledged must be there. Returns how much that is.
    pub async fn end(self, server: &Server) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await.unwrap();
        }
        let pushed = self.pushed.lock().unwrap().clone();
        let admin = server.admin();
        for (repository, tag, digest) in &pushed {
            let answer = admin.head(&format!("/v2/{repository}/manifests/{tag}")).await;
            assert_eq!(answer.status(), 200, "{repository}:{tag}");
            assert_eq!(answer.headers()["docker-content-digest"], digest.as_str());
        }
        pushed.len()
    }
}
