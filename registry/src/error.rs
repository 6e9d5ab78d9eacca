//! Why content could not be pushed, pulled or deleted.

use roadstead_model::{Digest, Tag, UploadId};

/// The result of a registry operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// How far an upload session is; answered with refusals that the session survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The session.
    pub id: UploadId,
    /// How many bytes are durable.
    pub received: u64,
}

/// A refusal, or a failure of what is below.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The repository has no such blob.
    #[error("blob unknown to the repository: {0}")]
    BlobUnknown(Digest),
    /// The repository has no such manifest.
    #[error("manifest unknown: {0}")]
    ManifestUnknown(String),
    /// Nothing was ever pushed to the repository.
    #[error("repository unknown: {0}")]
    NameUnknown(String),
    /// The session does not exist, has expired, or is somebody else's.
    #[error("upload session unknown: it may have expired; start a new one")]
    UploadUnknown,
    /// Another request is writing to the session.
    #[error("another request is writing to this upload session")]
    UploadBusy(Progress),
    /// The chunk does not begin where the session ends.
    #[error("the chunk must begin at byte {}", .0.received)]
    OutOfOrder(Progress),
    /// The request is not one for an upload session.
    #[error("{0}")]
    UploadInvalid(&'static str),
    /// Too many sessions of one principal.
    #[error("too many open upload sessions; finish or cancel some, or wait until they expire")]
    TooManyUploads,
    /// The bytes are not those that the digest names.
    #[error("the content has digest {computed}, not {claimed}")]
    DigestMismatch {
        /// What the client said.
        claimed: Digest,
        /// What was received.
        computed: Digest,
    },
    /// The length is not the one that was announced.
    #[error("{0}")]
    SizeInvalid(String),
    /// The manifest breaks a rule.
    #[error("manifest invalid: {0}")]
    ManifestInvalid(String),
    /// The manifest is larger than the limit, which is in bytes.
    #[error("manifest invalid: larger than {0} bytes")]
    ManifestTooLarge(usize),
    /// The manifest names content that the repository lacks.
    #[error("the manifest names content that was not pushed to this repository")]
    ReferencesMissing(Vec<Digest>),
    /// More tags in one request than allowed.
    #[error("too many tags in one request: at most {0}")]
    TooManyTags(usize),
    /// The tag does not name what the client expected.
    #[error("the tag {0} does not name what If-Match or If-None-Match expects")]
    Precondition(Tag),
    /// There is a tag of this name.
    #[error("the tag {0} is there already")]
    TagTaken(Tag),
    /// The tag is immutable.
    #[error("the tag {0} is configured as immutable, cannot be updated")]
    Immutable(Tag),
    /// The tag, or one of the manifest, is immutable.
    #[error("the tag {0} is configured as immutable, cannot be deleted")]
    ImmutableDeletion(String),
    /// The project holds content.
    #[error("the project contains repositories, can not be deleted")]
    ProjectNotEmpty,
    /// The project is gone.
    #[error("project unknown: {0}")]
    ProjectUnknown(String),
    /// Something was pushed while the place that it was pushed to was being deleted.
    #[error("something was pushed to {0} just now; try again")]
    PushedMeanwhile(String),
    /// The manifest is part of an index.
    #[error("the manifest is referenced by the index {0}; delete that first")]
    ManifestHeld(String),
    /// The blob is part of a manifest.
    #[error("the blob is referenced by the manifest {0}; delete that first")]
    BlobHeld(String),
    /// The client went away, or broke off, in the middle of a body.
    #[error("the request body ended early")]
    BodyCut,
    /// The client sent nothing for too long in the middle of a body.
    #[error("the request body did not go on in time")]
    BodyStalled,
    /// Writing failed several times just now.
    #[error("the store of blobs takes no writes at the moment: {0}")]
    WritesPaused(String),
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] roadstead_storage::Error),
    /// Looking up the caller's rights failed.
    #[error(transparent)]
    Auth(#[from] roadstead_auth::Error),
    /// A task of the server was cut off.
    #[error("a task was cut off: {0}")]
    Task(#[from] tokio::task::JoinError),
}
