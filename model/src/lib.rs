//! The vocabulary that every other room speaks: validated names, digests and ids.
//!
//! Nothing here does I/O. A string from a client becomes one of these types once, at the edge,
//! and everything below takes the type.

pub mod catalogue;
mod clock;
mod collection;
mod cron;
mod digest;
mod errors;
mod id;
mod job;
mod name;
mod origin;
mod pattern;
mod permission;
mod purge;
mod reference;
mod retention;
pub mod webhook;

pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use collection::{CollectionParameters, GARBAGE_COLLECTION};
pub use cron::{Repetition, RepetitionError};
pub use digest::{Algorithm, Digest, DigestError};
pub use errors::{ErrorBody, ErrorEntry, OciCode};
pub use id::{
    BlobId, ManifestId, ObjectKey, ObjectKeyError, PrincipalId, ProjectId, RepositoryId, UploadId,
};
pub use job::{JOBS, POOL_LOST_AFTER, SCHEDULER};
pub use name::{NameError, ProjectName, RepositoryName};
pub use origin::Origin;
pub use pattern::{Pattern, PatternError};
pub use permission::{Action, Permission, Resource, RoleId};
pub use purge::{ARTIFACT_EVENTS, OTHER_EVENTS, PURGE_AUDIT_LOG, PurgeParameters};
pub use reference::{Reference, ReferenceError, Tag};
pub use retention::{
    RETENTION, RetentionCandidate, RetentionError, RetentionJudgement, RetentionParameters,
    RetentionReason, RetentionRule, RetentionSelector, RetentionTemplate, Rule, judge_retention,
    never_pulled_parameter,
};
