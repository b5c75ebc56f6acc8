//! Topic: patterns of words, `*` (one word) and `#` (any number of words).
//!
//! Patterns without a wildcard lie in a hash table over the whole key; mostly they are the bulk, and so they cost one
//! look-up. The others lie in a trie (`trie.rs`), whose words are numbers (`words.rs`), and a key walks through it
//! with lists of states (`walk.rs`). There is no recursion, no allocation for a match, and the work is at most words
//! times states, whatever the patterns.

mod alone;
mod trie;
mod walk;
mod words;

use super::bindings::Bindings;
use super::direct::Direct;
use super::hits::Hit;
use super::key::has_wildcard;
pub use alone::Topic;
use trie::Trie;
pub use walk::Walk;

/// The patterns of a topic exchange.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    exact: Direct,
    trie: Trie,
}

impl Patterns {
    /// Adds a binding with this pattern, the youngest of all. Costs the pattern's words.
    pub(super) fn insert(&mut self, bindings: &mut Bindings, pattern: &[u8], id: u32) {
        if has_wildcard(pattern) {
            self.trie.insert(bindings, pattern, id);
        } else {
            self.exact.insert(bindings, pattern, id);
        }
    }

    /// Takes out this binding, which has this pattern.
    pub(super) fn remove(&mut self, bindings: &mut Bindings, pattern: &[u8], id: u32) {
        if has_wildcard(pattern) {
            self.trie.remove(bindings, pattern, id);
        } else {
            self.exact.remove(bindings, pattern, id);
        }
    }

    /// Appends the bindings whose patterns fit the key, each once, in no particular order.
    #[inline]
    pub(super) fn collect(&self, bindings: &Bindings, key: &str, walk: &mut Walk, out: &mut Vec<Hit>) {
        self.exact.collect(bindings, key.as_bytes(), out);
        walk.through(&self.trie, bindings, key.as_bytes(), out);
    }
}
