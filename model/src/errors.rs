//! The one error envelope of both vocabularies, OCI's and Harbor's.

use std::fmt;

use serde::Serialize;

/// `{"errors":[{"code","message","detail"}]}` (distribution-spec, "Error codes").
#[derive(Clone, Debug, Serialize)]
pub struct ErrorBody {
    /// At least one error.
    pub errors: Vec<ErrorEntry>,
}

/// One error of the envelope.
#[derive(Clone, Debug, Serialize)]
pub struct ErrorEntry {
    /// Upper-case words joined by underscores.
    pub code: String,
    /// For a person to read.
    pub message: String,
    /// Whatever helps a program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<serde_json::Value>,
}

impl ErrorBody {
    /// An envelope with one error and no detail.
    pub fn one(code: impl fmt::Display, message: impl Into<String>) -> Self {
        let entry = ErrorEntry { code: code.to_string(), message: message.into(), detail: None };
        Self { errors: vec![entry] }
    }

    /// The body as JSON.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// The codes that answers on /v2 may carry: the OCI distribution spec's, and the few that the
/// distribution project added and clients know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The names are the specification's own.
pub enum OciCode {
    BlobUnknown,
    BlobUploadInvalid,
    BlobUploadUnknown,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    NameInvalid,
    NameUnknown,
    SizeInvalid,
    Unauthorized,
    Denied,
    Unsupported,
    Precondition,
    TooManyRequests,
    TagInvalid,
    PaginationNumberInvalid,
    RangeInvalid,
    ExtensionUnknown,
    Unavailable,
    Unknown,
}

impl fmt::Display for OciCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BlobUnknown => "BLOB_UNKNOWN",
            Self::BlobUploadInvalid => "BLOB_UPLOAD_INVALID",
            Self::BlobUploadUnknown => "BLOB_UPLOAD_UNKNOWN",
            Self::DigestInvalid => "DIGEST_INVALID",
            Self::ManifestBlobUnknown => "MANIFEST_BLOB_UNKNOWN",
            Self::ManifestInvalid => "MANIFEST_INVALID",
            Self::ManifestUnknown => "MANIFEST_UNKNOWN",
            Self::NameInvalid => "NAME_INVALID",
            Self::NameUnknown => "NAME_UNKNOWN",
            Self::SizeInvalid => "SIZE_INVALID",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Denied => "DENIED",
            Self::Unsupported => "UNSUPPORTED",
            Self::Precondition => "PRECONDITION",
            Self::TooManyRequests => "TOOMANYREQUESTS",
            Self::TagInvalid => "TAG_INVALID",
            Self::PaginationNumberInvalid => "PAGINATION_NUMBER_INVALID",
            Self::RangeInvalid => "RANGE_INVALID",
            Self::ExtensionUnknown => "EXTENSION_UNKNOWN",
            Self::Unavailable => "UNAVAILABLE",
            Self::Unknown => "UNKNOWN",
        })
    }
}
