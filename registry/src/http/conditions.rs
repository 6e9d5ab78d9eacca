//! Conditional requests (RFC 9110, section 13). The entity tag of content is its digest.

use http::header::{IF_MATCH, IF_NONE_MATCH, IF_RANGE};
use http::{HeaderMap, HeaderName};

use crate::push::Condition;

/// The entity tag of a digest.
pub(super) fn etag(digest: &str) -> String {
    format!("\"{digest}\"")
}

/// The tags of a header; clients also send digests without quotes.
fn tags(headers: &HeaderMap, name: HeaderName) -> Vec<String> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|tag| tag.trim().trim_start_matches("W/").trim_matches('"').to_owned())
        .filter(|tag| !tag.is_empty())
        .collect()
}

/// Whether the client has this content already.
pub(super) fn not_modified(headers: &HeaderMap, digest: &str) -> bool {
    tags(headers, IF_NONE_MATCH).iter().any(|tag| tag == digest || tag == "*")
}

/// Whether a range may be served: `If-Range` must name this very content. A date cannot.
pub(super) fn range_applies(headers: &HeaderMap, digest: &str) -> bool {
    headers.get(IF_RANGE).is_none_or(|value| {
        value.to_str().is_ok_and(|value| value.trim().trim_matches('"') == digest)
    })
}

/// What a PUT requires of the tag.
pub(super) fn of_put(headers: &HeaderMap) -> Condition {
    let wanted = tags(headers, IF_MATCH);
    if wanted.iter().any(|tag| tag == "*") {
        Condition::Present
    } else if !wanted.is_empty() {
        Condition::Names(wanted)
    } else if tags(headers, IF_NONE_MATCH).iter().any(|tag| tag == "*") {
        Condition::Absent
    } else {
        Condition::Always
    }
}
