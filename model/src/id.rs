//! Identifiers that never change and are never given out twice.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! row_id {
    ($(#[$doc:meta] $name:ident),+ $(,)?) => {$(
        #[$doc]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

row_id! {
    /// A project's row.
    ProjectId,
    /// A repository's row.
    RepositoryId,
    /// The row of a principal: whoever can be authenticated.
    PrincipalId,
    /// A blob's row.
    BlobId,
    /// A manifest's row.
    ManifestId,
}

/// The name of an upload session: 122 random bits, so that it cannot be guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UploadId(Uuid);

impl UploadId {
    /// A fresh, random id.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl FromStr for UploadId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::try_parse(text).map(Self)
    }
}

/// The key of a blob's bytes in the store: `b/<2 hex>/<uuid v7>`.
///
/// It is opaque, written once, never reused and never derived from the digest; the proof that
/// collection cannot take live content rests on that.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey(String);

/// A string from the database or the store is no object key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an object key: expected b/<2 hex>/<uuid>")]
pub struct ObjectKeyError;

impl ObjectKey {
    /// A fresh key. The shard is taken from the random end of the id, so shards fill evenly.
    pub fn fresh() -> Self {
        let id = Uuid::now_v7();
        Self(format!("b/{:02x}/{id}", id.as_bytes()[15]))
    }

    /// The key with this name; None when it is the name of none.
    pub fn named(name: &str) -> Option<Self> {
        let id = Uuid::try_parse(name).ok()?;
        format!("b/{:02x}/{name}", id.as_bytes()[15]).parse().ok()
    }

    /// The whole key.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The shard, two hexadecimal characters.
    pub fn shard(&self) -> &str {
        &self.0[2..4]
    }

    /// The name within the shard.
    pub fn name(&self) -> &str {
        &self.0[5..]
    }
}

impl FromStr for ObjectKey {
    type Err = ObjectKeyError;

    fn from_str(text: &str) -> Result<Self, ObjectKeyError> {
        let rest = text.strip_prefix("b/").ok_or(ObjectKeyError)?;
        let (shard, name) = rest.split_once('/').ok_or(ObjectKeyError)?;
        let id = Uuid::try_parse(name).map_err(|_| ObjectKeyError)?;
        let canonical = format!("b/{:02x}/{id}", id.as_bytes()[15]);
        (shard.len() == 2 && canonical == text).then_some(Self(canonical)).ok_or(ObjectKeyError)
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_keys_come_back_from_text_and_nothing_else_does() {
        let key = ObjectKey::fresh();
        assert_eq!(key.as_str().parse::<ObjectKey>(), Ok(key.clone()));
        assert_eq!(ObjectKey::named(key.name()), Some(key.clone()));
        for text in ["", "b/../x", "b/00/../../etc/passwd", &key.as_str()[1..], "b/zz/x"] {
            assert_eq!(text.parse::<ObjectKey>(), Err(ObjectKeyError), "{text}");
        }
    }
}
