//! One topic exchange by itself, without a graph: for tests, fuzzers and benches of patterns.

use super::{Patterns, Walk};
use crate::base::{ExchangeId, Name};
use crate::message::Table;
use crate::route::bindings::Bindings;
use crate::route::hits::Hit;
use crate::route::spec::Bound;
use std::collections::BTreeMap;

/// The bindings of a topic exchange.
#[derive(Debug, Default)]
pub struct Topic {
    bindings: Bindings,
    patterns: Patterns,
    /// Bindings by the numbers of their creation.
    born: BTreeMap<u64, u32>,
}

impl Topic {
    /// No bindings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a binding with this pattern, born under a number greater than any before. Costs the pattern's words.
    pub fn insert(&mut self, pattern: &Name, hit: Hit) {
        let binding = Bound { destination: hit.to, key: pattern, arguments: &Table::new() };
        let sought = self.bindings.seek(ExchangeId(0), binding);
        let id = self.bindings.insert(ExchangeId(0), binding, hit.born, sought);
        self.patterns.insert(&mut self.bindings, pattern.as_bytes(), id);
        self.born.insert(hit.born, id);
    }

    /// Takes out the binding with this pattern that was born under this number; whether it was there.
    pub fn remove(&mut self, pattern: &str, born: u64) -> bool {
        let id = self.born.get(&born).copied();
        let has_it = |id: &u32| self.bindings.get(*id).is_some_and(|known| known.key.bytes() == pattern.as_bytes());
        let Some(id) = id.filter(has_it) else { return false };
        self.patterns.remove(&mut self.bindings, pattern.as_bytes(), id);
        self.bindings.remove(id);
        self.born.remove(&born);
        true
    }

    /// Appends the bindings whose patterns fit the key, each once, in no particular order.
    pub fn matches(&self, key: &str, walk: &mut Walk, out: &mut Vec<Hit>) {
        self.patterns.collect(&self.bindings, key, walk, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::QueueId;
    use crate::route::Destination;

    /// Whether a pattern fits a key: as a leaf of its own, and where another one shares its way and its end.
    fn fits(pattern: &str, key: &str) -> bool {
        let mut topic = Topic::new();
        let hit = |born| Hit { born, to: Destination::Queue(QueueId(0)) };
        topic.insert(&Name::known(pattern), hit(1));
        let found = |topic: &Topic| {
            let mut out = Vec::new();
            topic.matches(key, &mut Walk::default(), &mut out);
            out.iter().filter(|hit| hit.born == 1).count()
        };
        let alone = found(&topic);
        // One that parts from it behind its first word, and one that goes on behind its end.
        let begin = pattern.split('.').next().unwrap_or_default();
        for (born, other) in [(2, format!("{begin}.never")), (3, format!("{pattern}.never"))] {
            topic.insert(&Name::known(&other), hit(born));
            assert_eq!(found(&topic), alone, "{pattern} for {key}, beside {other}");
        }
        assert!(topic.remove(pattern, 1) && found(&topic) == 0);
        assert!(alone <= 1);
        alone == 1
    }

    /// A long word has a number for as long as an edge carries it, whatever short ones do.
    #[test]
    fn long_words_stay_while_another_pattern_has_them() {
        let mut topic = Topic::new();
        let hit = |born| Hit { born, to: Destination::Queue(QueueId(0)) };
        let patterns = ["longer-than-eight.*", "*.longer-than-eight", "*.as-long-as-that", "*.", "*.short"];
        for (born, pattern) in (1..).zip(patterns) {
            topic.insert(&Name::known(pattern), hit(born));
        }
        assert!(topic.remove(patterns[0], 1) && topic.remove(patterns[3], 4));
        for (key, born) in [("a.longer-than-eight", 2), ("a.as-long-as-that", 3), ("a.short", 5)] {
            let mut out = Vec::new();
            topic.matches(key, &mut Walk::default(), &mut out);
            assert_eq!(out.iter().map(|hit| hit.born).collect::<Vec<_>>(), [born], "{key}");
        }
    }

    #[test]
    fn wildcards() {
        for (pattern, key) in [
            ("", ""),
            ("#", ""),
            ("#", "."),
            ("*.*", "."),
            ("a.#", "a"),
            ("a.*.b", "a..b"),
            ("#.#.#", "a"),
            ("#.b.#", "a.b.c"),
            ("#.*.#", "x"),
            ("#.*.#", "x.y.z"),
            ("a.#.*.#", "a.x.y.z"),
            ("a*.#", "a*.c"),
            ("a.#.b.#.a.*", "a.b.c.b.a.a.b"),
            ("*.abcdefgh", "x.abcdefgh"),
        ] {
            assert!(fits(pattern, key), "{pattern} should match {key}");
        }
        for (pattern, key) in [
            ("*", ""),
            ("", "a"),
            ("#.*", ""),
            ("*", "a.b"),
            ("a.#", "b.a"),
            ("a*", "ab"),
            ("a.", "a"),
            ("a.#.b.#.a.*", "a.b.c.a"),
            ("*.abcdefgh", "x.abcdefgi"),
        ] {
            assert!(!fits(pattern, key), "{pattern} should not match {key}");
        }
    }
}
