//! The ledger: delivery tags of one channel, and what each unsettled one stands for.
//!
//! Tags count up from 1, so entries arrive in order and stand in a deque sorted by tag. A settled entry leaves a hole,
//! which goes when it comes to the front, or when holes outnumber entries. So memory follows what is outstanding, not
//! how far apart the tags are, and the place of a tag is mostly its distance from the first one: one look, else a
//! binary search.

use std::collections::VecDeque;
use std::fmt;

/// Holes that are let be whatever the number of entries, so that a short ledger is never compacted.
const HOLES_ALLOWED: usize = 32;

/// Delivery tags given out by one channel, and what the unsettled ones stand for.
///
/// Invariants, asserted by [`Ledger::check`]: tags ascend strictly and are at most the last one given; the first entry
/// is no hole; `live` counts the entries that are no holes; holes are at most as many as entries, and 32.
#[derive(Clone, Debug)]
pub struct Ledger<T> {
    entries: VecDeque<(u64, Option<T>)>,
    last: u64,
    live: usize,
}

/// A delivery tag that is not outstanding: never given, given without need of an acknowledgement, or settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownTag(pub u64);

impl fmt::Display for UnknownTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown delivery tag {}", self.0)
    }
}

impl std::error::Error for UnknownTag {}

impl<T> Default for Ledger<T> {
    fn default() -> Self {
        Self { entries: VecDeque::new(), last: 0, live: 0 }
    }
}

impl<T> Ledger<T> {
    /// A ledger that gave no tag yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many tags are outstanding.
    #[must_use]
    pub fn len(&self) -> usize {
        self.live
    }

    /// Whether no tag is outstanding.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// The tag that is given next.
    #[must_use]
    pub fn next_tag(&self) -> u64 {
        self.last + 1
    }

    /// What is outstanding, by tag.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        self.entries.iter().filter_map(|(tag, held)| Some((*tag, held.as_ref()?)))
    }

    /// Gives the next tag to a delivery that must be settled.
    pub fn enter(&mut self, held: T) -> u64 {
        self.last += 1;
        self.entries.push_back((self.last, Some(held)));
        self.live += 1;
        self.last
    }

    /// Gives the next tag to a delivery that needs no settlement; nothing is kept of it.
    pub fn pass(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Settles one tag and gives what it stood for.
    ///
    /// # Errors
    ///
    /// [`UnknownTag`] where the tag is not outstanding. Tag 0 never is.
    pub fn take(&mut self, tag: u64) -> Result<T, UnknownTag> {
        let place = self.place(tag).and_then(|at| self.entries.get_mut(at));
        let held = place.and_then(|(_, held)| held.take()).ok_or(UnknownTag(tag))?;
        self.live -= 1;
        self.tidy();
        Ok(held)
    }

    /// Settles all tags up to and including `tag` into `out`, in the order of tags. Tag 0 means all, also when there
    /// are none.
    ///
    /// # Errors
    ///
    /// [`UnknownTag`] where `tag` itself is not outstanding, even if lower ones are. Then nothing was settled.
    pub fn take_up_to(&mut self, tag: u64, out: &mut Vec<(u64, T)>) -> Result<(), UnknownTag> {
        let end = match tag {
            0 => self.entries.len(),
            _ => {
                let at = self.place(tag).ok_or(UnknownTag(tag))?;
                let open = self.entries.get(at).is_some_and(|(_, held)| held.is_some());
                if !open {
                    return Err(UnknownTag(tag));
                }
                at + 1
            }
        };
        let before = out.len();
        out.extend(self.entries.drain(..end).filter_map(|(tag, held)| Some((tag, held?))));
        self.live -= out.len() - before;
        self.tidy();
        Ok(())
    }

    /// Settles everything, in the order of tags.
    pub fn take_all(&mut self) -> Vec<(u64, T)> {
        self.live = 0;
        self.entries.drain(..).filter_map(|(tag, held)| Some((tag, held?))).collect()
    }

    /// Puts entries back under the tags they had, as a rollback does. A tag that is outstanding already stays as it is.
    pub fn restore(&mut self, entries: impl IntoIterator<Item = (u64, T)>) {
        let mut homeless = Vec::new();
        for (tag, held) in entries {
            match self.place(tag).and_then(|at| self.entries.get_mut(at)) {
                Some((_, place @ None)) => {
                    *place = Some(held);
                    self.live += 1;
                }
                Some(_) => {}
                None if tag <= self.last => homeless.push((tag, Some(held))),
                None => {}
            }
        }
        if !homeless.is_empty() {
            self.live += homeless.len();
            self.entries.extend(homeless);
            self.entries.make_contiguous().sort_by_key(|(tag, _)| *tag);
        }
    }

    /// Asserts the invariants, for tests.
    ///
    /// # Errors
    ///
    /// A sentence that says which one does not hold.
    pub fn check(&self) -> Result<(), String> {
        let ascending = self.entries.iter().zip(self.entries.iter().skip(1)).all(|((a, _), (b, _))| a < b);
        if !ascending || self.entries.back().is_some_and(|(tag, _)| *tag > self.last) {
            return Err("tags do not ascend to the last one given".to_owned());
        }
        if self.entries.front().is_some_and(|(_, held)| held.is_none()) {
            return Err("the first entry is a hole".to_owned());
        }
        if self.iter().count() != self.live {
            return Err(format!("{} entries are counted as {}", self.iter().count(), self.live));
        }
        if self.entries.len() - self.live > self.live + HOLES_ALLOWED {
            return Err(format!("{} places for {} entries", self.entries.len(), self.live));
        }
        Ok(())
    }

    /// Where the entry or hole of a tag stands.
    fn place(&self, tag: u64) -> Option<usize> {
        let (first, _) = self.entries.front()?;
        let distance = usize::try_from(tag.checked_sub(*first)?).unwrap_or(usize::MAX);
        let guess = distance.min(self.entries.len() - 1);
        let stands_at = |at: usize| self.entries.get(at).is_some_and(|(found, _)| *found == tag);
        if stands_at(guess) {
            return Some(guess);
        }
        let at = self.entries.partition_point(|(found, _)| *found < tag);
        stands_at(at).then_some(at)
    }

    /// Drops the holes at the front, and all of them once they outnumber the entries: each hole is paid for by the
    /// settlement that made it.
    fn tidy(&mut self) {
        while let Some((_, None)) = self.entries.front() {
            self.entries.pop_front();
        }
        if self.entries.len() - self.live > self.live + HOLES_ALLOWED {
            self.entries.retain(|(_, held)| held.is_some());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the oracle cannot see: how many places there are.
    #[test]
    fn holes_stay_while_they_are_fewer_than_entries() {
        let mut ledger = Ledger::new();
        (1..=1_000).for_each(|n| assert_eq!(ledger.enter(n), n));
        // From the second on, every other one and then the rest: the first one keeps them all from going at the front.
        let settled: Vec<u64> = (2..=1_000).step_by(2).chain((3..1_000).step_by(2)).collect();
        let (mut most, mut moved) = (0, 0);
        for (before, tag) in settled.into_iter().enumerate() {
            let places = ledger.entries.len();
            assert_eq!(ledger.take(tag), Ok(tag));
            let holes = ledger.entries.len() - ledger.len();
            assert!(ledger.entries.len() == places || holes == 0, "all go at once, after {before}");
            most = most.max(holes);
            moved += usize::from(ledger.entries.len() < places) * places;
            assert!(ledger.check().is_ok());
        }
        assert_eq!((ledger.len(), ledger.place(1), ledger.place(1_000)), (1, Some(0), None));
        assert_eq!(ledger.take(1_000).unwrap_err().to_string(), "unknown delivery tag 1000");
        assert_eq!(most, 516);
        assert!(moved < 3_000, "{moved} places were moved in all");
    }

    #[test]
    fn what_breaks_an_invariant_is_told() {
        let ledger = |entries: &[(u64, Option<u8>)], last: u64, live: usize| {
            let entries = entries.iter().copied().collect();
            Ledger { entries, last, live }.check().is_ok()
        };
        assert!(ledger(&[(1, Some(0)), (2, None), (3, Some(0))], 3, 2));
        assert!(!ledger(&[(2, Some(0)), (1, Some(0))], 2, 2), "tags that descend");
        assert!(!ledger(&[(1, Some(0)), (1, Some(0))], 2, 2), "a tag twice");
        assert!(!ledger(&[(1, Some(0)), (3, Some(0))], 2, 2), "a tag that was not given");
        assert!(!ledger(&[(1, None), (2, Some(0))], 2, 1), "a hole in front");
        assert!(!ledger(&[(1, Some(0)), (2, None)], 2, 2), "a hole that is counted");
        let holes = |holes: u64| {
            let holes = (2..2 + holes).map(|tag| (tag, None));
            std::iter::once((1, Some(0))).chain(holes).collect::<Vec<_>>()
        };
        let allowed = HOLES_ALLOWED as u64 + 1;
        assert!(ledger(&holes(allowed), 99, 1) && !ledger(&holes(allowed + 1), 99, 1), "more holes than entries");
    }
}
