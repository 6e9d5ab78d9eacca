//! `/v2` on the wire.
//!
//! One handler takes every request below `/v2`: the path is read from the right, because a
//! repository's name may contain anything that looks like the rest of a path. What it names says
//! which permission it needs; only then is the request looked at further.

mod blob_body;
mod blobs;
mod body;
mod conditions;
mod endpoint;
mod failure;
mod guard;
mod lists;
mod manifests;
mod query;
mod range;
mod redirect;
mod refusals;
mod uploads;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use roadstead_auth::{Auth, Grant, Refusal};
use roadstead_model::Origin;

use crate::Registry;
pub use blob_body::Untouched;
use endpoint::{Endpoint, Operation};
use failure::Failure;
use guard::Site;
use refusals::Attempt;

/// What every answer on /v2 says of itself (distribution's convention; docker looks for it).
const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// The registry as the protocol sees it.
struct Wire {
    registry: Registry,
    auth: Auth,
}

/// What answers the protocol's requests; clones share it.
#[derive(Clone)]
pub struct Protocol(Arc<Wire>);

impl Protocol {
    /// The protocol over a registry.
    pub fn new(registry: Registry, auth: Auth) -> Self {
        Self(Arc::new(Wire { registry, auth }))
    }

    /// Whether a path is the protocol's.
    pub fn has(path: &str) -> bool {
        path.strip_prefix("/v2").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Answers a request whose path is the protocol's. An [`Origin`] is expected among its
    /// extensions.
    pub async fn answer(&self, request: Request) -> Response {
        handle(&self.0, request).await
    }
}

async fn handle(wire: &Wire, request: Request) -> Response {
    // Apart, because a body cannot be shared between threads while something waits.
    let (parts, body) = request.into_parts();
    let body = body::lingering(body, &parts.headers, wire.registry.limits().body_idle);
    let mut response = match Box::pin(wire.answer(&parts, body)).await {
        Ok(response) => response,
        Err(failure) => failure.into_response_at(Site::of(&parts).as_ref()),
    };
    let headers = response.headers_mut();
    headers.insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

impl Wire {
    async fn answer(&self, request: &Parts, body: Body) -> Result<Response, Failure> {
        let endpoint = Endpoint::parse(request.uri.path())?;
        if request.method == Method::OPTIONS {
            return Ok((StatusCode::NO_CONTENT, [(ALLOW, endpoint.methods())]).into_response());
        }
        let operation = endpoint.operation(&request.method)?;
        let origin = request.extensions.get::<Origin>().cloned().unwrap_or_default();
        let asked = match operation.permission() {
            Some((name, action)) => {
                match self.auth.recall(&request.headers, &origin, name, action) {
                    Ok(grant) => return self.perform(operation, grant, request, body).await,
                    Err(asked) => Some(asked),
                }
            }
            None => None,
        };
        let caller = self.auth.registry_caller(&request.headers, origin).await;
        // A client that wants to mount is told of both repositories at once.
        let source = uploads::mount_source(&operation, request);
        let caller = caller.map_err(|error| {
            Failure::credentials(error, &operation).naming_source(source.as_ref())
        })?;
        let Some((name, action)) = operation.permission() else {
            return self.answer_without_repository(&operation, &caller, request).await;
        };
        let mut conn = self.registry.db.read().await.map_err(crate::Error::from)?;
        let grant = caller.require(&mut conn, name, action).await.map_err(crate::Error::from)?;
        // Given back before the work begins: no request holds one while it waits for another.
        drop(conn);
        let grant = match grant {
            Ok(grant) => grant,
            Err(refusal) => {
                let attempt = Attempt::of(&operation, &request.method);
                if let (Refusal::Denied, Some(attempt)) = (refusal, &attempt) {
                    attempt.note(self, &caller, "forbidden").await?;
                }
                let refused = Failure::refused(refusal, &operation);
                return Err(refused.naming_source(source.as_ref()));
            }
        };
        if let Some(asked) = asked {
            self.auth.remember(&asked, &grant);
        }
        self.perform(operation, grant, request, body).await
    }

    /// Does what was granted, and notes what a rule forbids.
    async fn perform(
        &self,
        operation: Operation,
        grant: Grant,
        request: &Parts,
        body: Body,
    ) -> Result<Response, Failure> {
        let Some(attempt) = Attempt::of(&operation, &request.method) else {
            return Box::pin(self.run(operation, grant, request, body)).await;
        };
        self.require_writable().await?;
        let caller = grant.caller().clone();
        let answered = Box::pin(self.run(operation, grant, request, body)).await;
        if let Err(failure) = &answered
            && let Some(why) = failure.rule_that_forbids()
        {
            attempt.note_forbidden(self, &caller, why, failure.is_over_quota()).await?;
        }
        answered
    }

    /// Refuses every change while an administrator has the system in read-only mode.
    async fn require_writable(&self) -> Result<(), Failure> {
        let configuration = self.auth.configuration().await.map_err(crate::Error::from)?;
        if configuration.is_on("read_only") { Err(Failure::read_only()) } else { Ok(()) }
    }

    async fn answer_without_repository(
        &self,
        operation: &Operation,
        caller: &roadstead_auth::Caller,
        request: &Parts,
    ) -> Result<Response, Failure> {
        match operation {
            Operation::Catalog => lists::catalog(self, caller, request).await,
            // Anonymous callers get a challenge even where they may pull: without one, no client
            // would ever log in.
            _ => match caller.require_login() {
                Ok(_) => Ok(base()),
                Err(refusal) => Err(Failure::refused(refusal, operation)),
            },
        }
    }
}

impl Wire {
    /// Runs an operation that the grant allows.
    async fn run(
        &self,
        operation: Operation,
        grant: Grant,
        request: &Parts,
        body: Body,
    ) -> Result<Response, Failure> {
        match operation {
            Operation::Base | Operation::Catalog => Ok(base()),
            Operation::ListTags(_) => lists::tags(self, &grant, request).await,
            Operation::GetManifest(_, reference) => {
                manifests::get(self, &grant, &reference, request).await
            }
            Operation::PutManifest(_, reference) => {
                manifests::put(self, &grant, reference, request, body).await
            }
            Operation::DeleteManifest(_, reference) => {
                manifests::delete(self, &grant, &reference).await
            }
            Operation::GetBlob(_, digest) => blobs::get(self, &grant, &digest, request).await,
            Operation::DeleteBlob(_, digest) => blobs::delete(self, &grant, &digest).await,
            Operation::StartUpload(_) => uploads::start(self, grant, request, body).await,
            Operation::UploadProgress(_, id) => uploads::progress(self, &grant, id).await,
            Operation::Append(_, id) => uploads::append(self, grant, id, request, body).await,
            Operation::Finish(_, id) => uploads::finish(self, grant, id, request, body).await,
            Operation::Cancel(_, id) => uploads::cancel(self, &grant, id).await,
            Operation::Referrers(_, digest) => {
                lists::referrers(self, &grant, &digest, request).await
            }
        }
    }
}

fn base() -> Response {
    ([(CONTENT_TYPE, "application/json")], "{}").into_response()
}

/// An answer without a body, which says so.
fn empty(status: StatusCode) -> Response {
    let mut response = (status, Body::empty()).into_response();
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    response
}

/// A header value of text that was validated before; it cannot hold control characters.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}
