//! What happens around every request: an id, its origin, a line in the log, a figure.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, StatusCode};
use roadstead_model::{ErrorBody, OciCode, Origin};

use crate::listener::Peer;
use crate::metrics::Metrics;
use crate::proxies::Proxies;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const LONGEST_ID: usize = 128;

/// What is around every request.
pub(crate) struct Around {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) proxies: Proxies,
    /// Whether clients reach the server by https, when that is configured.
    pub(crate) https: Option<bool>,
    /// Whether this server speaks TLS itself.
    pub(crate) tls: bool,
}

/// Gives a request its id and origin, and notes how it went.
pub(crate) async fn observe(
    around: &Around,
    mut request: Request,
    answer: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let started = Instant::now();
    let id: Arc<str> = request_id(&request).into();
    let origin = origin(around, id.clone(), &mut request);
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    request.extensions_mut().insert(origin.clone());
    let running = around.metrics.running();
    let mut response = answer(request).await;
    drop(running);
    let (status, elapsed) = (response.status(), started.elapsed());
    around.metrics.request(&method, &path, status, elapsed);
    tracing::info!(
        request_id = &*id,
        address = &*origin.address,
        %method,
        path,
        status = status.as_u16(),
        milliseconds = elapsed.as_secs_f64() * 1e3,
        "request"
    );
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// Where a request comes from, as the connection and trusted proxies say it.
fn origin(around: &Around, request_id: Arc<str>, request: &mut Request) -> Origin {
    let Some(&Peer(peer)) = request.extensions().get::<Peer>() else {
        return Origin { request_id, ..Origin::default() };
    };
    let client = around.proxies.client(peer.ip(), request.headers_mut());
    if client.host.is_some() {
        // The `Host` header is right now; HTTP/2 has another place for it, which is not.
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = path.map_or_else(http::Uri::default, http::Uri::from);
    }
    let https = around.https.or(client.https).unwrap_or(around.tls);
    Origin { address: client.address.to_string().into(), request_id, https }
}

/// The client's id, if it is short and plain; otherwise a fresh one.
fn request_id(request: &Request) -> String {
    let given = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok());
    let plain = |id: &&str| {
        !id.is_empty() && id.len() <= LONGEST_ID && id.bytes().all(|b| b.is_ascii_graphic())
    };
    given.filter(plain).map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_owned)
}

/// A panic is a bug; the client is told that something failed, and nothing more.
// The layer that calls this gives it the box.
#[allow(clippy::needless_pass_by_value)]
pub(crate) fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    let message = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    tracing::error!(message, "a request panicked");
    let body = ErrorBody::one(OciCode::Unknown, "an internal error occurred").to_json();
    let content_type = [(CONTENT_TYPE, "application/json")];
    (StatusCode::INTERNAL_SERVER_ERROR, content_type, body).into_response()
}
