//! Errors as Harbor's API has them.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use roadstead_auth::{Error as AuthError, Refusal};
use roadstead_model::ErrorBody;
use roadstead_registry::Error as RegistryError;
use roadstead_storage::Error as StorageError;

/// An answer that refuses: a status, Harbor's code for it, and a message for people.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    code: &'static str,
    message: String,
    /// In seconds.
    retry_after: Option<u64>,
}

impl Failure {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None }
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

    /// 403 in the words that Harbor has for limits and modes, not for rights.
    pub(crate) fn denied(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "DENIED", message)
    }

    /// 412: something else must be done first.
    pub(crate) fn precondition(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, "PRECONDITION", message)
    }

    /// Something else needs it.
    pub(crate) fn held(message: impl Into<String>) -> Self {
        let code = "VIOLATE_FOREIGN_KEY_CONSTRAINT";
        Self::new(StatusCode::PRECONDITION_FAILED, code, message)
    }

    pub(crate) fn too_large() -> Self {
        let message = "the body is too large, or could not be read";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "REQUEST_ENTITY_TOO_LARGE", message)
    }

    pub(crate) fn unsupported_media_type() -> Self {
        let message = "the body must be application/json";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", message)
    }

    pub(crate) fn method_not_allowed() -> Self {
        let message = "this method is not allowed here";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", message)
    }

    /// An answer that the document of the API does not name.
    #[cfg(debug_assertions)]
    pub(crate) fn undocumented(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", message)
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
        let busy = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS];
        let wait = self.retry_after.or(busy.contains(&self.status).then_some(5));
        if let Some(seconds) = wait {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl From<AuthError> for Failure {
    fn from(error: AuthError) -> Self {
        let message = error.to_string();
        match error {
            AuthError::BadCredentials | AuthError::InvalidToken | AuthError::LoginEnded => {
                Self::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message)
            }
            AuthError::TooManyLogins => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_REQUEST", message)
            }
            AuthError::TooManyAttempts(seconds) => {
                let mut failure =
                    Self::new(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_REQUEST", message);
                failure.retry_after = Some(seconds);
                failure
            }
            AuthError::Precondition(message) => Self::precondition(message),
            AuthError::Conflict(message) => Self::conflict(message),
            AuthError::Invalid(message) => Self::bad_request(message),
            AuthError::Refused(message) => Self::bad_request(message),
            AuthError::Denied(message) => Self::denied(message),
            AuthError::NotFound(_) => Self::not_found(message),
            AuthError::Directory(_) | AuthError::WrongSecretKey | AuthError::Crypto(_) => {
                internal(&error)
            }
            AuthError::Storage(error) => error.into(),
        }
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        internal(&error)
    }
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::NameUnknown(_)
            | RegistryError::ProjectUnknown(_)
            | RegistryError::ManifestUnknown(_)
            | RegistryError::BlobUnknown(_) => Self::not_found(error.to_string()),
            RegistryError::ManifestInvalid(_) | RegistryError::TooManyTags(_) => {
                Self::bad_request(error.to_string())
            }
            RegistryError::Storage(StorageError::OverQuota { .. }) => {
                Self::denied(error.to_string())
            }
            RegistryError::TagTaken(_) => Self::conflict(error.to_string()),
            RegistryError::ManifestHeld(_) => Self::held(error.to_string()),
            RegistryError::Immutable(_)
            | RegistryError::ImmutableDeletion(_)
            | RegistryError::ProjectNotEmpty
            | RegistryError::PushedMeanwhile(_) => Self::precondition(error.to_string()),
            RegistryError::Auth(error) => error.into(),
            RegistryError::Storage(error) => error.into(),
            other => internal(&other),
        }
    }
}

/// Trouble below is logged once, here, and never told.
fn internal(error: &dyn std::error::Error) -> Failure {
    tracing::error!(%error, "an API request failed");
    let message = "the service is not available at the moment; try again";
    Failure::new(StatusCode::SERVICE_UNAVAILABLE, "UNKNOWN", message)
}
