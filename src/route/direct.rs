//! Direct: a key leads to the bindings with that very key. One hash table of numbers; the text is with the bindings.
//!
//! A topic exchange keeps its patterns without wildcards in one of these too.

use super::bindings::Bindings;
use super::bunch::Bunch;
use super::hash::Entry;
use super::hits::Hit;
use super::table::Table;

/// Keys and the bindings that have them.
#[derive(Debug, Default)]
pub(super) struct Direct {
    keys: Table<Entry>,
}

impl Direct {
    /// Adds a binding with this key.
    pub(super) fn insert(&mut self, bindings: &mut Bindings, key: &[u8], id: u32) {
        let hash = bindings.hash_key(key);
        match self.keys.find_mut(&Entry::like(hash), |entry| is(bindings, *entry, key)) {
            Some(entry) => entry.number = bindings.join(bunch(*entry), id).number(),
            None => self.keys.insert(Entry::new(hash, bindings.join(Bunch::NONE, id).number())),
        }
    }

    /// Takes out this binding, which has this key.
    pub(super) fn remove(&mut self, bindings: &mut Bindings, key: &[u8], id: u32) {
        let hash = bindings.hash_key(key);
        let Some(entry) = self.keys.find_mut(&Entry::like(hash), |entry| is(bindings, *entry, key)) else { return };
        let known = entry.number;
        let rest = bindings.part(bunch(*entry), id);
        if rest.is_none() {
            self.keys.remove(&Entry::like(hash), |entry| entry.number == known);
        } else {
            entry.number = rest.number();
        }
    }

    /// Appends the bindings with this key.
    #[inline]
    pub(super) fn collect(&self, bindings: &Bindings, key: &[u8], out: &mut Vec<Hit>) {
        if self.keys.is_empty() {
            return;
        }
        let hash = bindings.hash_key(key);
        if let Some(entry) = self.keys.find(&Entry::like(hash), |entry| is(bindings, *entry, key)) {
            bindings.collect(bunch(entry), out);
        }
    }
}

/// Whether an entry is that of a key.
#[inline]
fn is(bindings: &Bindings, entry: Entry, key: &[u8]) -> bool {
    bindings.key_of(bunch(entry)).bytes() == key
}

#[inline]
fn bunch(entry: Entry) -> Bunch {
    Bunch::from_number(entry.number).unwrap_or(Bunch::NONE)
}

#[cfg(test)]
mod tests {
    use super::super::table::Item;
    use super::*;
    use crate::base::{ExchangeId, QueueId};
    use crate::message::Table as Arguments;
    use crate::route::{Bound, Destination};
    use std::collections::HashMap;

    /// Two keys of which an entry has the same half of a hash. Among a hundred thousand there are some.
    fn alike(bindings: &Bindings) -> [String; 2] {
        let mut seen = HashMap::new();
        let meets = |number: u32| {
            let key = format!("key-{number}");
            let half = Entry::like(bindings.hash_key(key.as_bytes())).hash(1);
            seen.insert(half, key.clone()).map(|before| [before, key])
        };
        (0..).find_map(meets).unwrap()
    }

    #[test]
    fn keys_with_one_hash_are_told_apart() {
        let (mut direct, mut bindings) = (Direct::default(), Bindings::default());
        let keys = alike(&bindings);
        let found = |direct: &Direct, bindings: &Bindings| {
            keys.each_ref().map(|key| {
                let mut out = Vec::new();
                direct.collect(bindings, key.as_bytes(), &mut out);
                out.into_iter().map(|hit| hit.born).collect::<Vec<_>>()
            })
        };
        let mut ids = Vec::new();
        for (born, key) in (1..).zip(&keys) {
            let binding = Bound { destination: Destination::Queue(QueueId(0)), key, arguments: &Arguments::new() };
            let sought = bindings.seek(ExchangeId(0), binding);
            let id = bindings.insert(ExchangeId(0), binding, born, sought);
            direct.insert(&mut bindings, key.as_bytes(), id);
            ids.push(id);
            let expected = if born == 1 { [vec![1], vec![]] } else { [vec![1], vec![2]] };
            assert_eq!(found(&direct, &bindings), expected);
        }
        direct.remove(&mut bindings, keys[0].as_bytes(), ids[0]);
        assert_eq!(found(&direct, &bindings), [vec![], vec![2]]);
    }
}
