//! Fanout: every binding matches, whatever the key.

use super::hits::{Hit, Hits};

/// All bindings of the exchange.
#[derive(Debug, Default)]
pub(super) struct Fanout {
    hits: Hits,
}

impl Fanout {
    /// Adds a binding.
    pub(super) fn insert(&mut self, hit: Hit) {
        self.hits.push(hit);
    }

    /// Takes out the binding born under this number.
    pub(super) fn remove(&mut self, born: u64) {
        self.hits.remove(born);
    }

    /// Appends all bindings.
    pub(super) fn collect(&self, out: &mut Vec<Hit>) {
        self.hits.append_to(out);
    }
}
