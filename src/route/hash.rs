//! Hashing of the router's tables, and giving their memory back.
//!
//! Text is hashed by hashbrown's own hasher. Its seed differs from run to run, which nobody sees: no table of the
//! router is ever walked. Pairs of small numbers are hashed by one multiplication.

use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::{BuildHasher, Hasher};

/// The hasher of one table of texts.
#[derive(Clone, Debug, Default)]
pub(super) struct TextHash(DefaultHashBuilder);

impl TextHash {
    /// The hash of these bytes.
    pub(super) fn of(&self, text: &[u8]) -> u64 {
        let mut hasher = self.0.build_hasher();
        hasher.write(text);
        hasher.finish()
    }

    /// A hasher to be fed with more than one text.
    pub(super) fn begin(&self) -> impl Hasher {
        self.0.build_hasher()
    }
}

/// The hash of two numbers: the halves of their product with an odd constant, folded, since the table takes its bucket
/// from the low bits and its tag from the high ones.
#[inline]
pub(super) fn pair(one: u32, other: u32) -> u64 {
    const FACTOR: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
    let product = u128::from((u64::from(one) << 32) | u64::from(other)).wrapping_mul(FACTOR);
    #[allow(clippy::cast_possible_truncation)]
    let halves = ((product >> 64) as u64, product as u64);
    halves.0 ^ halves.1
}

/// Gives memory back where less than an eighth of the table is in use. Paid for by the removals that led here.
pub(super) fn shrink<T>(table: &mut HashTable<T>, hash: impl Fn(&T) -> u64) {
    if table.capacity() > 64 && table.len() < table.capacity() / 8 {
        table.shrink_to(table.len() * 2, hash);
    }
}
