//! Tags, catalog and referrers on the wire.

use axum::response::{IntoResponse as _, Response};
use http::header::{CONTENT_TYPE, LINK};
use http::request::Parts;
use http::{HeaderName, HeaderValue};
use roadstead_auth::{Caller, Grant, Refusal};
use roadstead_model::{Digest, ManifestId, OciCode};
use serde_json::json;

use super::endpoint::Operation;
use super::failure::Failure;
use super::query::Query;
use super::{Wire, value};
use crate::list::Listed;
use crate::manifest::media_type::OCI_INDEX;

const FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");

pub(super) async fn tags(wire: &Wire, grant: &Grant, request: &Parts) -> Result<Response, Failure> {
    let listed = wire.registry.list_tags(grant, &Query::of(request).page()?).await?;
    let link = next_page(&listed, &format!("/v2/{}/tags/list", grant.name()));
    Ok(answer(&json!({"name": grant.name().as_str(), "tags": listed.names}), link))
}

pub(super) async fn catalog(
    wire: &Wire,
    caller: &Caller,
    request: &Parts,
) -> Result<Response, Failure> {
    // A client without credentials is asked for some, so that it sees what it may see.
    if caller.without_credentials() {
        return Err(Failure::refused(Refusal::Anonymous, &Operation::Catalog));
    }
    if caller.token_lacks_catalog() {
        return Err(Failure::refused(Refusal::TokenLacks, &Operation::Catalog));
    }
    let listed = wire.registry.list_repositories(caller, &Query::of(request).page()?).await?;
    let link = next_page(&listed, "/v2/_catalog");
    Ok(answer(&json!({"repositories": listed.names}), link))
}

fn answer(body: &serde_json::Value, link: Option<HeaderValue>) -> Response {
    let mut response = ([(CONTENT_TYPE, "application/json")], body.to_string()).into_response();
    if let Some(link) = link {
        response.headers_mut().insert(LINK, link);
    }
    response
}

fn next_page(listed: &Listed, path: &str) -> Option<HeaderValue> {
    let (n, last) = (listed.more?, listed.names.last()?);
    Some(value(&format!("<{path}?last={}&n={n}>; rel=\"next\"", encode(last))))
}

fn encode(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Referrers are always an index, also where nothing was ever pushed.
pub(super) async fn referrers(
    wire: &Wire,
    grant: &Grant,
    digest: &Digest,
    request: &Parts,
) -> Result<Response, Failure> {
    let query = Query::of(request);
    let artifact_type = query.get("artifactType").filter(|text| !text.is_empty());
    let after = match query.get("last").filter(|text| !text.is_empty()) {
        None => ManifestId(0),
        Some(text) => ManifestId(text.parse().map_err(|_| {
            let message = "last must come from the Link header of the page before";
            Failure::bad_request(OciCode::PaginationNumberInvalid, message)
        })?),
    };
    let n = query.n()?;
    let page = wire.registry.referrers(grant, digest, artifact_type, after, n).await?;
    let body = json!({
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": page.descriptors,
    });
    let mut response = ([(CONTENT_TYPE, OCI_INDEX)], body.to_string()).into_response();
    if artifact_type.is_some() {
        response.headers_mut().insert(FILTERS_APPLIED, HeaderValue::from_static("artifactType"));
    }
    if let Some(next) = page.next {
        let mut link = format!("</v2/{}/referrers/{digest}?last={next}", grant.name());
        if let Some(n) = n {
            link.push_str(&format!("&n={n}"));
        }
        if let Some(artifact_type) = artifact_type {
            link.push_str(&format!("&artifactType={}", encode(artifact_type)));
        }
        link.push_str(">; rel=\"next\"");
        response.headers_mut().insert(LINK, value(&link));
    }
    Ok(response)
}
