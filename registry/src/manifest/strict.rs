//! One reading of a JSON document.
//!
//! Parsers differ: some take the last of two equal keys, some the first; Go's matches the keys of
//! its structs whatever their case. A manifest that two parsers read differently has layers for a
//! client that the registry never recorded. So: no key twice, at any depth, and none that a
//! case-insensitive parser would take for one of the specification's.

use std::collections::HashSet;
use std::fmt;

use serde::de::{
    Deserialize as _, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor,
};

/// The most keys of one object.
const MOST_KEYS: usize = 4096;

/// What an object in a manifest is, as far as its keys matter.
#[derive(Clone, Copy)]
enum Shape {
    Manifest,
    Descriptor,
    Platform,
    /// Anything else: annotations, and what no specification names.
    Free,
}

impl Shape {
    const fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Manifest => &[
                "schemaVersion",
                "mediaType",
                "artifactType",
                "config",
                "layers",
                "manifests",
                "subject",
                "annotations",
                "blobs",
                "fsLayers",
                "history",
                "signatures",
            ],
            Self::Descriptor => &[
                "mediaType",
                "digest",
                "size",
                "urls",
                "annotations",
                "data",
                "artifactType",
                "platform",
            ],
            Self::Platform => {
                &["architecture", "os", "os.version", "os.features", "variant", "features"]
            }
            Self::Free => &[],
        }
    }

    /// The shape of what stands under `key`; for an array, of its elements.
    fn below(self, key: &str) -> Self {
        match (self, key) {
            (Self::Manifest, "config" | "subject" | "layers" | "manifests" | "blobs") => {
                Self::Descriptor
            }
            (Self::Descriptor, "platform") => Self::Platform,
            _ => Self::Free,
        }
    }
}

/// Fails unless every parser reads `bytes` the same way. Nesting is bounded by the JSON library
/// (128 levels), memory by the number of keys of one object.
pub(super) fn check(bytes: &[u8]) -> Result<(), serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    Checked(Shape::Manifest).deserialize(&mut deserializer)?;
    deserializer.end()
}

struct Checked(Shape);

impl<'de> DeserializeSeed<'de> for Checked {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Checked {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while elements.next_element_seed(Checked(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = entries.next_key_seed(Key)? {
            let mistakable = |known: &&&str| **known != key && fold(known).eq(fold(&key));
            if let Some(known) = self.0.keys().iter().find(mistakable) {
                return Err(A::Error::custom(format_args!(
                    "the key {key:?} differs from {known:?} only by case"
                )));
            }
            entries.next_value_seed(Checked(self.0.below(&key)))?;
            if seen.len() >= MOST_KEYS {
                return Err(A::Error::custom("an object has too many keys"));
            }
            if let Some(key) = seen.replace(key) {
                return Err(A::Error::custom(format_args!("the key {key:?} stands twice")));
            }
        }
        Ok(())
    }
}

struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        String::deserialize(deserializer)
    }
}

/// Folds case as Go's JSON decoder does: simple Unicode folding, where two letters outside of
/// ASCII fold to ASCII ones.
fn fold(key: &str) -> impl Iterator<Item = char> + '_ {
    key.chars().map(|c| match c {
        '\u{17F}' => 's',
        '\u{212A}' => 'k',
        c => c.to_ascii_lowercase(),
    })
}
