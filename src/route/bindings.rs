//! All bindings: one slab, two linked lists through it, one index over it; and bunches, the bindings with one key.
//!
//! A binding hangs in the list of its source and in the list of its destination, both in the order of creation, and
//! the index finds it by its identity. So each is added, found and taken out at a cost that no other binding adds to.
//!
//! A binding takes one line of the processor's cache, its key included where that is short. Matchers hold numbers and
//! come here for the text: they keep no copies of it.

use super::bunch::{Bunch, Bunches};
use super::compare::{hash_arguments, same_arguments};
use super::hash::{Entry, TextHash, pair};
use super::hits::Hit;
use super::slots::Slots;
use super::spec::{Binding, Bound, Destination};
use super::table::Table as Index;
use super::text::Text;
use crate::base::{ExchangeId, QueueId};
use crate::message::Table;
use std::collections::BTreeMap;

/// Every binding of a graph.
#[derive(Debug)]
pub(super) struct Bindings {
    records: Slots<Option<Record>>,
    index: Index<Entry>,
    /// Of those bindings that have any.
    arguments: BTreeMap<u32, Table>,
    bunches: Bunches,
    hash: TextHash,
}

/// A binding and its places in the two lists. It lies in one line of the processor's cache.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Record {
    pub(super) key: Text,
    pub(super) born: u64,
    pub(super) source: ExchangeId,
    to: End,
    from_list: Link,
    to_list: Link,
}

/// A destination in four bytes: exchanges are marked by the highest bit, which no number of a slot reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct End(u32);

/// What a search for a binding came to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sought {
    hash: u64,
    id: Option<u32>,
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
/// Marks an exchange.
const EXCHANGE: u32 = 1 << 31;

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

impl Sought {
    /// The number of the binding, if it is there.
    pub(super) fn found(self) -> Option<u32> {
        self.id
    }
}

impl Record {
    pub(super) fn destination(&self) -> Destination {
        match self.to.0 & EXCHANGE {
            0 => Destination::Queue(QueueId(self.to.0)),
            _ => Destination::Exchange(ExchangeId(self.to.0 & !EXCHANGE)),
        }
    }

    /// What a match of this binding says.
    #[inline]
    pub(super) fn hit(&self) -> Hit {
        Hit { born: self.born, to: self.destination() }
    }

    fn link(&mut self, side: Side) -> &mut Link {
        match side {
            Side::From => &mut self.from_list,
            Side::To => &mut self.to_list,
        }
    }

    fn after(&self, side: Side) -> u32 {
        match side {
            Side::From => self.from_list.after,
            Side::To => self.to_list.after,
        }
    }
}

impl End {
    fn of(destination: Destination) -> Self {
        match destination {
            Destination::Queue(id) => Self(id.0),
            Destination::Exchange(id) => Self(id.0 | EXCHANGE),
        }
    }
}

impl Default for Bindings {
    fn default() -> Self {
        Self {
            records: Slots::new(),
            index: Index::default(),
            arguments: BTreeMap::new(),
            bunches: Bunches::default(),
            hash: TextHash::default(),
        }
    }
}

impl Bindings {
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// Looks for the binding that has this identity.
    pub(super) fn seek(&self, source: ExchangeId, binding: Bound<'_>) -> Sought {
        let (hash, to) = (self.hash_of(source, binding), End::of(binding.destination));
        let same = |entry: &Entry| {
            self.get(entry.number).is_some_and(|known| {
                known.source == source
                    && known.to == to
                    && known.key.bytes() == binding.key.as_bytes()
                    && same_arguments(self.arguments_of(entry.number), binding.arguments)
            })
        };
        Sought { hash, id: self.index.find(&Entry::like(hash), same).map(|entry| entry.number) }
    }

    #[inline]
    pub(super) fn get(&self, id: u32) -> Option<&Record> {
        self.records.get(id)?.as_ref()
    }

    /// A binding as it was asked for.
    pub(super) fn binding(&self, id: u32) -> Option<Binding> {
        let record = self.get(id)?;
        let (destination, key) = (record.destination(), record.key.name());
        Some(Binding { destination, key, arguments: self.arguments_of(id).clone() })
    }

    /// Puts a binding in that was sought and is not there. It hangs in no list until it is linked.
    pub(super) fn insert(&mut self, source: ExchangeId, binding: Bound<'_>, born: u64, sought: Sought) -> u32 {
        let loose = Link { before: NONE, after: NONE };
        let (key, to) = (Text::new(binding.key.as_bytes()), End::of(binding.destination));
        let id = self.records.insert(Some(Record { key, born, source, to, from_list: loose, to_list: loose }));
        self.index.insert(Entry::new(sought.hash, id));
        if !binding.arguments.is_empty() {
            self.arguments.insert(id, binding.arguments.clone());
        }
        id
    }

    /// Takes a binding out that hangs in no list any more.
    pub(super) fn remove(&mut self, id: u32) {
        let Some(record) = self.records.remove(id).flatten() else { return };
        let arguments = self.arguments.remove(&id).unwrap_or_default();
        let hash = self.hash_ends(record.source, record.to, record.key.bytes(), &arguments);
        self.index.remove(&Entry::like(hash), |entry| entry.number == id);
    }

    /// The bindings of a list, oldest first.
    pub(super) fn iter(&self, list: List, side: Side) -> impl Iterator<Item = u32> {
        let some = |id: u32| (id != NONE).then_some(id);
        std::iter::successors(some(list.head), move |id| some(self.get(*id)?.after(side)))
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

    /// The bunch with one binding more, the youngest of its key.
    pub(super) fn join(&mut self, bunch: Bunch, id: u32) -> Bunch {
        self.bunches.join(&self.records, bunch, id)
    }

    /// The bunch with one binding less; [`Bunch::NONE`] without its last. The binding must still be there.
    pub(super) fn part(&mut self, bunch: Bunch, id: u32) -> Bunch {
        self.bunches.part(&self.records, bunch, id)
    }

    /// The key that the bindings of a bunch have.
    #[inline]
    pub(super) fn key_of(&self, bunch: Bunch) -> &Text {
        self.bunches.key_of(&self.records, bunch)
    }

    /// Sets the mark of that key.
    pub(super) fn mark(&mut self, bunch: Bunch, place: usize) {
        self.bunches.mark(&mut self.records, bunch, place);
    }

    /// Appends the bindings of a bunch.
    #[inline]
    pub(super) fn collect(&self, bunch: Bunch, out: &mut Vec<Hit>) {
        self.bunches.collect(&self.records, bunch, out);
    }

    /// The hash of a key.
    #[inline]
    pub(super) fn hash_key(&self, key: &[u8]) -> u64 {
        self.hash.of(key)
    }

    fn get_mut(&mut self, id: u32) -> Option<&mut Record> {
        self.records.get_mut(id)?.as_mut()
    }

    fn arguments_of(&self, id: u32) -> &Table {
        self.arguments.get(&id).unwrap_or(&NO_ARGUMENTS)
    }

    fn hash_of(&self, source: ExchangeId, binding: Bound<'_>) -> u64 {
        self.hash_ends(source, End::of(binding.destination), binding.key.as_bytes(), binding.arguments)
    }

    fn hash_ends(&self, source: ExchangeId, to: End, key: &[u8], arguments: &Table) -> u64 {
        let ends = pair(0, source.0, to.0.into());
        ends ^ self.hash.of(key) ^ hash_arguments(&self.hash, arguments).rotate_left(16)
    }
}

/// What most bindings have.
static NO_ARGUMENTS: Table = Table::new();

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::hash::spread::assert_every_bit_counts;

    /// Of thousands of bindings that differ in one thing only, each is found in a few steps.
    #[test]
    fn bindings_are_spread_by_all_that_they_are() {
        const COUNT: u32 = 4_000;
        let all = Bindings::default();
        let arguments = |n: u32| Table::new().with("x", i64::from(n)).with("same", "y");
        let hash = |source: u32, to: u32, key: &str, n: u32| {
            all.hash_ends(ExchangeId(source), End(to), key.as_bytes(), &arguments(n))
        };
        assert_every_bit_counts("sources", (0..COUNT).map(|n| hash(n, 7, "key", 7)));
        assert_every_bit_counts("destinations", (0..COUNT).map(|n| hash(7, n, "key", 7)));
        assert_every_bit_counts("keys", (0..COUNT).map(|n| hash(7, 7, &n.to_string(), 7)));
        assert_every_bit_counts("arguments", (0..COUNT).map(|n| hash(7, 7, "key", n)));
    }
}
