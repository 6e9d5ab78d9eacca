//! Errors as the protocol has them: an OCI code, a status, and a message for people.

use axum::response::{IntoResponse as _, Response};
use http::header::{ALLOW, CONTENT_TYPE, LOCATION, RANGE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use roadstead_auth::{Error as AuthError, Refusal};
use roadstead_model::{
    Digest, DigestError, ErrorBody, ErrorEntry, NameError, OciCode, ReferenceError, RepositoryName,
};
use roadstead_storage::Error as StorageError;
use serde_json::Value;

use super::endpoint::Operation;
use super::guard::{Challenge, Site};
use super::value;
use crate::error::{Error, Progress};

/// An answer that refuses.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    body: ErrorBody,
    headers: Vec<(HeaderName, HeaderValue)>,
    challenge: Option<Challenge>,
    /// Whether a rule of the project's, or its quota, forbids what the caller may do otherwise.
    by_rule: bool,
}

impl Failure {
    pub(super) fn new(status: StatusCode, code: OciCode, message: impl Into<String>) -> Self {
        let body = ErrorBody::one(code, message);
        Self { status, body, headers: Vec::new(), challenge: None, by_rule: false }
    }

    pub(super) fn bad_request(code: OciCode, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Harbor's words for it.
    pub(super) fn read_only() -> Self {
        Self::new(StatusCode::FORBIDDEN, OciCode::Denied, "the system is in read only mode")
    }

    /// What the rule says that forbids the request; None when something else is in the way.
    pub(super) fn rule_that_forbids(&self) -> Option<&str> {
        let first = self.body.errors.first().filter(|_| self.by_rule);
        first.map(|entry| entry.message.as_str())
    }

    /// Whether that rule is the project's quota.
    pub(super) fn is_over_quota(&self) -> bool {
        self.by_rule && self.status == StatusCode::FORBIDDEN
    }

    pub(super) fn path() -> Self {
        let message = "there is nothing at this path in the OCI distribution protocol";
        Self::new(StatusCode::NOT_FOUND, OciCode::NameUnknown, message)
    }

    pub(super) fn extension() -> Self {
        let message = "this registry has no such extension";
        Self::new(StatusCode::NOT_FOUND, OciCode::ExtensionUnknown, message)
    }

    pub(super) fn method(allowed: &'static str) -> Self {
        let message = format!("this method is not supported here; these are: {allowed}");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, OciCode::Unsupported, message)
            .with(ALLOW, HeaderValue::from_static(allowed))
    }

    /// 416 with the size, as RFC 9110 wants it.
    pub(super) fn range(size: u64) -> Self {
        let message = format!("the range is not satisfiable: the blob has {size} bytes");
        Self::new(StatusCode::RANGE_NOT_SATISFIABLE, OciCode::RangeInvalid, message)
            .with(http::header::CONTENT_RANGE, value(&format!("bytes */{size}")))
    }

    /// The caller may not, or is not known. Every refusal is 401 with a challenge, in Harbor's
    /// words, which its clients look for.
    pub(super) fn refused(refusal: Refusal, operation: &Operation) -> Self {
        let message = match operation.permission() {
            Some((name, action)) => {
                let text = format!("unauthorized to access repository: {name}, action: {action}");
                format!("{text}: {text}")
            }
            None => "authentication required".to_owned(),
        };
        let mut failure = Self::new(StatusCode::UNAUTHORIZED, OciCode::Unauthorized, message);
        // Only to whom a wider token would help: clients that read this fetch one, and show words
        // of their own instead of ours.
        let insufficient = refusal == Refusal::TokenLacks;
        failure.challenge = Some(Challenge::of(operation, insufficient));
        failure
    }

    /// The token lacks the right to pull from the repository that a blob is to be mounted from.
    pub(super) fn lacks_source(operation: &Operation, source: &RepositoryName) -> Self {
        Self::refused(Refusal::TokenLacks, operation).naming_source(Some(source))
    }

    /// Asks for the right to pull from the source of a mount as well.
    pub(super) fn naming_source(mut self, source: Option<&RepositoryName>) -> Self {
        if let Some(source) = source {
            self.challenge = self.challenge.map(|challenge| challenge.and_pull(source));
        }
        self
    }

    /// The credentials are no good.
    pub(super) fn credentials(error: AuthError, operation: &Operation) -> Self {
        let error_parameter = match error {
            AuthError::InvalidToken => Some("invalid_token"),
            AuthError::BadCredentials | AuthError::LoginEnded => None,
            other => return Error::Auth(other).into(),
        };
        let mut failure =
            Self::new(StatusCode::UNAUTHORIZED, OciCode::Unauthorized, error.to_string());
        failure.challenge = Some(Challenge::with_error(operation, error_parameter));
        failure
    }

    fn session(status: StatusCode, code: OciCode, error: &Error, at: Progress) -> Self {
        Self::new(status, code, error.to_string()).with(RANGE, value(&super::uploads::range(at)))
    }

    /// Says where the session is, which survives this refusal.
    pub(super) fn at_location(self, location: &str) -> Self {
        if self.headers.iter().any(|(name, _)| name == RANGE) {
            self.with(LOCATION, value(location))
        } else {
            self
        }
    }

    /// The error as an answer; challenges name the host that the client used.
    pub(super) fn into_response_at(self, site: Option<&Site>) -> Response {
        let mut response = (self.status, [(CONTENT_TYPE, "application/json")], self.body.to_json())
            .into_response();
        for (name, value) in self.headers {
            response.headers_mut().insert(name, value);
        }
        if let (Some(challenge), Some(site)) = (self.challenge, site) {
            response.headers_mut().insert(WWW_AUTHENTICATE, value(&challenge.text(site)));
        }
        response
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        use StatusCode as S;
        let (status, code) = match &error {
            Error::BlobUnknown(_) => (S::NOT_FOUND, OciCode::BlobUnknown),
            Error::ManifestUnknown(_) => (S::NOT_FOUND, OciCode::ManifestUnknown),
            Error::NameUnknown(_) | Error::ProjectUnknown(_) => {
                (S::NOT_FOUND, OciCode::NameUnknown)
            }
            Error::UploadUnknown => (S::NOT_FOUND, OciCode::BlobUploadUnknown),
            Error::UploadInvalid(_) => (S::BAD_REQUEST, OciCode::BlobUploadInvalid),
            Error::DigestMismatch { .. } => (S::BAD_REQUEST, OciCode::DigestInvalid),
            Error::SizeInvalid(_) | Error::BodyCut => (S::BAD_REQUEST, OciCode::SizeInvalid),
            Error::ManifestInvalid(_) => (S::BAD_REQUEST, OciCode::ManifestInvalid),
            Error::ManifestTooLarge(_) => (S::PAYLOAD_TOO_LARGE, OciCode::ManifestInvalid),
            Error::TooManyTags(_) => (S::URI_TOO_LONG, OciCode::TagInvalid),
            Error::Precondition(_) => (S::PRECONDITION_FAILED, OciCode::Denied),
            Error::Immutable(_) | Error::ImmutableDeletion(_) | Error::TagTaken(_) => {
                let (status, code) = (S::PRECONDITION_FAILED, OciCode::Precondition);
                return Self { by_rule: true, ..Self::new(status, code, error.to_string()) };
            }
            Error::ProjectNotEmpty | Error::PushedMeanwhile(_) => {
                (S::PRECONDITION_FAILED, OciCode::Precondition)
            }
            Error::ManifestHeld(_) | Error::BlobHeld(_) => {
                let held = Self::new(S::METHOD_NOT_ALLOWED, OciCode::Denied, error.to_string());
                return held.with(ALLOW, HeaderValue::from_static("GET, HEAD"));
            }
            Error::BodyStalled => (S::REQUEST_TIMEOUT, OciCode::SizeInvalid),
            Error::OutOfOrder(at) => {
                let (status, at) = (S::RANGE_NOT_SATISFIABLE, *at);
                return Self::session(status, OciCode::RangeInvalid, &error, at);
            }
            Error::UploadBusy(at) => {
                let (status, at) = (S::CONFLICT, *at);
                return Self::session(status, OciCode::BlobUploadInvalid, &error, at);
            }
            Error::Auth(AuthError::TooManyAttempts(seconds)) => {
                let status = S::TOO_MANY_REQUESTS;
                return Self::new(status, OciCode::TooManyRequests, error.to_string())
                    .with(RETRY_AFTER, (*seconds).into());
            }
            Error::TooManyUploads | Error::Auth(AuthError::TooManyLogins) => {
                return Self::new(
                    S::TOO_MANY_REQUESTS,
                    OciCode::TooManyRequests,
                    error.to_string(),
                )
                .with(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Error::ReferencesMissing(digests) => return missing(digests, &error),
            Error::Storage(StorageError::Full(_)) => return full(),
            Error::Storage(StorageError::OverQuota { .. }) => return over_quota(&error),
            Error::WritesPaused(_) => return paused(),
            Error::Storage(_) | Error::Auth(_) | Error::Task(_) => return unavailable(&error),
        };
        Self::new(status, code, error.to_string())
    }
}

fn full() -> Failure {
    let message = "the registry's storage is full; nothing was stored";
    Failure::new(StatusCode::INSUFFICIENT_STORAGE, OciCode::Unavailable, message)
        .with(RETRY_AFTER, HeaderValue::from_static("60"))
}

fn paused() -> Failure {
    let message = "the registry takes no pushes at the moment; pulls go on";
    Failure::new(StatusCode::SERVICE_UNAVAILABLE, OciCode::Unavailable, message)
        .with(RETRY_AFTER, HeaderValue::from_static("10"))
}

fn over_quota(error: &Error) -> Failure {
    let denied = Failure::new(StatusCode::FORBIDDEN, OciCode::Denied, error.to_string());
    Failure { by_rule: true, ..denied }
}

/// One error for each digest.
fn missing(digests: &[Digest], error: &Error) -> Failure {
    let mut failure =
        Failure::new(StatusCode::NOT_FOUND, OciCode::ManifestBlobUnknown, error.to_string());
    let entry = |digest: &Digest| ErrorEntry {
        code: OciCode::ManifestBlobUnknown.to_string(),
        message: format!("{error}: {digest}"),
        detail: Some(Value::String(digest.to_string())),
    };
    failure.body.errors = digests.iter().map(entry).collect();
    failure
}

/// Trouble below is logged once, here, and never told.
fn unavailable(error: &Error) -> Failure {
    tracing::error!(%error, "a request failed");
    let message = "the registry is not available at the moment; try again";
    Failure::new(StatusCode::SERVICE_UNAVAILABLE, OciCode::Unavailable, message)
        .with(RETRY_AFTER, HeaderValue::from_static("5"))
}

impl From<NameError> for Failure {
    fn from(error: NameError) -> Self {
        Self::bad_request(OciCode::NameInvalid, error.to_string())
    }
}

impl From<DigestError> for Failure {
    fn from(error: DigestError) -> Self {
        Self::bad_request(OciCode::DigestInvalid, error.to_string())
    }
}

impl From<ReferenceError> for Failure {
    fn from(error: ReferenceError) -> Self {
        match error {
            ReferenceError::Digest(error) => error.into(),
            ReferenceError::Tag => Self::bad_request(OciCode::TagInvalid, error.to_string()),
        }
    }
}
