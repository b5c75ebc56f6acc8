//! Topic: patterns of words, `*` (one word) and `#` (any number of words).
//!
//! Patterns without a wildcard lie in a hash table over the whole key; mostly they are the bulk, and so they cost one
//! look-up. The others lie in a trie (`trie.rs`), whose words are interned (`words.rs`), and a key walks through it
//! with lists of states (`walk.rs`). There is no recursion, no allocation for a match, and the work is at most words
//! times states, whatever the patterns.

mod trie;
mod walk;
mod words;

use super::direct::Direct;
use super::hits::Hit;
use super::key::has_wildcard;
use crate::base::Name;
use trie::Trie;
pub use walk::Walk;

/// The bindings of a topic exchange.
#[derive(Debug, Default)]
pub struct Topic {
    exact: Direct,
    trie: Trie,
}

impl Topic {
    /// No bindings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a binding with this pattern, born under a number greater than any before. Costs the pattern's words.
    pub fn insert(&mut self, pattern: &Name, hit: Hit) {
        if has_wildcard(pattern) {
            self.trie.insert(pattern, hit);
        } else {
            self.exact.insert(pattern, hit);
        }
    }

    /// Takes out the binding with this pattern that was born under this number; whether it was there.
    pub fn remove(&mut self, pattern: &str, born: u64) -> bool {
        if has_wildcard(pattern) { self.trie.remove(pattern, born) } else { self.exact.remove(pattern, born) }
    }

    /// Appends the bindings whose patterns fit the key, each once, in no particular order.
    pub fn matches(&self, key: &str, walk: &mut Walk, out: &mut Vec<Hit>) {
        self.exact.collect(key, out);
        walk.through(&self.trie, key, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::QueueId;
    use crate::route::Destination;

    fn fits(pattern: &str, key: &str) -> bool {
        let mut topic = Topic::new();
        topic.insert(&Name::known(pattern), Hit { born: 1, to: Destination::Queue(QueueId(0)) });
        let mut out = Vec::new();
        topic.matches(key, &mut Walk::default(), &mut out);
        assert!(topic.remove(pattern, 1) && topic.trie.is_empty());
        assert!(out.len() <= 1);
        !out.is_empty()
    }

    #[test]
    fn wildcards() {
        for (pattern, key) in [
            ("", ""),
            ("#", ""),
            ("#", "."),
            ("*.*", "."),
            ("a.#", "a"),
            ("a.*.b", "a..b"),
            ("#.#.#", "a"),
            ("#.b.#", "a.b.c"),
            ("#.*.#", "x"),
            ("a*.#", "a*.c"),
        ] {
            assert!(fits(pattern, key), "{pattern} should match {key}");
        }
        for (pattern, key) in
            [("*", ""), ("", "a"), ("#.*", ""), ("*", "a.b"), ("a.#", "b.a"), ("a*", "ab"), ("a.", "a")]
        {
            assert!(!fits(pattern, key), "{pattern} should not match {key}");
        }
    }
}
