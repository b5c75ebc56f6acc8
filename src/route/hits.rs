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

/// A list of hits, ascending by creation, in chunks: no change moves more than a chunk, and a match copies slices.
///
/// Invariants: no chunk is empty; two neighbours are not both so small that together they fill half a chunk.
#[derive(Debug, Default)]
pub(super) struct Hits {
    chunks: Vec<Vec<Hit>>,
}

impl Hits {
    /// Appends a hit, which must be the youngest.
    pub(super) fn push(&mut self, hit: Hit) {
        match self.chunks.last_mut().filter(|last| last.len() < CHUNK) {
            Some(last) => {
                debug_assert!(last.last().is_none_or(|last| last.born < hit.born));
                last.push(hit);
            }
            None => self.chunks.push(vec![hit]),
        }
    }

    /// Takes out the hit born under this number; whether it was there.
    pub(super) fn remove(&mut self, born: u64) -> bool {
        let at = self.chunks.partition_point(|chunk| chunk.last().is_some_and(|last| last.born < born));
        let Some(chunk) = self.chunks.get_mut(at) else { return false };
        let Ok(place) = chunk.binary_search_by_key(&born, |hit| hit.born) else { return false };
        chunk.remove(place);
        self.tidy(at);
        true
    }

    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Appends all hits to `out`.
    #[inline]
    pub(super) fn append_to(&self, out: &mut Vec<Hit>) {
        self.chunks.iter().for_each(|chunk| out.extend_from_slice(chunk));
    }

    /// Gives back what a chunk no longer needs: all of it, where a neighbour has room for what is left.
    fn tidy(&mut self, at: usize) {
        if let Some(chunk) = self.chunks.get_mut(at)
            && chunk.len() < chunk.capacity() / 4
        {
            chunk.shrink_to(chunk.len() * 2);
        }
        self.merge(at);
        if let Some(before) = at.checked_sub(1) {
            self.merge(before);
        }
        if self.chunks.first().is_some_and(Vec::is_empty) {
            self.chunks = Vec::new();
        } else if self.chunks.len() < self.chunks.capacity() / 4 {
            self.chunks.shrink_to(self.chunks.len() * 2);
        }
    }

    /// Puts a chunk and the next one together, where both are small.
    fn merge(&mut self, at: usize) {
        let length = |at: usize| self.chunks.get(at).map_or(CHUNK, Vec::len);
        if length(at) + length(at + 1) <= CHUNK / 2 {
            let next = self.chunks.remove(at + 1);
            self.chunks.get_mut(at).into_iter().for_each(|chunk| chunk.extend_from_slice(&next));
        }
    }
}

/// The hits of a full chunk.
const CHUNK: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::QueueId;

    #[test]
    fn removed_hits_are_gone_and_the_rest_keeps_its_order() {
        const COUNT: u64 = 10_000;
        let mut hits = Hits::default();
        for born in 0..COUNT {
            hits.push(Hit { born, to: Destination::Queue(QueueId(7)) });
        }
        assert!(hits.chunks.iter().all(|chunk| chunk.capacity() == CHUNK), "no push moves more than a chunk");
        assert!((0..COUNT).filter(|born| born % 100 != 0).all(|born| hits.remove(born)));
        assert!(hits.chunks.capacity() <= 4 * hits.chunks.len() + 4, "{}", hits.chunks.capacity());
        assert!(!hits.remove(1) && !hits.remove(COUNT));
        let mut out = Vec::new();
        hits.append_to(&mut out);
        let left: Vec<u64> = out.iter().map(|hit| hit.born).collect();
        assert_eq!(left, (0..COUNT).step_by(100).collect::<Vec<_>>());
        assert!(hits.chunks.len() < 4 && hits.chunks.iter().map(Vec::capacity).sum::<usize>() <= CHUNK);
        assert!(left.iter().all(|born| hits.remove(*born)));
        assert!(hits.is_empty());
    }
}
