//! A server with people and projects, and a bench to run clients on: where every test begins.

use rand::rngs::StdRng;

use super::bench::{Bench, Ran};
use super::content::Content;
use super::images;
use super::tap::Tap;
use crate::http::Person;
use crate::server::{Server, Setup};

/// The password of every user that [`Person::create_user`] makes.
pub const PASSWORD: &str = "Password-1";

/// A server, a bench, and the cast: alice owns the private projects `acme` and `other` and the
/// public project `open`; mallory has an account and no rights in any of them.
#[derive(Debug)]
pub struct Stage {
    /// The server under test.
    pub server: Server,
    /// Where clients run.
    pub bench: Bench,
    /// The source of all content.
    pub rng: StdRng,
    tap: Tap,
}

impl Stage {
    /// Starts the server and makes users and projects.
    pub async fn new() -> Self {
        let server = Setup::new().start();
        let admin = server.admin();
        admin.create_user("alice").await;
        admin.create_user("mallory").await;
        let alice = server.person("alice", PASSWORD);
        alice.create_project("acme", false).await;
        alice.create_project("other", false).await;
        alice.create_project("open", true).await;
        let tap = Tap::before(server.address());
        Self { server, bench: Bench::new(), rng: crate::content::rng(), tap }
    }

    /// Alice, talking HTTP.
    pub fn alice(&self) -> Person {
        self.server.person("alice", PASSWORD)
    }

    /// The host that clients know the registry by: the line to it is tapped.
    pub fn host(&self) -> String {
        self.tap.address().to_string()
    }

    /// A reference as clients write it: the registry's host before `repository:tag`.
    pub fn at(&self, reference: &str) -> String {
        format!("{}/{reference}", self.host())
    }

    /// Makes an image of three layers in a layout of this name; answers its path and what is in it.
    pub fn image(&mut self, name: &str, tag: &str) -> (String, Content) {
        let layout = images::image(&self.bench, &mut self.rng, name, tag);
        let content = Content::of_layout(&layout, tag);
        (layout.display().to_string(), content)
    }

    /// Makes an index of two platforms in a layout of this name.
    pub fn index(&mut self, name: &str, tag: &str) -> (String, Content) {
        let layout = images::index(&self.bench, &mut self.rng, name, tag);
        let content = Content::of_layout(&layout, tag);
        (layout.display().to_string(), content)
    }

    /// Makes an artifact about other content in a layout of this name.
    pub fn artifact(&mut self, name: &str, tag: &str, about: &Content) -> (String, Content) {
        let layout = images::artifact(&self.bench, &mut self.rng, name, tag, about);
        let content = Content::of_layout(&layout, tag);
        (layout.display().to_string(), content)
    }

    /// Runs a command line that must succeed.
    #[track_caller]
    pub fn ok(&self, line: impl AsRef<str>) -> Ran {
        self.bench.ok(line)
    }

    /// Runs a command line that must fail and say so with every one of these texts.
    #[track_caller]
    pub fn refused(&self, line: impl AsRef<str>, texts: &[&str]) {
        self.bench.refused(line, texts);
    }

    /// Runs a command line with these bytes on its standard input.
    #[track_caller]
    pub fn feed(&self, line: impl AsRef<str>, input: &[u8]) -> Ran {
        self.bench.feed(line, input)
    }

    /// Forgets the requests so far, before a command whose requests matter.
    pub fn listen(&self) {
        self.tap.clear();
    }

    /// How many blobs were uploaded since [`Stage::listen`].
    pub fn uploads(&self) -> usize {
        let stored = |method: &str, path: &str| {
            (method == "PUT" && path.contains("/blobs/uploads/"))
                || (method == "POST" && path.contains("digest=") && !path.contains("mount="))
        };
        self.count(201, stored)
    }

    /// How many blobs were mounted from another repository since [`Stage::listen`].
    pub fn mounts(&self) -> usize {
        self.count(201, |method, path| method == "POST" && path.contains("mount="))
    }

    /// How many chunks of blobs were sent since [`Stage::listen`].
    pub fn patches(&self) -> usize {
        self.count(202, |method, _| method == "PATCH")
    }

    fn count(&self, status: u16, wanted: impl Fn(&str, &str) -> bool) -> usize {
        let exchanges = self.tap.exchanges();
        let counted = exchanges.iter().filter(|exchange| {
            exchange.status == status && wanted(&exchange.method, &exchange.path)
        });
        counted.count()
    }

    /// What the server holds under a tag or digest, as alice reads it.
    pub async fn content(&self, repository: &str, reference: &str) -> Content {
        Content::of_server(&self.alice(), repository, reference).await
    }

    /// The tags of a repository, as alice reads them.
    pub async fn tags(&self, repository: &str) -> Vec<String> {
        let answer = self.alice().get(&format!("/v2/{repository}/tags/list")).await;
        if answer.status() == 404 {
            return Vec::new();
        }
        let body: serde_json::Value = answer.json().await.expect("JSON");
        let tags = body["tags"].as_array().cloned().unwrap_or_default();
        tags.iter().map(|tag| tag.as_str().expect("a tag").to_owned()).collect()
    }

    /// Whether alice is answered 200 for a manifest.
    pub async fn has(&self, repository: &str, reference: &str) -> bool {
        let path = format!("/v2/{repository}/manifests/{reference}");
        self.alice().head(&path).await.status() == 200
    }

    /// The digests of the manifests that refer to this one.
    pub async fn referrers(&self, repository: &str, digest: &str) -> Vec<String> {
        let answer = self.alice().get(&format!("/v2/{repository}/referrers/{digest}")).await;
        assert_eq!(answer.status(), 200, "referrers of {digest}");
        let body: serde_json::Value = answer.json().await.expect("JSON");
        let entries = body["manifests"].as_array().cloned().expect("manifests");
        entries.iter().map(|entry| entry["digest"].as_str().expect("text").to_owned()).collect()
    }
}
