//! A hash whose state can be saved between requests and restored after a restart.

use digest::common::hazmat::{DeserializeStateError, SerializableState, SerializedState};
use roadstead_model::{Algorithm, Digest};
use sha2::{Digest as _, Sha256, Sha512};

/// The first byte of a saved state: the layout is the hash library's and may change with it.
const STATE_VERSION: u8 = 1;

/// A running hash of the bytes received so far.
#[derive(Clone)]
pub enum ContentHash {
    /// SHA-256.
    Sha256(Sha256),
    /// SHA-512.
    Sha512(Sha512),
}

impl ContentHash {
    /// The hash of nothing yet.
    pub fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
            Algorithm::Sha512 => Self::Sha512(Sha512::new()),
        }
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hash) => hash.update(bytes),
            Self::Sha512(hash) => hash.update(bytes),
        }
    }

    /// The digest of all bytes added.
    pub fn finish(self) -> Digest {
        match self {
            Self::Sha256(hash) => Digest::from_hash(Algorithm::Sha256, &hash.finalize()),
            Self::Sha512(hash) => Digest::from_hash(Algorithm::Sha512, &hash.finalize()),
        }
    }

    /// The state as bytes, to go on from later: 105 bytes for SHA-256, 209 for SHA-512.
    pub fn save(&self) -> Vec<u8> {
        let mut saved = vec![STATE_VERSION];
        match self {
            Self::Sha256(hash) => saved.extend_from_slice(&hash.serialize()),
            Self::Sha512(hash) => saved.extend_from_slice(&hash.serialize()),
        }
        saved
    }

    /// Goes on from a saved state; None when another version of the library wrote it, and the
    /// bytes have to be hashed again.
    pub fn restore(algorithm: Algorithm, saved: &[u8]) -> Option<Self> {
        let state = saved.strip_prefix(&[STATE_VERSION])?;
        match algorithm {
            Algorithm::Sha256 => restore(state).map(Self::Sha256),
            Algorithm::Sha512 => restore(state).map(Self::Sha512),
        }
    }
}

fn restore<H: SerializableState>(state: &[u8]) -> Option<H> {
    let state = SerializedState::<H>::try_from(state).ok()?;
    let restored: Result<H, DeserializeStateError> = H::deserialize(&state);
    restored.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_on_from_any_cut_as_if_there_had_been_none() {
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(1000).collect();
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            for cut in [0, 1, 63, 64, 65, 127, 128, 129, 999, 1000] {
                let mut first = ContentHash::new(algorithm);
                first.update(&bytes[..cut]);
                let mut second = ContentHash::restore(algorithm, &first.save()).unwrap();
                second.update(&bytes[cut..]);
                assert_eq!(second.finish(), Digest::of(algorithm, &bytes));
            }
            assert!(ContentHash::restore(algorithm, b"").is_none());
            assert!(ContentHash::restore(algorithm, &[STATE_VERSION, 1, 2]).is_none());
        }
    }
}
