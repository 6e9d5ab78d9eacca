//! What clients were told, so that it can be compared with what a server says after a crash.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::Rng as _;
use rand::rngs::StdRng;
use serde_json::json;

use crate::content::{self, random_bytes, sha256};
use crate::http::{Person, with_query};

/// How long an answer is waited for: a server whose disk is gone may not give one.
const PATIENCE: Duration = Duration::from_secs(5);

/// An image whose push was acknowledged.
#[derive(Clone, Debug)]
struct Image {
    repository: String,
    manifest: Vec<u8>,
    blobs: Vec<(String, usize)>,
    /// A delete was sent: it may be gone, or not.
    doubtful: bool,
}

#[derive(Debug, Default)]
struct Told {
    images: HashMap<String, Image>,
    /// What each tag may name.
    tags: HashMap<(String, String), Vec<String>>,
    /// What is said from now on cannot have been said.
    deaf: bool,
}

/// Every acknowledgement; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Journal(Arc<Mutex<Told>>);

impl Journal {
    fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.0.lock().expect("no pusher panicked")
    }

    /// How many images were acknowledged and never asked to go.
    pub fn acknowledged(&self) -> usize {
        self.told().images.values().filter(|image| !image.doubtful).count()
    }

    /// Before a simulated power cut: a machine without power sends no answers, and the kernel that
    /// goes on while its file system is shut down may call a sync a success that it was not.
    pub fn stop_listening(&self) {
        self.told().deaf = true;
    }

    /// Believes answers again.
    pub fn listen(&self) {
        self.told().deaf = false;
    }

    /// Pushes an image in one of the ways that clients have, and deletes one now and then; None
    /// when the server did not take it.
    pub async fn push(&self, person: &Person, rng: &mut StdRng, repository: &str) -> Option<()> {
        let length = rng.random_range(1..100_000);
        let layer = random_bytes(rng, length);
        let config = serde_json::to_vec(&json!({"n": rng.random::<u64>()})).expect("JSON");
        let mut blobs = Vec::new();
        for bytes in [&layer, &config] {
            let digest = push_blob(person, rng, repository, bytes).await?;
            blobs.push((digest, bytes.len()));
        }
        let manifest = content::image(&config, &[&layer]).to_string().into_bytes();
        let (digest, tag) = (sha256(&manifest), format!("t{}", rng.random_range(0..3)));
        let key = (repository.to_owned(), tag.clone());
        self.told().tags.entry(key.clone()).or_default().push(digest.clone());
        let path = format!("/v2/{repository}/manifests/{tag}");
        let request = person.send("PUT", &path).header("content-type", content::MANIFEST);
        let answer = request.timeout(PATIENCE).body(manifest.clone()).send().await.ok()?;
        if answer.status() != 201 {
            return None;
        }
        let mut told = self.told();
        if told.deaf {
            return None;
        }
        told.tags.insert(key, vec![digest.clone()]);
        let repository = repository.to_owned();
        told.images.insert(digest, Image { repository, manifest, blobs, doubtful: false });
        Some(())
    }

    /// Deletes an image of the repository that no tag names.
    pub async fn delete(&self, person: &Person, rng: &mut StdRng, repository: &str) {
        let chosen = {
            let mut told = self.told();
            let tagged: Vec<String> = told.tags.values().flatten().cloned().collect();
            let own = told.images.iter().filter(|(digest, image)| {
                image.repository == repository && !image.doubtful && !tagged.contains(digest)
            });
            let mut own: Vec<String> = own.map(|(digest, _)| digest.clone()).collect();
            own.sort();
            if own.is_empty() {
                return;
            }
            let digest = own.swap_remove(rng.random_range(0..own.len()));
            told.images.get_mut(&digest).expect("an image").doubtful = true;
            digest
        };
        let path = format!("/v2/{repository}/manifests/{chosen}");
        let _ = person.send("DELETE", &path).timeout(PATIENCE).send().await;
    }

    /// Compares what the server says now with what was acknowledged; a share of the images of
    /// before is enough when `all` is false.
    pub async fn verify(&self, person: &Person, rng: &mut StdRng, all: bool) {
        let (images, tags) = {
            let told = self.told();
            (told.images.clone(), told.tags.clone())
        };
        let mut images: Vec<_> = images.into_iter().collect();
        images.sort_by(|a, b| a.0.cmp(&b.0));
        for (digest, image) in images {
            if all || rng.random_bool(0.3) {
                verify_image(person, &digest, &image).await;
            }
        }
        for ((repository, tag), allowed) in tags {
            let answer = person.get(&format!("/v2/{repository}/manifests/{tag}")).await;
            if answer.status() == 404 {
                // Only a tag whose first push was never acknowledged may be missing.
                let known = allowed.iter().any(|digest| self.told().images.contains_key(digest));
                assert!(!known, "{repository}:{tag} is gone");
                continue;
            }
            let digest = sha256(&answer.bytes().await.expect("its bytes"));
            assert!(allowed.contains(&digest), "{repository}:{tag} names {digest}");
            self.told().tags.insert((repository, tag), vec![digest]);
        }
    }
}

async fn verify_image(person: &Person, digest: &str, image: &Image) {
    let answer = person.get(&format!("/v2/{}/manifests/{digest}", image.repository)).await;
    if image.doubtful && answer.status() == 404 {
        return;
    }
    assert_eq!(answer.status(), 200, "{digest} was acknowledged");
    assert_eq!(answer.bytes().await.expect("its bytes"), image.manifest, "{digest}");
    for (digest, length) in &image.blobs {
        let answer = person.get(&format!("/v2/{}/blobs/{digest}", image.repository)).await;
        assert_eq!(answer.status(), 200, "blob {digest}");
        let bytes = answer.bytes().await.expect("its bytes");
        assert_eq!((bytes.len(), &sha256(&bytes)), (*length, digest));
    }
}

/// Pushes a blob in one of the ways that clients have; None when the server did not take it.
pub async fn push_blob(
    person: &Person,
    rng: &mut StdRng,
    repository: &str,
    bytes: &[u8],
) -> Option<String> {
    let digest = sha256(bytes);
    let uploads = format!("/v2/{repository}/blobs/uploads/");
    let answer = match rng.random_range(0..3) {
        0 => {
            let url = with_query(&uploads, &format!("digest={digest}"));
            person.send("POST", &url).timeout(PATIENCE).body(bytes.to_vec()).send().await.ok()?
        }
        way => {
            let answer = person.send("POST", &uploads).timeout(PATIENCE).send().await.ok()?;
            let location = answer.headers().get("location")?.to_str().ok()?.to_owned();
            let cut = if way == 1 { 0 } else { bytes.len() / 2 };
            if cut > 0 {
                let first = person.send("PATCH", &location).timeout(PATIENCE);
                first.body(bytes[..cut].to_vec()).send().await.ok()?;
            }
            let url = with_query(&location, &format!("digest={digest}"));
            let rest = bytes[cut..].to_vec();
            person.send("PUT", &url).timeout(PATIENCE).body(rest).send().await.ok()?
        }
    };
    (answer.status() == 201).then_some(digest)
}
