//! Where a request came from, for the audit trail.

use std::sync::Arc;

/// The network side of a request, kept with every audit event that it causes. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The address of the client, without its port; empty for work that no request caused.
    pub address: Arc<str>,
    /// The request's id, as answered in `X-Request-Id`.
    pub request_id: Arc<str>,
    /// Whether the client reached the server by https, directly or through a proxy.
    pub https: bool,
}
