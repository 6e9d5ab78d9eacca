//! A proxy in front of a store that makes trouble, as networks and stores do.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{self, Body};
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use rand::Rng as _;
use rand::rngs::StdRng;
use reqwest::{Client, StatusCode};

/// The most that a request may have.
const LARGEST_REQUEST: usize = 64 << 20;

/// What goes wrong, each with how many of a thousand requests it hits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trouble {
    /// Refused with 500 or 503, and not passed on.
    pub refused: u32,
    /// Passed on, and then answered 500.
    pub answer_lost: u32,
    /// The answer's body ends early.
    pub body_cut: u32,
    /// Completing a multipart upload is answered 200 with an error inside, after it was done.
    pub error_in_success: u32,
    /// How long every request waits.
    pub delay: Duration,
}

/// A proxy that makes trouble.
#[derive(Clone, Debug)]
pub struct Faults(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    behind: String,
    client: Client,
    trouble: Mutex<Trouble>,
    rng: Mutex<StdRng>,
    requests: AtomicU64,
    troubled: AtomicU64,
}

impl Faults {
    /// Listens in front of a store; returns where. It makes no trouble yet.
    pub fn start(behind: &str, rng: StdRng) -> (Self, String) {
        let client = Client::builder().no_proxy().build().expect("a client");
        let faults = Self(Arc::new(Inner {
            behind: behind.to_owned(),
            client,
            trouble: Mutex::default(),
            rng: Mutex::new(rng),
            requests: AtomicU64::new(0),
            troubled: AtomicU64::new(0),
        }));
        let router = Router::new().fallback(handle).with_state(faults.clone());
        (faults, serve(router))
    }

    /// Makes this trouble from now on.
    pub fn make(&self, trouble: Trouble) {
        *self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// How many requests came, and how many of them met with trouble.
    pub fn counts(&self) -> (u64, u64) {
        (self.0.requests.load(Ordering::Relaxed), self.0.troubled.load(Ordering::Relaxed))
    }

    fn hits(&self, of_thousand: u32) -> bool {
        let mut rng = self.0.rng.lock().unwrap_or_else(PoisonError::into_inner);
        let hit = rng.random_range(0..1000) < of_thousand;
        self.0.troubled.fetch_add(u64::from(hit), Ordering::Relaxed);
        hit
    }
}

async fn handle(State(faults): State<Faults>, request: Request) -> Response {
    faults.0.requests.fetch_add(1, Ordering::Relaxed);
    let trouble = *faults.0.trouble.lock().unwrap_or_else(PoisonError::into_inner);
    tokio::time::sleep(trouble.delay).await;
    if faults.hits(trouble.refused) {
        let slow = faults.hits(500);
        let status =
            if slow { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::INTERNAL_SERVER_ERROR };
        return (status, "<Error><Code>SlowDown</Code></Error>").into_response();
    }
    let completes = request.method() == "POST"
        && request.uri().query().is_some_and(|query| query.contains("uploadId"));
    let answer = pass_on(&faults.0.client, &faults.0.behind, request).await;
    if completes && faults.hits(trouble.error_in_success) {
        return "<Error><Code>InternalError</Code></Error>".into_response();
    }
    if faults.hits(trouble.answer_lost) {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    if faults.hits(trouble.body_cut) {
        return cut(answer);
    }
    answer
}

/// The answer with a body that breaks off.
fn cut(answer: Response) -> Response {
    let (parts, body) = answer.into_parts();
    let first = body.into_data_stream().take(1);
    let broken = futures_util::stream::once(async { Err(axum::Error::new(Broken)) });
    Response::from_parts(parts, Body::from_stream(first.chain(broken)))
}

#[derive(Debug)]
struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut on purpose")
    }
}

impl std::error::Error for Broken {}

/// Passes a request on as it is, and the answer back as it comes.
pub(super) async fn pass_on(client: &Client, behind: &str, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let Ok(bytes) = body::to_bytes(body, LARGEST_REQUEST).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let mut sent = client.request(parts.method, format!("{behind}{path}"));
    for (name, value) in &parts.headers {
        if name != "content-length" {
            sent = sent.header(name, value);
        }
    }
    if !bytes.is_empty() || parts.headers.contains_key("content-length") {
        sent = sent.body(bytes);
    }
    let Ok(answer) = sent.send().await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut passed = Response::new(Body::from_stream(answer.bytes_stream()));
    *passed.status_mut() = status;
    *passed.headers_mut() = headers;
    passed.headers_mut().remove("transfer-encoding");
    passed
}

/// Serves on a free port of the loopback, for as long as the process lives; returns where.
pub(super) fn serve(router: Router) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address");
    listener.set_nonblocking(true).expect("a listener for a runtime");
    // A thread of its own: tests have a runtime each, and this outlives them.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            axum::serve(listener, router).await.expect("a server");
        });
    });
    format!("http://{address}")
}
