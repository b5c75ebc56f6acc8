//! Hashing of the router's tables.
//!
//! Text is hashed by hashbrown's own hasher. Its seed differs from run to run, which nobody sees: no table of the
//! router is ever walked. Small numbers are hashed by one multiplication,
//! with such a seed too, since words of keys are numbers and come from outside.

use super::table::Item;
use hashbrown::DefaultHashBuilder;
use std::hash::{BuildHasher, Hasher};

/// The hasher of texts.
#[derive(Clone, Debug, Default)]
pub(super) struct TextHash(DefaultHashBuilder);

impl TextHash {
    /// The hash of these bytes.
    #[inline]
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

/// An entry of an index: the number of something that lies elsewhere, and half of its hash, so that moving the entry
/// need not look there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    hash: u32,
    pub(super) number: u32,
}

impl Entry {
    pub(super) fn new(hash: u64, number: u32) -> Self {
        #[allow(clippy::cast_possible_truncation)]
        let half = (hash ^ (hash >> 32)) as u32;
        Self { hash: half, number }
    }

    /// An entry with this hash, whatever its number.
    #[inline]
    pub(super) fn like(hash: u64) -> Self {
        Self::new(hash, 0)
    }
}

impl Item for Entry {
    const NONE: Self = Self { hash: 0, number: u32::MAX };

    #[inline]
    fn is_none(&self) -> bool {
        self.number == u32::MAX
    }

    #[inline]
    fn is_like(&self, other: &Self) -> bool {
        self.hash == other.hash
    }

    #[inline]
    fn hash(&self, seed: u64) -> u64 {
        pair(seed, 0, self.hash.into())
    }
}

/// A seed that differs from table to table.
pub(super) fn seed() -> u64 {
    DefaultHashBuilder::default().hash_one(0_u64)
}

/// The hash of two numbers: the halves of a product, folded, since all bits shall count.
#[inline]
pub(super) fn pair(seed: u64, one: u32, other: u64) -> u64 {
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    const ODD: u64 = 0xf39c_c060_5ced_c835;
    let product = u128::from(other ^ seed) * u128::from(u64::from(one).wrapping_mul(SPREAD) ^ ODD);
    #[allow(clippy::cast_possible_truncation)]
    let halves = ((product >> 64) as u64, product as u64);
    halves.0 ^ halves.1
}

/// What the tests of hashes share.
#[cfg(test)]
pub(super) mod spread {
    /// Every bit is set in about half of these hashes: a bit that says little makes a table's searches long, and nothing
    /// else would tell.
    #[track_caller]
    pub(crate) fn assert_every_bit_counts(what: &str, hashes: impl Iterator<Item = u64>) {
        let hashes: Vec<u64> = hashes.collect();
        let most = hashes.len();
        for bit in 0..u64::BITS {
            let set = hashes.iter().filter(|hash| *hash >> bit & 1 == 1).count();
            assert!((most / 4..=most * 3 / 4).contains(&set), "{what}: bit {bit} is set in {set} of {most}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::spread::assert_every_bit_counts;
    use super::*;

    const COUNT: u32 = 4_000;

    #[test]
    fn pairs_are_spread_by_both_of_their_numbers() {
        let seed = seed();
        assert_every_bit_counts("one", (0..COUNT).map(|n| pair(seed, n, 7)));
        assert_every_bit_counts("other", (0..COUNT).map(|n| pair(seed, 7, n.into())));
        // Words of keys are their letters, from the lowest byte on.
        assert_every_bit_counts("words", (0..COUNT).map(|n| pair(seed, 7, u64::from(n) << 40 | 0x100_0000)));
    }

    #[test]
    fn entries_are_spread_by_their_hashes() {
        let (seed, hash) = (seed(), TextHash::default());
        let entries = (0..COUNT).map(|n| Entry::new(hash.of(n.to_string().as_bytes()), n));
        assert_every_bit_counts("entries", entries.map(|entry| Item::hash(&entry, seed)));
    }
}
