//! Errors as Harbor's API has them.

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use roadstead_auth::{Error as AuthError, Refusal};
use roadstead_model::ErrorBody;
use roadstead_storage::Error as StorageError;

/// An answer that refuses: a status, Harbor's code for it, and a message for people.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Failure {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", message)
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "FORBIDDEN", message)
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "CONFLICT", message)
    }

    pub(crate) fn unprocessable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "UNPROCESSABLE_ENTITY", message)
    }

    pub(crate) fn method_not_allowed() -> Self {
        let message = "this method is not allowed here";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", message)
    }

    /// Not logged in: 401. Logged in without the permission: 403.
    pub(crate) fn refused(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Anonymous => {
                Self::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "unauthorized")
            }
            Refusal::TokenLacks | Refusal::Denied => Self::forbidden("forbidden"),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = ErrorBody::one(self.code, self.message).to_json();
        let content_type = [(CONTENT_TYPE, "application/json; charset=utf-8")];
        let mut response = (self.status, content_type, body).into_response();
        if matches!(self.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}

impl From<AuthError> for Failure {
    fn from(error: AuthError) -> Self {
        let message = error.to_string();
        match error {
            AuthError::BadCredentials | AuthError::InvalidToken => {
                Self::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message)
            }
            AuthError::TooManyLogins => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_REQUEST", message)
            }
            AuthError::Conflict(message) => Self::conflict(message),
            AuthError::Invalid(message) => Self::bad_request(message),
            AuthError::WrongSecretKey | AuthError::Crypto(_) => internal(&error),
            AuthError::Storage(error) => error.into(),
        }
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        internal(&error)
    }
}

/// Trouble below is logged once, here, and never told.
fn internal(error: &dyn std::error::Error) -> Failure {
    tracing::error!(%error, "an API request failed");
    let message = "the service is not available at the moment; try again";
    Failure::new(StatusCode::SERVICE_UNAVAILABLE, "UNKNOWN", message)
}
