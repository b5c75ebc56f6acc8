//! Hits: the bindings that share one key, pattern or exchange, in the order in which they were made.

use super::spec::Destination;

/// A binding that matches: its number of creation, and where it leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The number of the binding's creation; no two bindings have the same, later ones have greater ones.
    pub born: u64,
    /// Where the binding leads.
    pub to: Destination,
}

/// A list of hits, ascending by creation. Most have one, so one needs no memory of its own.
#[derive(Debug, Default)]
pub(super) enum Hits {
    #[default]
    None,
    One(Hit),
    Many(Box<Many>),
}

/// A list of several hits.
///
/// A removal only marks its entry, so that taking ten thousand bindings off one list does not move the rest ten
/// thousand times; once half of the list is marked, it is swept.
#[derive(Debug, Default)]
pub(super) struct Many {
    entries: Vec<Entry>,
    removed: usize,
}

/// A hit, or the mark of a removed one.
#[derive(Clone, Copy, Debug)]
struct Entry {
    born: u64,
    to: Option<Destination>,
}

impl Hits {
    /// Appends a hit, which must be the youngest.
    pub(super) fn push(&mut self, hit: Hit) {
        match self {
            Self::None => *self = Self::One(hit),
            Self::One(first) => {
                let entries = [*first, hit].map(|hit| Entry { born: hit.born, to: Some(hit.to) }).into();
                *self = Self::Many(Box::new(Many { entries, removed: 0 }));
            }
            Self::Many(many) => {
                debug_assert!(many.entries.last().is_none_or(|last| last.born < hit.born));
                many.entries.push(Entry { born: hit.born, to: Some(hit.to) });
            }
        }
    }

    /// Takes out the hit born under this number; whether it was there.
    pub(super) fn remove(&mut self, born: u64) -> bool {
        match self {
            Self::One(hit) if hit.born == born => *self = Self::None,
            Self::Many(many) => {
                if !many.remove(born) {
                    return false;
                }
                if many.entries.is_empty() {
                    *self = Self::None;
                }
            }
            _ => return false,
        }
        true
    }

    pub(super) const fn is_empty(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Appends all hits to `out`.
    #[inline]
    pub(super) fn append_to(&self, out: &mut Vec<Hit>) {
        match self {
            Self::None => {}
            Self::One(hit) => out.push(*hit),
            Self::Many(many) => {
                out.extend(many.entries.iter().filter_map(|entry| Some(Hit { born: entry.born, to: entry.to? })));
            }
        }
    }
}

impl Many {
    fn remove(&mut self, born: u64) -> bool {
        let Ok(at) = self.entries.binary_search_by_key(&born, |entry| entry.born) else { return false };
        if self.entries.get_mut(at).and_then(|entry| entry.to.take()).is_none() {
            return false;
        }
        self.removed += 1;
        if self.removed * 2 > self.entries.len() {
            self.entries.retain(|entry| entry.to.is_some());
            self.entries.shrink_to(self.entries.len() * 2);
            self.removed = 0;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::QueueId;

    #[test]
    fn removed_hits_are_gone_and_the_rest_keeps_its_order() {
        let mut hits = Hits::default();
        for born in 0..100 {
            hits.push(Hit { born, to: Destination::Queue(QueueId(7)) });
        }
        assert!((0..100).filter(|born| born % 3 != 0).all(|born| hits.remove(born)));
        assert!(!hits.remove(1) && !hits.remove(100));
        let mut out = Vec::new();
        hits.append_to(&mut out);
        assert_eq!(out.iter().map(|hit| hit.born).collect::<Vec<_>>(), (0..100).step_by(3).collect::<Vec<_>>());
        assert!((0..100).step_by(3).all(|born| hits.remove(born)));
        assert!(hits.is_empty());
    }
}
