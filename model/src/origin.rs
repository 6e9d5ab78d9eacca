//! Where a request came from, for the audit trail.

/// The network side of a request, kept with every audit event that it causes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The address of the peer, without its port; empty for work that no request caused.
    pub address: String,
    /// The request's id, as answered in `X-Request-Id`.
    pub request_id: String,
}
