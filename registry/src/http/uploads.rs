//! Upload sessions on the wire.

use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, LOCATION, RANGE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, StatusCode};
use roadstead_auth::Grant;
use roadstead_model::{Algorithm, Digest, OciCode, RepositoryName, UploadId};

use super::blobs::CONTENT_DIGEST;
use super::body::Pieces;
use super::endpoint::Operation;
use super::failure::Failure;
use super::query::Query;
use super::{Wire, empty, value};
use crate::error::{Error, Progress};
use crate::mount::Mounted;
use crate::upload::Chunk;

const UPLOAD_UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");

/// `0-<last>`, inclusive and without a unit; `0-0` also when nothing was received.
pub(super) fn range(progress: Progress) -> String {
    format!("0-{}", progress.received.saturating_sub(1))
}

fn location(name: &RepositoryName, id: UploadId) -> String {
    format!("/v2/{name}/blobs/uploads/{id}")
}

/// Where a session is and how far.
fn session(status: StatusCode, name: &RepositoryName, progress: Progress) -> Response {
    let mut response = empty(status);
    let headers = response.headers_mut();
    headers.insert(LOCATION, value(&location(name, progress.id)));
    headers.insert(RANGE, value(&range(progress)));
    headers.insert(UPLOAD_UUID, value(&progress.id.to_string()));
    response
}

/// The blob is there.
fn created(name: &RepositoryName, digest: &Digest) -> Response {
    let mut response = empty(StatusCode::CREATED);
    let headers = response.headers_mut();
    headers.insert(LOCATION, value(&format!("/v2/{name}/blobs/{digest}")));
    headers.insert(CONTENT_DIGEST, value(digest.as_str()));
    response
}

/// POST: a mount, a whole blob, or a session.
pub(super) async fn start(
    wire: &Wire,
    grant: Grant,
    request: &Parts,
    body: Body,
) -> Result<Response, Failure> {
    let query = Query::of(request);
    if let Some(digest) = query.get("mount") {
        let digest = digest.parse()?;
        if let Some(mounted) = mount(wire, &grant, &digest, query.get("from")).await? {
            return Ok(mounted);
        }
        return open(wire, &grant, digest.algorithm(), 0).await;
    }
    if let Some(digest) = query.get("digest") {
        return single(wire, grant, digest.parse()?, request, body).await;
    }
    let algorithm = match query.get("digest-algorithm") {
        Some(name) => name.parse()?,
        None => Algorithm::Sha256,
    };
    open(wire, &grant, algorithm, 0).await
}

async fn open(
    wire: &Wire,
    grant: &Grant,
    algorithm: Algorithm,
    announced: u64,
) -> Result<Response, Failure> {
    let progress = wire.registry.start_upload(grant, algorithm, announced).await?;
    Ok(session(StatusCode::ACCEPTED, grant.name(), progress))
}

/// The repository that a request wants to mount from, if it wants to mount.
pub(super) fn mount_source(operation: &Operation, request: &Parts) -> Option<RepositoryName> {
    let Operation::StartUpload(_) = operation else {
        return None;
    };
    let query = Query::of(request);
    query.get("mount")?;
    query.get("from")?.parse().ok()
}

/// A `from` that is no name is like one that does not exist: the client uploads.
async fn mount(
    wire: &Wire,
    grant: &Grant,
    digest: &Digest,
    from: Option<&str>,
) -> Result<Option<Response>, Failure> {
    let from: Option<RepositoryName> = match from.filter(|from| !from.is_empty()).map(str::parse) {
        Some(Err(_)) => return Ok(None),
        Some(Ok(name)) => Some(name),
        None => None,
    };
    let mounted = wire.registry.mount(grant, digest, from.as_ref()).await?;
    match (mounted, from) {
        (Mounted::Yes, _) => Ok(Some(created(grant.name(), digest))),
        (Mounted::TokenLacksSource, Some(from)) => {
            let operation = Operation::StartUpload(grant.name().clone());
            Err(Failure::lacks_source(&operation, &from))
        }
        _ => Ok(None),
    }
}

/// A whole blob in one POST: a session that nobody else gets to know.
async fn single(
    wire: &Wire,
    grant: Grant,
    digest: Digest,
    request: &Parts,
    body: Body,
) -> Result<Response, Failure> {
    let chunk = chunk(&request.headers)?;
    let announced = chunk.length.unwrap_or(0);
    wire.registry.require_room(&grant, &digest, announced).await?;
    let progress = wire.registry.start_upload(&grant, digest.algorithm(), announced).await?;
    // The first push to a repository makes it; the session is looked up there.
    let grant = renew(wire, &grant).await?;
    let completed = complete(wire, grant.clone(), progress.id, digest, chunk, body).await;
    if completed.is_err() {
        // Nobody knows this session, so nobody can go on with it. It may be gone already.
        let _ = wire.registry.cancel_upload(&grant, progress.id).await;
    }
    completed
}

async fn renew(wire: &Wire, grant: &Grant) -> Result<Grant, Failure> {
    if grant.repository().is_some() {
        return Ok(grant.clone());
    }
    let mut conn = wire.registry.db.read().await.map_err(Error::from)?;
    let renewed = grant
        .caller()
        .require(&mut conn, grant.name(), roadstead_model::Action::Push)
        .await
        .map_err(Error::from)?;
    let operation = Operation::StartUpload(grant.name().clone());
    renewed.map_err(|refusal| Failure::refused(refusal, &operation))
}

/// GET and HEAD: how far a session is.
pub(super) async fn progress(
    wire: &Wire,
    grant: &Grant,
    id: Option<UploadId>,
) -> Result<Response, Failure> {
    let progress = wire.registry.upload_progress(grant, known(id)?).await?;
    Ok(session(StatusCode::NO_CONTENT, grant.name(), progress))
}

/// DELETE: cancels a session.
pub(super) async fn cancel(
    wire: &Wire,
    grant: &Grant,
    id: Option<UploadId>,
) -> Result<Response, Failure> {
    wire.registry.cancel_upload(grant, known(id)?).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// PATCH: a chunk, or a stream.
pub(super) async fn append(
    wire: &Wire,
    grant: Grant,
    id: Option<UploadId>,
    request: &Parts,
    body: Body,
) -> Result<Response, Failure> {
    let (id, chunk) = (known(id)?, chunk(&request.headers)?);
    let name = grant.name().clone();
    let pieces = Pieces::new(body, wire.registry.limits().body_idle);
    let registry = wire.registry.clone();
    // A task of its own: when the connection breaks, what arrived is still made durable.
    let appended = tokio::spawn(async move { registry.append(&grant, id, chunk, pieces).await });
    let progress = appended.await.map_err(Error::from)?;
    let progress =
        progress.map_err(|error| Failure::from(error).at_location(&location(&name, id)))?;
    Ok(session(StatusCode::ACCEPTED, &name, progress))
}

/// PUT: the last bytes, and the digest.
pub(super) async fn finish(
    wire: &Wire,
    grant: Grant,
    id: Option<UploadId>,
    request: &Parts,
    body: Body,
) -> Result<Response, Failure> {
    let id = known(id)?;
    let query = Query::of(request);
    let digest = query.get("digest").ok_or_else(|| {
        let message = "the digest is missing: add ?digest=sha256:...";
        Failure::bad_request(OciCode::DigestInvalid, message)
    })?;
    let (digest, chunk) = (digest.parse()?, chunk(&request.headers)?);
    complete(wire, grant, id, digest, chunk, body).await
}

async fn complete(
    wire: &Wire,
    grant: Grant,
    id: UploadId,
    digest: Digest,
    chunk: Chunk,
    body: Body,
) -> Result<Response, Failure> {
    let name = grant.name().clone();
    let pieces = Pieces::new(body, wire.registry.limits().body_idle);
    let (registry, claimed) = (wire.registry.clone(), digest.clone());
    let finished =
        tokio::spawn(
            async move { registry.finish_upload(&grant, id, &claimed, chunk, pieces).await },
        );
    let finished = finished.await.map_err(Error::from)?;
    finished.map_err(|error| Failure::from(error).at_location(&location(&name, id)))?;
    Ok(created(&name, &digest))
}

/// An id that is none names no session.
fn known(id: Option<UploadId>) -> Result<UploadId, Failure> {
    id.ok_or_else(|| Error::UploadUnknown.into())
}

/// `Content-Length` and `Content-Range`. The specification's ranges have no unit; some clients
/// send RFC 9110's form all the same.
fn chunk(headers: &HeaderMap) -> Result<Chunk, Failure> {
    let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    let length = text(CONTENT_LENGTH).and_then(|length| length.parse().ok());
    let Some(header) = headers.get(CONTENT_RANGE) else {
        return Ok(Chunk { range: None, length });
    };
    let range = header.to_str().ok().and_then(bounds);
    let range = range.ok_or(Error::UploadInvalid("Content-Range must be <first>-<last>"))?;
    Ok(Chunk { range: Some(range), length })
}

fn bounds(header: &str) -> Option<(u64, u64)> {
    let header = header.trim();
    let header =
        header.strip_prefix("bytes").map_or(header, |rest| rest.trim_start_matches([' ', '=']));
    let range = header.split_once('/').map_or(header, |(range, _size)| range);
    let (first, last) = range.split_once('-')?;
    let number =
        |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    Some((number(first)?, number(last)?))
}
