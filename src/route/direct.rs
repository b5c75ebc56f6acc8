//! Direct: a key leads to the bindings with that very key. One hash table.
//!
//! A topic exchange keeps its patterns without wildcards in one of these too.

use super::hash::{TextHash, shrink};
use super::hits::{Hit, Hits};
use crate::base::Name;
use hashbrown::HashTable;

/// Keys and the bindings that have them.
#[derive(Debug, Default)]
pub(super) struct Direct {
    keys: HashTable<(Name, Hits)>,
    hash: TextHash,
}

impl Direct {
    /// Adds a binding with this key.
    pub(super) fn insert(&mut self, key: &Name, hit: Hit) {
        let hash = self.hash.of(key.as_bytes());
        self.keys
            .entry(hash, |(known, _)| known == key, |(known, _)| self.hash.of(known.as_bytes()))
            .or_insert_with(|| (key.clone(), Hits::default()))
            .into_mut()
            .1
            .push(hit);
    }

    /// Takes out the binding with this key that was born under this number; whether it was there.
    pub(super) fn remove(&mut self, key: &str, born: u64) -> bool {
        let hash = self.hash.of(key.as_bytes());
        let Ok(mut entry) = self.keys.find_entry(hash, |(known, _)| known == key) else { return false };
        let existed = entry.get_mut().1.remove(born);
        if entry.get().1.is_empty() {
            entry.remove();
            shrink(&mut self.keys, |(known, _)| self.hash.of(known.as_bytes()));
        }
        existed
    }

    /// Appends the bindings with this key.
    #[inline]
    pub(super) fn collect(&self, key: &str, out: &mut Vec<Hit>) {
        if self.keys.is_empty() {
            return;
        }
        if let Some((_, hits)) = self.keys.find(self.hash.of(key.as_bytes()), |(known, _)| known == key) {
            hits.append_to(out);
        }
    }
}
