//! Blobs on the wire: whole, in ranges, or only their headers.

use axum::body::Body;
use axum::response::Response;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, RANGE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use roadstead_auth::Grant;
use roadstead_model::Digest;
use roadstead_storage::tables::blob::{Blob, State};

use super::blob_body::Untouched;
use super::failure::Failure;
use super::range::{Ranges, Span};
use super::{Wire, blob_body, conditions, empty, redirect, value};

/// The digest of what is answered.
pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

pub(super) async fn get(
    wire: &Wire,
    grant: &Grant,
    digest: &Digest,
    request: &Parts,
) -> Result<Response, Failure> {
    let registry = &wire.registry;
    let head = request.method == Method::HEAD;
    let blob = if head && grant.may_push() {
        registry.find_blob_to_push(grant, digest).await?
    } else {
        registry.find_blob(grant, digest).await?
    };
    let headers = &request.headers;
    let mut response = if conditions::not_modified(headers, digest.as_str()) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else if head {
        whole(&blob, Body::empty())
    } else {
        let ranges = ranges(headers, &blob);
        if let Some(mut redirected) = redirect::answer(wire, &blob, &ranges, request).await? {
            name(redirected.headers_mut(), digest);
            return Ok(redirected);
        }
        match ranges {
            Ranges::Unsatisfiable => return Err(Failure::range(blob.size)),
            Ranges::Whole => {
                let stream = registry.open_blob(&blob, 0..blob.size).await?;
                whole(&blob, blob_body::whole(registry, &blob, stream, untouched(request)))
            }
            Ranges::One(span) => part(wire, &blob, span, request).await?,
            Ranges::Many(spans) => parts(wire, &blob, &spans, request).await?,
        }
    };
    describe(response.headers_mut(), digest);
    Ok(response)
}

/// Range has a meaning for GET only, and only while `If-Range` agrees.
fn ranges(headers: &HeaderMap, blob: &Blob) -> Ranges {
    let range = headers.get(RANGE).and_then(|range| range.to_str().ok());
    // A part of a blob that was found damaged cannot be checked; the whole can.
    let range = range.filter(|_| blob.state == State::Ok);
    match range {
        Some(range) if conditions::range_applies(headers, blob.digest.as_str()) => {
            Ranges::parse(range, blob.size)
        }
        _ => Ranges::Whole,
    }
}

fn whole(blob: &Blob, body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_LENGTH, blob.size.into());
    response
}

/// Whether nobody looks at an answer's bytes on their way to the kernel.
fn untouched(request: &Parts) -> bool {
    request.extensions.get::<Untouched>().is_some()
}

async fn part(wire: &Wire, blob: &Blob, span: Span, request: &Parts) -> Result<Response, Failure> {
    let mut stream = wire.registry.open_blob(blob, span.start..span.end).await?;
    if untouched(request) {
        stream = stream.for_the_kernel();
    }
    let mut response = Response::new(blob_body::part(stream, span));
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, span.length().into());
    headers.insert(CONTENT_RANGE, value(&span.content_range(blob.size)));
    Ok(response)
}

async fn parts(
    wire: &Wire,
    blob: &Blob,
    spans: &[Span],
    request: &Parts,
) -> Result<Response, Failure> {
    let first = spans.first().map_or(0..0, |span| span.start..span.end);
    let mut stream = wire.registry.open_blob(blob, first).await?;
    if untouched(request) {
        stream = stream.for_the_kernel();
    }
    let boundary = uuid::Uuid::new_v4().simple().to_string();
    let (body, length) = blob_body::multipart(stream, spans, &boundary);
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, length.into());
    headers.insert(CONTENT_TYPE, value(&format!("multipart/byteranges; boundary={boundary}")));
    Ok(response)
}

/// What every answer about a blob carries. Content is somebody's, and hostile: a browser must
/// neither guess its type nor show it.
fn describe(headers: &mut HeaderMap, digest: &Digest) {
    name(headers, digest);
    headers.insert(ETAG, value(&conditions::etag(digest.as_str())));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=31536000"));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
}

/// What it is that is answered, or pointed to.
fn name(headers: &mut HeaderMap, digest: &Digest) {
    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/octet-stream"));
    headers.insert(CONTENT_DIGEST, value(digest.as_str()));
}

pub(super) async fn delete(
    wire: &Wire,
    grant: &Grant,
    digest: &Digest,
) -> Result<Response, Failure> {
    wire.registry.delete_blob(grant, digest).await?;
    Ok(empty(StatusCode::ACCEPTED))
}
