//! All bindings: one slab, two linked lists through it, one index over it.
//!
//! A binding hangs in the list of its source and in the list of its destination, both in the order of creation, and
//! the index finds it by its identity. So each is added, found and taken out at a cost that no other binding adds to.

use crate::base::ExchangeId;
use crate::route::compare::{hash_arguments, same_arguments};
use crate::route::hash::{TextHash, pair, shrink};
use crate::route::slots::Slots;
use crate::route::spec::{Binding, Destination};
use hashbrown::HashTable;

/// Every binding of the graph.
#[derive(Debug)]
pub(super) struct Bindings {
    /// Boxed, since the numbers are held by others and gaps stay: a free slot shall cost little.
    records: Slots<Option<Box<Record>>>,
    index: HashTable<u32>,
    hash: TextHash,
}

/// A binding and its places in the two lists.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) source: ExchangeId,
    pub(super) binding: Binding,
    pub(super) born: u64,
    /// The hash of its identity, kept so that growing the index need not look at keys and arguments again.
    hash: u64,
    from: Link,
    to: Link,
}

/// Which of the two lists.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    /// The bindings from an exchange.
    From,
    /// The bindings to a queue or exchange.
    To,
}

/// The two ends of a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    head: u32,
    tail: u32,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    before: u32,
    after: u32,
}

/// No binding.
const NONE: u32 = u32::MAX;

impl List {
    pub(super) const EMPTY: Self = Self { head: NONE, tail: NONE };

    pub(super) const fn is_empty(&self) -> bool {
        self.head == NONE
    }

    /// The number of the oldest binding.
    pub(super) fn first(&self) -> Option<u32> {
        (self.head != NONE).then_some(self.head)
    }
}

impl Record {
    fn link(&mut self, side: Side) -> &mut Link {
        match side {
            Side::From => &mut self.from,
            Side::To => &mut self.to,
        }
    }
}

impl Default for Bindings {
    fn default() -> Self {
        Self { records: Slots::new(), index: HashTable::new(), hash: TextHash::default() }
    }
}

impl Bindings {
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// The number of the binding that has this identity.
    pub(super) fn find(&self, source: ExchangeId, binding: &Binding) -> Option<u32> {
        let same = |id: &u32| {
            self.get(*id).is_some_and(|known| {
                known.source == source
                    && known.binding.destination == binding.destination
                    && known.binding.key == binding.key
                    && same_arguments(&known.binding.arguments, &binding.arguments)
            })
        };
        self.index.find(self.hash_of(source, binding), same).copied()
    }

    pub(super) fn get(&self, id: u32) -> Option<&Record> {
        self.records.get(id)?.as_deref()
    }

    /// Puts a binding in that is not there yet. It hangs in no list until it is linked.
    pub(super) fn insert(&mut self, source: ExchangeId, binding: Binding, born: u64) -> u32 {
        let hash = self.hash_of(source, &binding);
        let loose = Link { before: NONE, after: NONE };
        let record = Record { source, binding, born, hash, from: loose, to: loose };
        let id = self.records.insert(Some(Box::new(record)));
        self.index.insert_unique(hash, id, |id| kept_hash(&self.records, *id));
        id
    }

    /// Takes a binding out that hangs in no list any more.
    pub(super) fn remove(&mut self, id: u32) -> Option<Box<Record>> {
        let hash = kept_hash(&self.records, id);
        if let Ok(entry) = self.index.find_entry(hash, |known| *known == id) {
            entry.remove();
        }
        let record = self.records.remove(id)??;
        shrink(&mut self.index, |id| kept_hash(&self.records, *id));
        Some(record)
    }

    /// Hangs a binding at the end of a list.
    pub(super) fn link(&mut self, list: &mut List, side: Side, id: u32) {
        let before = std::mem::replace(&mut list.tail, id);
        match self.get_mut(before) {
            Some(last) => last.link(side).after = id,
            None => list.head = id,
        }
        if let Some(record) = self.get_mut(id) {
            *record.link(side) = Link { before, after: NONE };
        }
    }

    /// Takes a binding off a list.
    pub(super) fn unlink(&mut self, list: &mut List, side: Side, id: u32) {
        let Some(record) = self.get_mut(id) else { return };
        let Link { before, after } = *record.link(side);
        match self.get_mut(before) {
            Some(record) => record.link(side).after = after,
            None => list.head = after,
        }
        match self.get_mut(after) {
            Some(record) => record.link(side).before = before,
            None => list.tail = before,
        }
    }

    /// The bindings of a list, oldest first.
    pub(super) fn iter(&self, list: List, side: Side) -> impl Iterator<Item = &Record> {
        std::iter::successors(self.get(list.head), move |record| {
            self.get(match side {
                Side::From => record.from.after,
                Side::To => record.to.after,
            })
        })
    }

    fn get_mut(&mut self, id: u32) -> Option<&mut Record> {
        self.records.get_mut(id)?.as_deref_mut()
    }

    fn hash_of(&self, source: ExchangeId, binding: &Binding) -> u64 {
        let (kind, id) = match binding.destination {
            Destination::Queue(id) => (0, id.0),
            Destination::Exchange(id) => (1, id.0),
        };
        let ends = pair(source.0, id).wrapping_add(kind);
        let key = self.hash.of(binding.key.as_bytes());
        ends.rotate_left(32) ^ key ^ hash_arguments(&self.hash, &binding.arguments).rotate_left(16)
    }
}

fn kept_hash(records: &Slots<Option<Box<Record>>>, id: u32) -> u64 {
    records.get(id).and_then(Option::as_ref).map_or(0, |record| record.hash)
}
