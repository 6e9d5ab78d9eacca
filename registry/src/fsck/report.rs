//! What a check found.

use std::collections::BTreeMap;

use serde::Serialize;

/// What is wrong with something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The database's own check of its files.
    Database,
    /// A key that more than one row has.
    SharedKey,
    /// A tag that names a manifest of another repository.
    StrayedTag,
    /// A project's usage is not what it holds.
    Miscounted,
    /// The repositories of a binding's pattern are not those that match it.
    Misbound,
    /// What lists go by is not what the rows say.
    Mislisted,
    /// A manifest's bytes do not hash to its digest.
    ManifestDamaged,
    /// A manifest's rows do not say what its bytes say.
    ManifestDiffers,
    /// A blob's object is not there.
    Missing,
    /// A blob's object has another length than its row says.
    Truncated,
    /// A blob's object is longer than its row says.
    Overlong,
    /// A blob's object has the bytes of another blob.
    Swapped,
    /// A blob's object has bytes that hash to something else.
    Flipped,
    /// A blob's object cannot be read.
    Unreadable,
    /// A read found the blob damaged some time ago, and nothing has healed it.
    Suspect,
    /// An object that no row knows.
    Orphaned,
    /// A file in the store that is no object.
    Stranger,
}

impl Kind {
    /// The word in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::SharedKey => "shared key",
            Self::StrayedTag => "strayed tag",
            Self::Miscounted => "miscounted",
            Self::Misbound => "misbound",
            Self::Mislisted => "mislisted",
            Self::ManifestDamaged => "manifest damaged",
            Self::ManifestDiffers => "manifest differs",
            Self::Missing => "missing",
            Self::Truncated => "truncated",
            Self::Overlong => "overlong",
            Self::Swapped => "swapped",
            Self::Flipped => "flipped",
            Self::Unreadable => "unreadable",
            Self::Suspect => "suspect",
            Self::Orphaned => "orphaned",
            Self::Stranger => "stranger",
        }
    }
}

/// Something that is wrong.
#[derive(Clone, Debug, Serialize)]
pub struct Fault {
    /// In which way.
    pub kind: Kind,
    /// What: a digest, a key, a name.
    pub subject: String,
    /// More, for people.
    pub detail: String,
    /// The images that suffer: `<repository>:<tag>`, `<repository>@<digest>`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub affects: Vec<String>,
    /// What was done about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repair: Option<&'static str>,
}

impl Fault {
    pub(super) fn new(kind: Kind, subject: impl Into<String>, detail: impl Into<String>) -> Self {
        let (subject, detail) = (subject.into(), detail.into());
        Self { kind, subject, detail, affects: Vec::new(), repair: None }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}: {}", self.kind.name(), self.subject, self.detail)?;
        if let Some(repair) = self.repair {
            write!(f, " ({repair})")?;
        }
        self.affects.iter().try_for_each(|name| write!(f, "\n    affects {name}"))
    }
}

/// What was looked at, and what is wrong.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Manifests whose bytes and references were compared with their rows.
    pub manifests: u64,
    /// Blobs whose objects were looked at.
    pub blobs: u64,
    /// Blobs that were read and hashed.
    pub hashed_blobs: u64,
    /// Bytes that were hashed; 0 unless it was a deep check.
    pub hashed_bytes: u64,
    /// Files that were looked up.
    pub files: u64,
    /// Orphans that an earlier repair has put aside; they are no faults.
    pub quarantined: u64,
    /// Orphans whose time in quarantine is over, given up for deletion.
    pub given_up: u64,
    /// The last blob that was looked at, when the check was interrupted.
    pub stopped_after: Option<i64>,
    /// How many faults of each kind there are.
    pub kinds: BTreeMap<Kind, u64>,
    /// Every fault.
    pub faults: Vec<Fault>,
}

impl Report {
    pub(super) fn add(&mut self, fault: Fault) {
        *self.kinds.entry(fault.kind).or_default() += 1;
        self.faults.push(fault);
    }

    pub(super) fn fault(
        &mut self,
        kind: Kind,
        subject: impl Into<String>,
        detail: impl Into<String>,
    ) {
        self.add(Fault::new(kind, subject, detail));
    }
}
