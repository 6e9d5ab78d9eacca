//! Sending a client to the object store instead of passing the bytes through.

use std::net::IpAddr;

use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, IF_RANGE, LOCATION, RANGE};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use roadstead_model::Origin;
use roadstead_storage::tables::blob::Blob;

use super::Wire;
use super::failure::Failure;
use super::range::Ranges;
use crate::error::Error;

/// The answer that sends a client to the store; None when it gets the bytes from us: because it
/// cannot get there, because they are to be verified on the way, or because the store would not
/// understand what the client will repeat there.
pub(super) async fn answer(
    wire: &Wire,
    blob: &Blob,
    ranges: &Ranges,
    request: &Parts,
) -> Result<Option<Response>, Failure> {
    let registry = &wire.registry;
    let Some(redirect) = &registry.limits().redirect else {
        return Ok(None);
    };
    let origin = request.extensions.get::<Origin>();
    let client: Option<IpAddr> = origin.and_then(|origin| origin.address.parse().ok());
    // Whoever cannot be placed is not sent away.
    let reaches =
        client.is_some_and(|client| !redirect.except.iter().any(|net| net.contains(&client)));
    if !reaches || !is_understood(ranges, request) || registry.wants_verification(blob) {
        return Ok(None);
    }
    let address = registry.blobs.address(&blob.key, redirect.lifetime).await;
    let Some(address) = address.map_err(Error::from)? else {
        return Ok(None);
    };
    let location = HeaderValue::from_str(&address);
    let Ok(mut location) = location else {
        return Ok(None);
    };
    location.set_sensitive(true);
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    let headers = response.headers_mut();
    headers.insert(LOCATION, location);
    headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    // The address ends long before the blob does.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(Some(response))
}

/// Whether a store gives the right bytes to a client that repeats its headers there. Our entity
/// tag is not the store's, Azure knows no range from the end, and most know one range only.
fn is_understood(ranges: &Ranges, request: &Parts) -> bool {
    let headers = &request.headers;
    let range = headers.get(RANGE).and_then(|range| range.to_str().ok());
    match ranges {
        Ranges::Whole => range.is_none(),
        Ranges::One(_) => {
            !headers.contains_key(IF_RANGE) && range.is_some_and(|range| !range.contains("=-"))
        }
        Ranges::Many(_) | Ranges::Unsatisfiable => false,
    }
}
