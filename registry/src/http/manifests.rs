//! Manifests on the wire.

use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, LOCATION};
use http::request::Parts;
use http::{HeaderName, Method, StatusCode};
use roadstead_auth::Grant;
use roadstead_model::{Reference, Tag};

use super::blobs::CONTENT_DIGEST;
use super::body::Pieces;
use super::failure::Failure;
use super::query::Query;
use super::{Wire, conditions, empty, value};
use crate::error::Error;
use crate::push::Push;

const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
const OCI_TAG: HeaderName = HeaderName::from_static("oci-tag");

pub(super) async fn get(
    wire: &Wire,
    grant: &Grant,
    reference: &Reference,
    request: &Parts,
) -> Result<Response, Failure> {
    let with_bytes = request.method == Method::GET;
    let served = wire.registry.find_manifest(grant, reference).await?;
    let manifest = &served.manifest;
    let digest = manifest.digest.as_str();
    if with_bytes {
        wire.registry.count_pull(grant, reference, manifest.id);
    }
    let mut response = Response::new(Body::empty());
    if conditions::not_modified(&request.headers, digest) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        if with_bytes {
            wire.registry.note_pull(grant, reference, &manifest.digest);
            *response.body_mut() = Body::from(served.bytes.clone());
        }
        response.headers_mut().insert(CONTENT_LENGTH, manifest.size.into());
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, value(&manifest.media_type));
    headers.insert(CONTENT_DIGEST, value(digest));
    headers.insert(ETAG, value(&conditions::etag(digest)));
    Ok(response)
}

pub(super) async fn put(
    wire: &Wire,
    grant: &Grant,
    reference: Reference,
    request: &Parts,
    body: Body,
) -> Result<Response, Failure> {
    let tags: Vec<Tag> = Query::of(request).all("tag").map(str::parse).collect::<Result<_, _>>()?;
    let condition = conditions::of_put(&request.headers);
    let header = |name| request.headers.get(name).and_then(|value| value.to_str().ok());
    let content_type = header(CONTENT_TYPE).unwrap_or_default().to_owned();
    let announced: Option<usize> = header(CONTENT_LENGTH).and_then(|n| n.parse().ok());
    let limits = wire.registry.limits();
    let pieces = Pieces::new(body, limits.body_idle);
    if announced.is_some_and(|announced| announced > limits.manifest_bytes) {
        return Err(Error::ManifestTooLarge(limits.manifest_bytes).into());
    }
    let bytes = pieces.collect(limits.manifest_bytes).await?;
    let push = Push { reference, tags, condition, content_type, bytes };
    let (registry, task_grant) = (wire.registry.clone(), grant.clone());
    // A task of its own: a client that hangs up does not leave a commit half waited for.
    let pushed = tokio::spawn(async move { registry.push_manifest(&task_grant, push).await });
    let pushed = pushed.await.map_err(Error::from)??;
    let mut response = empty(StatusCode::CREATED);
    let headers = response.headers_mut();
    let digest = pushed.digest.as_str();
    headers.insert(LOCATION, value(&format!("/v2/{}/manifests/{digest}", grant.name())));
    headers.insert(CONTENT_DIGEST, value(digest));
    if let Some(subject) = pushed.subject {
        headers.insert(OCI_SUBJECT, value(subject.as_str()));
    }
    if !pushed.tags.is_empty() {
        let tags: Vec<&str> = pushed.tags.iter().map(Tag::as_str).collect();
        headers.insert(OCI_TAG, value(&tags.join(", ")));
    }
    Ok(response)
}

pub(super) async fn delete(
    wire: &Wire,
    grant: &Grant,
    reference: &Reference,
) -> Result<Response, Failure> {
    wire.registry.delete_manifest(grant, reference).await?;
    Ok(empty(StatusCode::ACCEPTED))
}
