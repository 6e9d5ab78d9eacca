//! Bodies of requests, in JSON.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use http::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;

use crate::failure::Failure;

/// A body that was read, or Harbor's refusal of one that cannot be: 415 for what is no JSON, 422
/// for JSON of another shape.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

/// A body that may be left out.
#[derive(Debug)]
pub(crate) struct OptionalBody<T>(pub(crate) Option<T>);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for OptionalBody<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        let request = Request::from_parts(parts.clone(), body);
        let bytes = Bytes::from_request(request, state).await.map_err(|_| Failure::too_large())?;
        if bytes.is_empty() {
            return Ok(Self(None));
        }
        let Body(body) =
            Body::from_request(Request::from_parts(parts, bytes.into()), state).await?;
        Ok(Self(Some(body)))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") && !kind.ends_with("+json") {
            return Err(Failure::unsupported_media_type());
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|_| Failure::too_large())?;
        // Serde would read an array as the fields in their order.
        if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
            return Err(Failure::unprocessable("the body must be a JSON object"));
        }
        // The error's own text repeats what it found, which may be a password.
        serde_json::from_slice(&bytes).map(Self).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            Failure::unprocessable(if error.is_data() {
                format!("the body has a wrong type or lacks a field at line {line} column {column}")
            } else {
                format!("the body is not JSON at line {line} column {column}")
            })
        })
    }
}

/// Reads `null` as what a field is when it is absent; Harbor's clients send either.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + serde::Deserialize<'de>,
{
    let value: Option<T> = serde::Deserialize::deserialize(deserializer)?;
    Ok(value.unwrap_or_default())
}
