//! Slots: values under small numbers that are used again, and memory that is given back.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What can lie in a slot: a type with one value that means "free".
pub(super) trait Slot {
    /// The value of a free slot.
    const FREE: Self;
    /// Whether this is the value of a free slot.
    fn is_free(&self) -> bool;
}

impl<T> Slot for Option<T> {
    const FREE: Self = None;

    fn is_free(&self) -> bool {
        self.is_none()
    }
}

/// Values under numbers. The lowest free number is given first, and free slots at the end are cut off, so that memory
/// mostly follows what is in use. Whoever can bear other numbers closes the gaps by [`Slots::compact`].
///
/// Invariants: the last slot is never free; every free slot below the end is in `free` exactly once; numbers in `free`
/// at or beyond the end are stale and mean nothing; `live` counts the slots that are not free.
#[derive(Debug)]
pub(super) struct Slots<T> {
    items: Vec<T>,
    free: BinaryHeap<Reverse<u32>>,
    live: usize,
}

/// Where values went when gaps were closed.
pub(super) struct Moves(Vec<u32>);

impl Moves {
    /// The new number of a value; what stands for none stays as it is.
    pub(super) fn of(&self, id: u32) -> u32 {
        self.0.get(id as usize).copied().unwrap_or(id)
    }
}

impl<T: Slot> Slots<T> {
    pub(super) const fn new() -> Self {
        Self { items: Vec::new(), free: BinaryHeap::new(), live: 0 }
    }

    /// Puts a value in and tells its number.
    pub(super) fn insert(&mut self, item: T) -> u32 {
        self.live += 1;
        if let Some(Reverse(id)) = self.free.pop()
            && let Some(place) = self.items.get_mut(id as usize)
        {
            *place = item;
            return id;
        }
        // The lowest was stale, so all are.
        self.free = BinaryHeap::new();
        let id = u32::try_from(self.items.len()).unwrap_or(u32::MAX);
        self.items.push(item);
        id
    }

    /// Takes a value out; `None` where the slot is free.
    pub(super) fn remove(&mut self, id: u32) -> Option<T> {
        let item = std::mem::replace(self.get_mut(id)?, T::FREE);
        self.live -= 1;
        self.free.push(Reverse(id));
        while self.items.last().is_some_and(Slot::is_free) {
            self.items.pop();
        }
        if self.items.capacity() > 64 && self.items.len() < self.items.capacity() / 4 {
            self.items.shrink_to(self.items.len() * 2);
        }
        // More numbers than slots: most are stale.
        if self.free.len() > self.items.len() {
            self.free.retain(|Reverse(id)| (*id as usize) < self.items.len());
            self.free.shrink_to(self.free.len() * 2);
        }
        Some(item)
    }

    /// Whether less than a quarter of many slots is in use, though one near the end holds the rest.
    pub(super) fn is_sparse(&self) -> bool {
        self.items.len() > 1024 && self.live < self.items.len() / 4
    }

    /// Closes all gaps and tells which numbers the values have now.
    pub(super) fn compact(&mut self) -> Moves {
        let mut next = 0;
        let moves = self.items.iter().map(|item| {
            let to = next;
            next += u32::from(!item.is_free());
            to
        });
        let moves = Moves(moves.collect());
        self.items.retain(|item| !item.is_free());
        self.items.shrink_to_fit();
        self.free = BinaryHeap::new();
        moves
    }

    /// All values, to be changed.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.items.iter_mut().filter(|item| !item.is_free())
    }

    /// The value under this number.
    #[inline]
    pub(super) fn get(&self, id: u32) -> Option<&T> {
        self.items.get(id as usize).filter(|item| !item.is_free())
    }

    /// The value under this number, to be changed.
    #[inline]
    pub(super) fn get_mut(&mut self, id: u32) -> Option<&mut T> {
        self.items.get_mut(id as usize).filter(|item| !item.is_free())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_used_again_and_memory_goes_back() {
        let mut slots = Slots::new();
        let ids: Vec<u32> = (0..1000).map(|n| slots.insert(Some(n))).collect();
        assert_eq!(ids.last(), Some(&999));
        assert_eq!(slots.remove(7), Some(Some(7)));
        assert_eq!(slots.remove(7), None);
        assert_eq!(slots.insert(Some(1)), 7);
        for id in (1..1000).rev() {
            slots.remove(id);
        }
        assert!(slots.items.capacity() <= 64);
        assert_eq!(slots.insert(Some(2)), 1);
        assert_eq!(slots.insert(Some(3)), 2);
        assert_eq!(slots.get(0), Some(&Some(0)));
    }

    #[test]
    fn gaps_are_closed() {
        let mut slots = Slots::new();
        (0..5000).for_each(|n| _ = slots.insert(Some(n)));
        (0..4999).filter(|n| n % 1000 != 0).for_each(|id| _ = slots.remove(id));
        assert!(slots.is_sparse());
        let moves = slots.compact();
        assert_eq!((moves.of(0), moves.of(3000), moves.of(4999), moves.of(u32::MAX)), (0, 3, 5, u32::MAX));
        assert_eq!(slots.iter_mut().map(|n| n.unwrap()).collect::<Vec<_>>(), [0, 1000, 2000, 3000, 4000, 4999]);
        assert!(!slots.is_sparse() && slots.items.capacity() < 10);
        assert_eq!(slots.insert(Some(1)), 6);
    }
}
