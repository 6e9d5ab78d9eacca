//! What happens around every request: an id, its origin, a line in the log, a figure.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, StatusCode};
use roadstead_model::{ErrorBody, OciCode, Origin};

use crate::listener::Peer;
use crate::metrics::Metrics;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const LONGEST_ID: usize = 128;

/// Gives a request its id and origin, and notes how it went.
pub(crate) async fn observe(
    State(metrics): State<Arc<Metrics>>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let id = request_id(&request);
    let address = request.extensions().get::<Peer>().map(|peer| peer.0.ip().to_string());
    let origin = Origin { address: address.unwrap_or_default(), request_id: id.clone() };
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    request.extensions_mut().insert(origin.clone());
    let running = metrics.running();
    let mut response = next.run(request).await;
    drop(running);
    let (status, elapsed) = (response.status(), started.elapsed());
    metrics.request(&method, &path, status, elapsed);
    tracing::info!(
        request_id = id,
        address = origin.address,
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
