//! Clients that note every answer which is neither right nor says to come back later.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::Rng as _;
use rand::rngs::StdRng;
use reqwest::{Client, Method, Response};
use roadstead_tests::content::{MANIFEST, random_bytes, sha256};
use roadstead_tests::http::with_query;

use crate::client::{Image, config, manifest};
use crate::crew::PROJECT;

/// How long one request is sent again and again, which is longer than any trouble here.
const PATIENCE: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(200);

/// What clients were told.
pub(crate) struct Witness {
    client: Client,
    hosts: Vec<String>,
    turn: AtomicUsize,
    token: String,
    /// A proxy has answers of its own when no server has one.
    proxied: bool,
    stop: AtomicBool,
    /// Answers that were told to come back later, or never came.
    later: AtomicUsize,
    /// Of single requests, whether there was an answer or not.
    slowest: Mutex<Duration>,
    kept: Mutex<Vec<Image>>,
    deleted: Mutex<Vec<Image>>,
    wrong: Mutex<Vec<String>>,
}

/// An answer that was waited for.
struct Told {
    status: u16,
    location: String,
    text: Bytes,
    /// Whether the request was sent only once: an earlier one may have been obeyed unheard.
    sure: bool,
}

pub(crate) fn repository(n: usize) -> String {
    format!("{PROJECT}/app-{n}")
}

impl Witness {
    /// Sends requests to these hosts in turn.
    pub(crate) fn new(hosts: Vec<String>, token: String, proxied: bool) -> Self {
        let client = Client::builder().no_proxy().tls_certs_only([]).build().expect("a client");
        let (turn, later, stop, slowest) = Default::default();
        let (kept, deleted, wrong) = Default::default();
        Self { client, hosts, turn, token, proxied, stop, later, slowest, kept, deleted, wrong }
    }

    fn note(&self, wrong: String) {
        self.wrong.lock().expect("no witness panicked").push(wrong);
    }

    fn note_time(&self, took: Duration) {
        let mut slowest = self.slowest.lock().expect("no witness panicked");
        *slowest = took.max(*slowest);
    }

    /// Lets the work end.
    pub(crate) fn end(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// How many images were acknowledged and are to be there.
    pub(crate) fn acknowledged(&self) -> usize {
        self.kept.lock().expect("no witness panicked").len()
    }

    /// What went on, in words.
    pub(crate) fn summary(&self) -> String {
        let deleted = self.deleted.lock().expect("no witness panicked").len();
        let (kept, later) = (self.acknowledged(), self.later.load(Ordering::Relaxed));
        let slowest = self.slowest.lock().expect("no witness panicked");
        format!(
            "{kept} images kept and {deleted} deleted, {later} requests sent again, the slowest \
             took {slowest:?}"
        )
    }

    /// Fails when an answer was wrong.
    pub(crate) fn assert_nothing_wrong(&self) {
        let wrong = self.wrong.lock().expect("no witness panicked");
        assert!(
            wrong.is_empty(),
            "{} wrong answers: {:#?}",
            wrong.len(),
            &wrong[..wrong.len().min(20)]
        );
    }

    /// Whether an answer says that it may work later, in the way that it has to.
    async fn is_later(&self, what: &str, answer: Response) -> Result<(), Told> {
        let status = answer.status().as_u16();
        let said = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let retry = said("retry-after").is_some();
        let of_the_proxy = self.proxied && said("content-type") == Some("text/html");
        let location = said("location").unwrap_or_default().to_owned();
        // A body that was cut is a connection that broke.
        let Ok(text) = answer.bytes().await else { return Ok(()) };
        match status {
            429 | 503 if retry => Ok(()),
            502..=504 if of_the_proxy => Ok(()),
            500.. | 429 => {
                self.note(format!("{what}: {status}: {}", String::from_utf8_lossy(&text)));
                Ok(())
            }
            _ => Err(Told { status, location, text, sure: true }),
        }
    }

    /// Sends a request until it is answered; None, with a note, when it never is.
    async fn ask(&self, method: &str, path: &str, body: &Bytes, token: bool) -> Option<Told> {
        let (since, mut sure) = (Instant::now(), true);
        let what = format!("{method} {path}");
        while since.elapsed() < PATIENCE {
            let host = &self.hosts[self.turn.fetch_add(1, Ordering::Relaxed) % self.hosts.len()];
            let method: Method = method.parse().expect("a method");
            let kind =
                if path.contains("/manifests/") { MANIFEST } else { "application/octet-stream" };
            let mut request = self.client.request(method, format!("http://{host}{path}"));
            request = request.header("content-type", kind).timeout(PATIENCE);
            if token {
                request = request.bearer_auth(&self.token);
            }
            let begun = Instant::now();
            let answer = match request.body(body.clone()).send().await {
                Ok(answer) => self.is_later(&what, answer).await,
                Err(_) => Ok(()),
            };
            self.note_time(begun.elapsed());
            if let Err(told) = answer {
                return Some(Told { sure, ..told });
            }
            sure = false;
            self.later.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(PAUSE).await;
        }
        self.note(format!("{what}: no answer in {PATIENCE:?}"));
        None
    }

    /// Asks, and notes an answer that is not the one which is right; or, when it was sent again,
    /// not one of these others. Returns the answer when it is the right one.
    async fn expect(&self, asked: (&str, &str, &Bytes), right: u16, again: &[u16]) -> Option<Told> {
        let (method, path, body) = asked;
        let told = self.ask(method, path, body, true).await?;
        if told.status == right {
            return Some(told);
        }
        if told.sure || !again.contains(&told.status) {
            let text = String::from_utf8_lossy(&told.text);
            self.note(format!("{method} {path}: {} instead of {right}: {text}", told.status));
        }
        None
    }

    /// Pushes a blob in two pieces; None when that has to begin anew, or went wrong.
    async fn push_blob(&self, repository: &str, blob: &Bytes) -> Option<()> {
        let (digest, none) = (sha256(blob), Bytes::new());
        let path = format!("/v2/{repository}/blobs/{digest}");
        if self.ask("HEAD", &path, &none, true).await?.status == 200 {
            return Some(());
        }
        let path = format!("/v2/{repository}/blobs/uploads/");
        let begun = self.expect(("POST", &path, &none), 202, &[]).await?;
        let (first, second) = (blob.slice(..blob.len() / 2), blob.slice(blob.len() / 2..));
        // What arrived unheard is in the way of the same once more.
        let sent = self.expect(("PATCH", &begun.location, &first), 202, &[404, 416]).await?;
        let url = with_query(&sent.location, &format!("digest={digest}"));
        self.expect(("PUT", &url, &second), 201, &[400, 404, 416]).await.map(drop)
    }

    async fn push(&self, image: &Image) -> Option<()> {
        let config = config(image);
        for blob in image.layers.iter().chain([&config]) {
            // A piece that arrived unheard ends at most every other try.
            let mut tries = 0;
            while self.push_blob(&image.repository, blob).await.is_none() {
                tries += 1;
                if tries == 8 || self.stop.load(Ordering::Relaxed) {
                    return None;
                }
            }
        }
        let path = format!("/v2/{}/manifests/{}", image.repository, image.tag);
        self.expect(("PUT", &path, &manifest(image)), 201, &[]).await.map(drop)
    }

    async fn delete(&self, image: &Image) -> Option<()> {
        let path = format!("/v2/{}/manifests/{}", image.repository, sha256(&manifest(image)));
        let told = self.ask("DELETE", &path, &Bytes::new(), true).await?;
        let gone = told.status == 202 || (told.status == 404 && !told.sure);
        if !gone {
            self.note(format!("DELETE {path}: {}", told.status));
        }
        gone.then_some(())
    }

    /// Reads an image, which must be there to the byte, and for those only who may.
    async fn pull(&self, image: &Image) {
        let read = async |path: String, expected: &Bytes| {
            let told = self.expect(("GET", &path, &Bytes::new()), 200, &[]).await;
            if told.is_some_and(|told| told.text != expected) {
                self.note(format!("GET {path}: other bytes"));
            }
        };
        let path = format!("/v2/{}/manifests/{}", image.repository, image.tag);
        read(path.clone(), &manifest(image)).await;
        for blob in image.layers.iter().chain([&config(image)]) {
            read(format!("/v2/{}/blobs/{}", image.repository, sha256(blob)), blob).await;
        }
        if let Some(told) = self.ask("GET", &path, &Bytes::new(), false).await
            && told.status != 401
        {
            self.note(format!("GET {path} by a stranger: {}", told.status));
        }
    }

    /// Looks for an image, which must be gone.
    async fn miss(&self, image: &Image) {
        let path = format!("/v2/{}/manifests/{}", image.repository, sha256(&manifest(image)));
        self.expect(("GET", &path, &Bytes::new()), 404, &[]).await;
    }

    /// Pushes, pulls and deletes until it is told to stop.
    pub(crate) async fn work(&self, n: usize, mut rng: StdRng) {
        for round in 0.. {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let length = rng.random_range(10_000..600_000);
            let layers = vec![random_bytes(&mut rng, length).into()];
            let image = Image { repository: repository(n), tag: format!("v{round}"), layers };
            if self.push(&image).await.is_none() {
                continue;
            }
            if round % 3 == 2 {
                if self.delete(&image).await.is_some() {
                    self.miss(&image).await;
                    self.deleted.lock().expect("no witness panicked").push(image);
                }
                continue;
            }
            self.pull(&image).await;
            let older = {
                let mut kept = self.kept.lock().expect("no witness panicked");
                kept.push(image);
                kept[rng.random_range(0..kept.len())].clone()
            };
            self.pull(&older).await;
        }
    }

    fn reader(&self, host: &str) -> Self {
        Self::new(vec![host.to_owned()], self.token.clone(), false)
    }

    /// Pulls an image and pushes another at one server, however often that says to come later.
    pub(crate) async fn insist(self: Arc<Self>, host: String) {
        let reader = self.reader(&host);
        let first = self.kept.lock().expect("no witness panicked")[0].clone();
        reader.pull(&first).await;
        let image = Image { tag: format!("again-at-{}", host.replace(':', "-")), ..first };
        let pushed = reader.push(&image).await;
        reader.assert_nothing_wrong();
        pushed.expect("a push that went well");
        self.kept.lock().expect("no witness panicked").push(image);
    }

    /// Reads everything again by way of these hosts, each for itself.
    pub(crate) async fn read_everything(&self, hosts: &[String]) {
        let copy = |images: &Mutex<Vec<Image>>| images.lock().expect("no witness panicked").clone();
        let (kept, deleted) = (copy(&self.kept), copy(&self.deleted));
        let read = async |host: &String| {
            let reader = self.reader(host);
            for image in &kept {
                reader.pull(image).await;
            }
            for image in &deleted {
                reader.miss(image).await;
            }
            reader.assert_nothing_wrong();
        };
        futures_util::future::join_all(hosts.iter().map(read)).await;
    }
}
