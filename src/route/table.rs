//! A hash table that grows and shrinks a little at a time.
//!
//! It consists of small tables. Each time the items have become some hundreds more, one small table is split in two,
//! in turn (linear hashing): never are all items moved at once, which at a million of them takes tens of milliseconds
//! that every publisher would wait for. Taking items out joins the tables again, one at a time.
//!
//! A small table is an array. An item lies at the place that its hash says, or behind it, before the next free place
//! (linear probing): whether it is there or not, that is mostly one line of memory to look at. Where a table has a
//! separate line of tags, it is two.

use super::hash::seed;

/// What lies in a table: small, copied, with one value that is none.
pub(super) trait Item: Copy {
    /// Stands for a free place.
    const NONE: Self;
    /// Whether this is a free place.
    fn is_none(&self) -> bool;
    /// Whether two may be the same, as far as can be told from them alone. Such two have the same hash.
    fn is_like(&self, other: &Self) -> bool;
    /// The hash: its high half leads to a part of the table, the low half to a place in it.
    fn hash(&self, seed: u64) -> u64;
}

/// Items, found by what they are like and an equality of the caller's.
///
/// Invariants: an item lies in the part that its hash leads to, see `part_of`; `mask` belongs to the number of parts.
#[derive(Debug)]
pub(super) struct Table<T> {
    parts: Vec<Part<T>>,
    mask: usize,
    len: usize,
    seed: u64,
}

/// A small table.
///
/// Invariants: at least one place is free, if there are any; no place is free between an item and where its hash leads.
#[derive(Debug)]
struct Part<T> {
    places: Vec<T>,
    len: usize,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { parts: Vec::new(), mask: 0, len: 0, seed: seed() }
    }
}

impl<T: Item> Table<T> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The item like this that is the same.
    #[inline]
    pub(super) fn find(&self, like: &T, same: impl FnMut(&T) -> bool) -> Option<T> {
        let hash = like.hash(self.seed);
        let part = self.parts.get(self.part_of(hash))?;
        part.places.get(part.find(hash, like, same)?).copied()
    }

    /// The item like this that is the same, to be changed in what it is not found by.
    pub(super) fn find_mut(&mut self, like: &T, same: impl FnMut(&T) -> bool) -> Option<&mut T> {
        let hash = like.hash(self.seed);
        let at = self.part_of(hash);
        let part = self.parts.get_mut(at)?;
        let place = part.find(hash, like, same)?;
        part.places.get_mut(place)
    }

    /// Puts an item in that is not there yet.
    pub(super) fn insert(&mut self, item: T) {
        self.len += 1;
        if self.len > self.parts.len() * FULL {
            self.split();
        }
        self.put(item);
    }

    /// Takes out the item like this that is the same.
    pub(super) fn remove(&mut self, like: &T, same: impl FnMut(&T) -> bool) -> Option<T> {
        let hash = like.hash(self.seed);
        let at = self.part_of(hash);
        let part = self.parts.get_mut(at)?;
        let item = part.remove(part.find(hash, like, same)?, self.seed)?;
        self.len -= 1;
        let spare = self.parts.len() > 1 && self.len < self.parts.len() * FULL / 4;
        if spare || self.len == 0 {
            self.join();
        }
        Some(item)
    }

    fn put(&mut self, item: T) {
        let hash = item.hash(self.seed);
        let at = self.part_of(hash);
        if let Some(part) = self.parts.get_mut(at) {
            part.insert(item, hash, self.seed);
        }
    }

    /// The part that a hash leads to: its number under the next power of two, or under the last one as long as that
    /// part has not been split off.
    #[inline]
    fn part_of(&self, hash: u64) -> usize {
        #[allow(clippy::cast_possible_truncation)]
        let at = (hash >> 32) as usize & self.mask;
        if at < self.parts.len() { at } else { at & (self.mask >> 1) }
    }

    /// Adds a part, and moves the items into it that belong there now. They all come from the part of the same number
    /// without its highest bit.
    fn split(&mut self) {
        let added = self.parts.len();
        let from = added.checked_ilog2().and_then(|highest| self.parts.get_mut(added - (1 << highest)));
        let room = from.as_ref().map_or(0, |part| part.len / 2);
        let whole = from.map(|part| std::mem::replace(part, Part::with_room(room)));
        self.parts.push(Part::with_room(room));
        self.mask = self.parts.len().next_power_of_two() - 1;
        whole.into_iter().flat_map(Part::items).for_each(|item| self.put(item));
    }

    /// Undoes the last split.
    fn join(&mut self) {
        let last = self.parts.pop();
        self.mask = self.parts.len().next_power_of_two() - 1;
        last.into_iter().flat_map(Part::items).for_each(|item| self.put(item));
        if self.parts.len() < self.parts.capacity() / 4 {
            self.parts.shrink_to(self.parts.len() * 2);
        }
    }
}

impl<T: Item> Part<T> {
    /// Free places for so many items.
    fn with_room(len: usize) -> Self {
        Self { places: vec![T::NONE; if len == 0 { 0 } else { len * 2 + 1 }], len: 0 }
    }

    fn items(self) -> impl Iterator<Item = T> {
        self.places.into_iter().filter(|place| !place.is_none())
    }

    /// The place of an item.
    #[inline]
    fn find(&self, hash: u64, like: &T, mut same: impl FnMut(&T) -> bool) -> Option<usize> {
        let mut at = self.first_place(hash);
        loop {
            let item = self.places.get(at)?;
            if item.is_none() {
                return None;
            }
            if item.is_like(like) && same(item) {
                return Some(at);
            }
            at = self.next(at);
        }
    }

    fn insert(&mut self, item: T, hash: u64, seed: u64) {
        if (self.len + 1) * 8 > self.places.len() * 5 {
            self.resize(self.len + self.len / 4 + 1, seed);
        }
        self.put(item, hash);
    }

    fn put(&mut self, item: T, hash: u64) {
        let mut at = self.first_place(hash);
        while self.places.get(at).is_some_and(|place| !place.is_none()) {
            at = self.next(at);
        }
        self.places.get_mut(at).into_iter().for_each(|place| *place = item);
        self.len += 1;
    }

    /// Takes an item out, and closes the gap with those behind it that do not lie where their hash leads.
    fn remove(&mut self, place: usize, seed: u64) -> Option<T> {
        let removed = std::mem::replace(self.places.get_mut(place)?, T::NONE);
        self.len -= 1;
        let (mut gap, mut at) = (place, self.next(place));
        while let Some(item) = self.places.get(at).copied().filter(|item| !item.is_none()) {
            let first = self.first_place(item.hash(seed));
            if self.distance(first, at) >= self.distance(gap, at) {
                self.places.swap(gap, at);
                gap = at;
            }
            at = self.next(at);
        }
        if self.places.len() > SMALL && self.len * 8 < self.places.len() {
            self.resize(self.len, seed);
        }
        Some(removed)
    }

    fn resize(&mut self, room: usize, seed: u64) {
        let old = std::mem::replace(self, Self::with_room(room));
        old.items().for_each(|item| self.put(item, item.hash(seed)));
    }

    /// Where the search for an item with this hash begins.
    #[inline]
    #[allow(clippy::cast_possible_truncation)]
    fn first_place(&self, hash: u64) -> usize {
        (((hash & u64::from(u32::MAX)) * self.places.len() as u64) >> 32) as usize
    }

    #[inline]
    fn next(&self, place: usize) -> usize {
        if place + 1 == self.places.len() { 0 } else { place + 1 }
    }

    /// How far a place is behind another, around the end.
    fn distance(&self, from: usize, to: usize) -> usize {
        if to >= from { to - from } else { to + self.places.len() - from }
    }
}

/// So many items in a part, on average, let the next part be split off. Moving twice as many takes some microseconds.
const FULL: usize = 256;
/// A part of so many places is not worth shrinking.
const SMALL: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    impl Item for u64 {
        const NONE: Self = 0;

        fn is_none(&self) -> bool {
            *self == 0
        }

        fn is_like(&self, other: &Self) -> bool {
            self == other
        }

        fn hash(&self, seed: u64) -> u64 {
            crate::route::hash::pair(seed, 0, *self)
        }
    }

    #[test]
    fn items_stay_while_parts_split_and_join() {
        const COUNT: u64 = 50_000;
        let mut table = Table::default();
        let has = |table: &Table<u64>, n: u64| table.find(&n, |_| true) == Some(n);
        for n in 1..=COUNT {
            table.insert(n);
            assert!(has(&table, n / 2 + 1) && !has(&table, n + 1));
        }
        assert!(table.parts.len() == COUNT as usize / FULL + 1 && table.len() == COUNT as usize);
        assert!((1..=COUNT).all(|n| has(&table, n)));
        assert!(table.parts.iter().all(|part| part.len < FULL * 4), "no part is moved at much cost");
        let places: usize = table.parts.iter().map(|part| part.places.capacity()).sum();
        assert!(places < COUNT as usize * 9 / 4, "{places} places");
        for n in 1..=COUNT {
            assert_eq!((table.remove(&n, |_| true), table.remove(&n, |_| true)), (Some(n), None));
            assert!(has(&table, COUNT) || n == COUNT);
            assert!(n % 64 != 0 || (n + 1..=COUNT).step_by(97).all(|n| has(&table, n)));
            if n % 64 == 0 {
                // A part is not joined before it is three quarters empty, nor shrunk before it is seven eighths empty.
                let places: usize = table.parts.iter().map(|part| part.places.len()).sum();
                assert!(places <= table.len() * 8 + table.parts.len() * SMALL, "{places} places for {}", table.len());
                assert!(table.parts.len() == 1 || table.parts.len() * FULL <= table.len() * 4 + FULL);
                assert!(table.parts.capacity() <= table.parts.len() * 4 + 4, "{}", table.parts.capacity());
            }
        }
        assert!(table.is_empty() && table.parts.capacity() == 0);
    }
}
