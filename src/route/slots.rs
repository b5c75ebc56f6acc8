//! Slots: values under small numbers that are used again, in segments, so that no call ever moves more than one of them.

use std::collections::BTreeSet;

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

/// Values under numbers that stay theirs. Free numbers of the lowest segment are given first, and a segment without
/// values has no memory, but for a few at the end, which are kept for values that come and go.
///
/// A growing vector would copy a million values at once, and whoever waits for the router's lock would wait for that.
///
/// Invariants: `free` of a segment has the places of its free slots, each once; `open` has the segments with room;
/// the last `spare` segments have no values, and the one before them has some.
#[derive(Debug)]
pub(super) struct Slots<T> {
    segments: Vec<Segment<T>>,
    open: BTreeSet<u32>,
    spare: u32,
}

#[derive(Debug)]
struct Segment<T> {
    items: Vec<T>,
    free: Vec<u16>,
}

impl<T: Slot> Slots<T> {
    pub(super) const fn new() -> Self {
        Self { segments: Vec::new(), open: BTreeSet::new(), spare: 0 }
    }

    /// Puts a value in and tells its number.
    pub(super) fn insert(&mut self, item: T) -> u32 {
        let at = self.open.first().copied().unwrap_or_else(|| self.add_segment());
        let Some(segment) = self.segments.get_mut(at as usize) else { return u32::MAX };
        let place = segment.insert(item);
        if segment.is_full() {
            self.open.remove(&at);
        }
        self.spare = self.spare.min(length(&self.segments) - 1 - at);
        at << BITS | place
    }

    /// Takes a value out; `None` where the slot is free.
    pub(super) fn remove(&mut self, id: u32) -> Option<T> {
        let at = id >> BITS;
        let segment = self.segments.get_mut(at as usize)?;
        let was_full = segment.is_full();
        let item = segment.remove(id & MASK)?;
        let is_empty = segment.is_empty();
        if was_full {
            self.open.insert(at);
        }
        if is_empty {
            self.give_back(at);
        }
        Some(item)
    }

    /// The value under this number.
    #[inline]
    pub(super) fn get(&self, id: u32) -> Option<&T> {
        self.segments.get((id >> BITS) as usize)?.items.get((id & MASK) as usize).filter(|item| !item.is_free())
    }

    /// The value under this number, to be changed.
    #[inline]
    pub(super) fn get_mut(&mut self, id: u32) -> Option<&mut T> {
        let segment = self.segments.get_mut((id >> BITS) as usize)?;
        segment.items.get_mut((id & MASK) as usize).filter(|item| !item.is_free())
    }

    /// Whether there are no values, and no memory for any.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Gives memory back after a segment lost its last value.
    fn give_back(&mut self, at: u32) {
        let used = length(&self.segments) - self.spare;
        if at + 1 != used {
            // In the middle, only the place of the segment stays.
            self.segments.get_mut(at as usize).into_iter().for_each(|segment| *segment = Segment::with_room(0));
            return;
        }
        let before = self.segments.get(..at as usize).unwrap_or_default();
        let used = before.iter().rposition(|segment| !segment.is_empty()).map_or(0, |last| last + 1);
        let kept = used + used / SPARE;
        while self.segments.len() > kept {
            self.segments.pop();
            self.open.remove(&length(&self.segments));
        }
        self.spare = length(&self.segments) - used as u32;
        if self.segments.len() < self.segments.capacity() / 4 {
            self.segments.shrink_to(self.segments.len() * 2);
        }
    }

    fn add_segment(&mut self) -> u32 {
        // The first may stay small; behind it, there are many values.
        let room = if self.segments.is_empty() { 0 } else { SIZE };
        let at = length(&self.segments);
        self.segments.push(Segment::with_room(room));
        self.open.insert(at);
        self.spare += 1;
        at
    }
}

impl<T: Slot> Segment<T> {
    fn with_room(room: usize) -> Self {
        Self { items: Vec::with_capacity(room), free: Vec::new() }
    }

    fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    fn is_full(&self) -> bool {
        self.items.len() == SIZE && self.free.is_empty()
    }

    /// Puts a value into a segment with room and tells its place.
    fn insert(&mut self, item: T) -> u32 {
        if let Some(place) = self.free.pop()
            && let Some(slot) = self.items.get_mut(usize::from(place))
        {
            *slot = item;
            return u32::from(place);
        }
        let place = length(&self.items);
        self.items.push(item);
        place
    }

    fn remove(&mut self, place: u32) -> Option<T> {
        let slot = self.items.get_mut(place as usize).filter(|slot| !slot.is_free())?;
        let item = std::mem::replace(slot, T::FREE);
        self.free.extend(u16::try_from(place));
        if self.free.len() == self.items.len() {
            self.items.clear();
            self.free.clear();
        }
        Some(item)
    }
}

/// The length as a number of a slot or segment; memory ends long before these numbers do.
fn length<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).unwrap_or(u32::MAX)
}

/// The bits of a number that say the place in a segment.
const BITS: u32 = 10;
/// The values of a segment.
const SIZE: usize = 1 << BITS;
const MASK: u32 = (1 << BITS) - 1;
/// One empty segment is kept at the end for so many in use.
const SPARE: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_used_again_and_memory_goes_back() {
        let mut slots = Slots::new();
        let ids: Vec<u32> = (0..5_000).map(|n| slots.insert(Some(n))).collect();
        assert_eq!(ids, (0..5_000).collect::<Vec<_>>());
        assert_eq!(slots.remove(7), Some(Some(7)));
        assert_eq!((slots.remove(7), slots.remove(5_000)), (None, None));
        assert_eq!((slots.insert(Some(1)), slots.insert(Some(2))), (7, 5_000));
        (1_024..5_001).for_each(|id| _ = slots.remove(id));
        assert_eq!(slots.segments.len(), 1);
        (0..1_024).for_each(|id| assert!(slots.remove(id).is_some()));
        assert!(slots.is_empty() && slots.open.is_empty());
        assert_eq!(slots.insert(Some(3)), 0);
    }

    #[test]
    fn memory_follows_the_values_down() {
        const COUNT: u32 = 300_000;
        let mut slots = Slots::new();
        (0..COUNT).for_each(|n| _ = slots.insert(Some(n)));
        for id in (0..COUNT).rev() {
            assert_eq!(slots.remove(id), Some(Some(id)));
            if id % (1 << BITS) == 0 {
                let (used, length) = ((id >> BITS) as usize, slots.segments.len());
                assert!((used..=used + used / SPARE).contains(&length), "{length} segments, {used} in use");
                assert_eq!(slots.spare as usize, length - used);
                assert!(slots.segments.capacity() <= 4 * length + 4, "{} for {length}", slots.segments.capacity());
                // One segment more comes and goes without any memory but its own.
                let there = slots.insert(Some(7));
                assert_eq!((there, slots.remove(there)), (id, Some(Some(7))));
            }
        }
    }

    #[test]
    fn a_segment_without_values_has_no_memory_though_a_later_one_has() {
        let mut slots = Slots::new();
        (0..3_000).for_each(|n| _ = slots.insert(Some(n)));
        (0..2_999).for_each(|id| _ = slots.remove(id));
        assert!(slots.segments[..2].iter().all(|segment| segment.items.capacity() + segment.free.capacity() == 0));
        assert_eq!((slots.get(2_999), slots.get(5)), (Some(&Some(2_999)), None));
        assert_eq!((slots.insert(Some(1)), slots.insert(Some(2))), (0, 1));
    }
}
