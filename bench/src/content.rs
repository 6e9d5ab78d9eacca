//! What is pushed and pulled: bytes that are the same in every run, and their digests.

use std::sync::Arc;

use rand::{RngCore as _, SeedableRng as _, rngs::StdRng};
use sha2::{Digest as _, Sha256};

/// Random bytes that every content is made of, over and over.
const BLOCK: usize = 16 << 20;
/// What makes a content different from others of its size is at its end.
const MARK: u64 = 16;

/// Contents of one size, of which any number can be had without hashing them whole.
#[derive(Clone)]
pub(crate) struct Contents {
    block: Arc<Vec<u8>>,
    size: u64,
    /// The hash of everything but the mark.
    begun: Sha256,
}

/// The bytes of a blob.
#[derive(Clone)]
pub(crate) struct Content {
    block: Arc<Vec<u8>>,
    /// Of all but the mark.
    common: u64,
    mark: [u8; MARK as usize],
    /// `sha256:...`
    pub(crate) digest: String,
}

impl Contents {
    /// Of this size, in bytes, which is at least 16.
    pub(crate) fn of_size(size: u64) -> Self {
        let mut block = vec![0; BLOCK.min(size as usize)];
        StdRng::seed_from_u64(size).fill_bytes(&mut block);
        let block = Arc::new(block);
        let mut begun = Sha256::new();
        pieces(&block, size - MARK).for_each(|piece| begun.update(piece));
        Self { block, size, begun }
    }

    /// The one with this number.
    pub(crate) fn number(&self, number: u64) -> Content {
        let mark = format!("{number:016x}").into_bytes();
        let mut hash = self.begun.clone();
        hash.update(&mark);
        let mark = std::array::from_fn(|at| mark[at]);
        let block = Arc::clone(&self.block);
        Content { block, common: self.size - MARK, mark, digest: named(hash) }
    }
}

impl Content {
    /// How long it is, in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.common + MARK
    }

    /// Its bytes.
    pub(crate) fn pieces(&self) -> Vec<&[u8]> {
        pieces(&self.block, self.common).chain([&self.mark[..]]).collect()
    }
}

fn pieces(block: &[u8], size: u64) -> impl Iterator<Item = &[u8]> {
    let block_size = block.len() as u64;
    (0..size.div_ceil(block_size)).map(move |number| {
        let left = size - number * block_size;
        &block[..left.min(block_size) as usize]
    })
}

/// The digest of these bytes.
pub(crate) fn digest(bytes: &[u8]) -> String {
    named(Sha256::new_with_prefix(bytes))
}

/// A hash that is complete, as a digest.
pub(crate) fn named(hash: Sha256) -> String {
    let start = "sha256:".to_owned();
    hash.finalize().iter().fold(start, |digest, byte| digest + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_bytes() {
        for size in [16, 17, 4096, (16 << 20) + 16, (40 << 20) + 3] {
            let contents = Contents::of_size(size);
            let [first, second] = [0, 1].map(|number| contents.number(number));
            let bytes = first.pieces().concat();
            assert_eq!(bytes.len() as u64, size);
            assert_eq!(first.size(), size);
            assert_eq!(digest(&bytes), first.digest);
            assert_ne!(first.digest, second.digest);
            assert_eq!(Contents::of_size(size).number(0).digest, first.digest, "in every run");
        }
    }
}
