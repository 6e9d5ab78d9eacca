//! What the emulator of Google's store lacks of its XML interface, in front of it.
//!
//! Objects are only taken where the address is signed, so every address is given what looks like a
//! signature. The parts of multipart uploads are kept here until an upload is complete; then the
//! emulator gets the whole object. Everything else is passed on.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::{Router, body};
use bytes::Bytes;
use reqwest::header::HeaderValue;
use reqwest::{Client, Method, StatusCode};

use super::faults::{pass_on, serve};

/// What makes the emulator take an object.
const SIGNED: &str = "X-Goog-Algorithm=GOOG4-RSA-SHA256";

/// The most that a part may have.
const LARGEST_PART: usize = 64 << 20;

/// What is in front of an emulator.
#[derive(Debug, Clone)]
pub(super) struct Front(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    behind: String,
    client: Client,
    uploads: Mutex<HashMap<String, Upload>>,
}

#[derive(Debug, Default)]
struct Upload {
    path: String,
    /// Each with its tag.
    parts: BTreeMap<u32, (String, Bytes)>,
}

impl Front {
    /// Listens in front of `behind`; returns where.
    pub(super) fn start(behind: String) -> (Self, String) {
        let client = Client::builder().no_proxy().build().expect("a client");
        let front = Self(Arc::new(Inner { behind, client, uploads: Mutex::default() }));
        let router = Router::new().fallback(handle).with_state(front.clone());
        (front, serve(router))
    }

    /// Uploads below a prefix that are neither complete nor aborted.
    pub(super) fn unfinished(&self, prefix: &str) -> usize {
        // The name of an object is encoded as a whole.
        let below = format!("/{prefix}%2F");
        self.uploads().values().filter(|upload| upload.path.contains(&below)).count()
    }

    fn uploads(&self) -> MutexGuard<'_, HashMap<String, Upload>> {
        self.0.uploads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, path: &str) -> Response {
        let id = format!("{:032x}", rand::random::<u128>());
        self.uploads().insert(id.clone(), Upload { path: path.to_owned(), ..Upload::default() });
        let tag = "InitiateMultipartUploadResult";
        format!("<{tag}><UploadId>{id}</UploadId></{tag}>").into_response()
    }

    fn put_part(&self, id: &str, number: u32, bytes: Bytes) -> Response {
        let mut uploads = self.uploads();
        let Some(upload) = uploads.get_mut(id) else {
            return refusal(StatusCode::NOT_FOUND, "NoSuchUpload");
        };
        let tag = format!("\"{:032x}\"", rand::random::<u128>());
        upload.parts.insert(number, (tag.clone(), bytes));
        [("etag", tag)].into_response()
    }

    async fn complete(&self, id: &str, list: &str, request: &Request<()>) -> Response {
        let Some(upload) = self.uploads().remove(id) else {
            return refusal(StatusCode::NOT_FOUND, "NoSuchUpload");
        };
        let wanted: Vec<&str> = list.split("<ETag>").skip(1).collect();
        let tags = upload.parts.values().map(|(tag, _)| tag.trim_matches('"'));
        let same = upload.parts.len() == wanted.len()
            && tags.zip(&wanted).all(|(tag, wanted)| wanted.contains(tag));
        let (_, final_part) = upload.parts.values().next_back().cloned().unwrap_or_default();
        let sizes = upload.parts.values().map(|(_, bytes)| bytes.len());
        let small = sizes.rev().skip(1).any(|size| size < 5 << 20);
        if !same || small || final_part.is_empty() {
            return refusal(StatusCode::BAD_REQUEST, "InvalidPart");
        }
        let whole: Vec<u8> = upload.parts.into_values().flat_map(|(_, part)| part).collect();
        let url = format!("{}{}?{SIGNED}", self.0.behind, request.uri().path());
        let mut put = self.0.client.put(url).body(whole);
        for name in ["authorization", "host"] {
            if let Some(value) = request.headers().get(name) {
                put = put.header(name, value);
            }
        }
        match put.send().await {
            Ok(answer) if answer.status().is_success() => {
                let tag = "CompleteMultipartUploadResult";
                format!("<{tag}><ETag>\"whole\"</ETag></{tag}>").into_response()
            }
            _ => refusal(StatusCode::SERVICE_UNAVAILABLE, "InternalError"),
        }
    }
}

async fn handle(State(front): State<Front>, request: Request) -> Response {
    let query: HashMap<String, String> = url_query(request.uri().query().unwrap_or_default());
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let id = query.get("uploadId").cloned();
    let number = query.get("partNumber").and_then(|number| number.parse().ok());
    match (&parts.method, id, number) {
        (&Method::POST, None, _) if query.contains_key("uploads") => front.begin(&path),
        (&Method::PUT, Some(id), Some(number)) => match body::to_bytes(body, LARGEST_PART).await {
            Ok(bytes) => front.put_part(&id, number, bytes),
            Err(_) => refusal(StatusCode::BAD_REQUEST, "IncompleteBody"),
        },
        (&Method::POST, Some(id), _) => {
            let list = body::to_bytes(body, LARGEST_PART).await.unwrap_or_default();
            let list = String::from_utf8_lossy(&list).replace("&quot;", "");
            front.complete(&id, &list, &Request::from_parts(parts, ())).await
        }
        (&Method::DELETE, Some(id), _) => match front.uploads().remove(&id) {
            Some(_) => StatusCode::NO_CONTENT.into_response(),
            None => refusal(StatusCode::NOT_FOUND, "NoSuchUpload"),
        },
        (&Method::PUT, None, _) if parts.uri.query().is_none() => {
            let mut parts = parts;
            parts.uri = format!("{path}?{SIGNED}").parse().expect("an address");
            let request = Request::from_parts(parts, body);
            let mut answer = pass_on(&front.0.client, &front.0.behind, request).await;
            let tag = HeaderValue::from_static("\"whole\"");
            answer.headers_mut().entry("etag").or_insert(tag);
            answer
        }
        _ => {
            let request = Request::from_parts(parts, body);
            pass_on(&front.0.client, &front.0.behind, request).await
        }
    }
}

fn url_query(query: &str) -> HashMap<String, String> {
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn refusal(status: StatusCode, code: &str) -> Response {
    (status, format!("<Error><Code>{code}</Code></Error>")).into_response()
}
