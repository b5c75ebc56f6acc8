//! Keys: with which ones the messages of a queue can come, as patterns of a topic exchange.
//!
//! A topology does not say what will be published; its bindings say what can arrive. A queue bound with
//! `order.*.created` has messages whose keys fit that pattern, and so its dead letters that keep their keys do. Two
//! patterns *meet* if some key fits both. What is found so is everything that can happen, and maybe more; never less.

use super::super::topology::Binding;
use crate::route::{ExchangeKind, Predicate};
use std::collections::BTreeSet;

/// So many patterns are told apart for one queue; more count as every key.
const MOST_PATTERNS: usize = 32;

/// The pattern of every key.
const EVERY: &str = "#";

/// The keys that messages can have: patterns, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Keys(BTreeSet<String>);

impl Keys {
    /// One key.
    pub(super) fn one(key: &str) -> Self {
        Self(BTreeSet::from([key.to_owned()]))
    }

    /// Those with which a binding from an exchange of this kind lets messages through.
    pub(super) fn through(kind: ExchangeKind, binding: &Binding) -> Self {
        match kind {
            ExchangeKind::Direct | ExchangeKind::Topic => Self::one(&binding.key),
            ExchangeKind::Fanout | ExchangeKind::Headers => Self::one(EVERY),
        }
    }

    /// Takes in other keys; says whether any is new.
    pub(super) fn extend(&mut self, other: &Self) -> bool {
        if self.0.contains(EVERY) || other.0.is_subset(&self.0) {
            return false;
        }
        self.0.extend(other.0.iter().cloned());
        if self.0.len() > MOST_PATTERNS || self.0.contains(EVERY) {
            *self = Self::one(EVERY);
        }
        true
    }

    /// The patterns.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// Whether a pattern is one key.
pub(super) fn is_exact(pattern: &str) -> bool {
    !pattern.split('.').any(|word| matches!(word, "*" | "#"))
}

/// Whether a binding of an exchange of this kind can let a message through whose key fits the pattern.
pub(super) fn lets_through(kind: ExchangeKind, binding: &Binding, pattern: &str) -> bool {
    match kind {
        ExchangeKind::Fanout | ExchangeKind::Headers => true,
        // A direct exchange asked for one very key is asked by its index of keys.
        ExchangeKind::Topic | ExchangeKind::Direct => meet(&binding.key, pattern),
    }
}

/// Whether a headers exchange lets everything through this binding.
pub(super) fn asks_nothing(binding: &Binding) -> bool {
    Predicate::new(&binding.arguments).is_ok_and(|predicate| predicate.matches(None))
}

/// Whether some key fits both patterns.
fn meet(one: &str, other: &str) -> bool {
    if one == other || one == EVERY || other == EVERY {
        return true;
    }
    if differ_at_the_beginning(one, other) || is_exact(one) && is_exact(other) {
        return false;
    }
    let (one, other) = (words(one), words(other));
    // Whether what is left of `one` meets what is left of `other`, from the end: one row for each word of `one`.
    let mut below = row_at_the_end(&other);
    for word in one.iter().rev() {
        let mut row = vec![false; other.len() + 1];
        let at_end = *word == "#" && below.last().copied().unwrap_or_default();
        if let Some(last) = row.last_mut() {
            *last = at_end;
        }
        for (at, across) in other.iter().enumerate().rev() {
            let get = |row: &[bool], at: usize| row.get(at).copied().unwrap_or_default();
            let both_go = get(&below, at + 1);
            let one_goes = get(&below, at);
            let other_goes = get(&row, at + 1);
            let met = match (*word, *across) {
                ("#", _) | (_, "#") => one_goes || other_goes,
                (a, b) => (a == b || a == "*" || b == "*") && both_go,
            };
            if let Some(cell) = row.get_mut(at) {
                *cell = met;
            }
        }
        below = row;
    }
    below.first().copied().unwrap_or_default()
}

/// Whether a word differs before any `#`: most pairs of patterns do, and this costs little.
fn differ_at_the_beginning(one: &str, other: &str) -> bool {
    let pairs = one.split('.').zip(other.split('.')).take_while(|(a, b)| *a != "#" && *b != "#");
    pairs.into_iter().any(|(a, b)| a != b && a != "*" && b != "*")
}

/// Nothing is left of one pattern: the other one's rest must be `#` only.
fn row_at_the_end(other: &[&str]) -> Vec<bool> {
    let mut row: Vec<_> = (0..other.len()).map(|at| other.iter().skip(at).all(|word| *word == "#")).collect();
    row.push(true);
    row
}

/// The empty key has no words.
fn words(pattern: &str) -> Vec<&str> {
    if pattern.is_empty() { Vec::new() } else { pattern.split('.').collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Name, QueueId};
    use crate::route::{Destination, Hit, Topic, Walk};

    /// All texts of up to `most` of these words.
    fn all(of: &[&str], most: usize) -> Vec<String> {
        let mut texts = vec![String::new()];
        let mut longest: Vec<String> = of.iter().map(|word| (*word).to_owned()).collect();
        for _ in 0..most {
            texts.extend(longest.iter().cloned());
            longest = longest.iter().flat_map(|text| of.iter().map(move |word| format!("{text}.{word}"))).collect();
        }
        texts
    }

    /// The router says which keys fit a pattern; two patterns meet if one key fits both. Six words are enough for every
    /// pair of patterns of three.
    #[test]
    fn patterns_meet_where_the_router_finds_a_key_for_both() {
        let keys = all(&["a", "b"], 6);
        let fitting = |pattern: &str| -> BTreeSet<usize> {
            let mut topic = Topic::new();
            topic.insert(&Name::known(pattern), Hit { born: 1, to: Destination::Queue(QueueId(0)) });
            let fits = |key: &str| {
                let mut hits = Vec::new();
                topic.matches(key, &mut Walk::default(), &mut hits);
                !hits.is_empty()
            };
            keys.iter().enumerate().filter(|(_, key)| fits(key)).map(|(at, _)| at).collect()
        };
        let patterns: Vec<_> = all(&["a", "b", "*", "#"], 3).into_iter().map(|text| (fitting(&text), text)).collect();
        for (one_fits, one) in &patterns {
            for (other_fits, other) in &patterns {
                assert_eq!(meet(one, other), !one_fits.is_disjoint(other_fits), "'{one}' and '{other}'");
            }
        }
    }

    #[test]
    fn too_many_patterns_are_every_key() {
        let mut keys = Keys::default();
        for number in 0..MOST_PATTERNS {
            assert!(keys.extend(&Keys::one(&format!("k{number}"))));
            assert!(!keys.extend(&Keys::one(&format!("k{number}"))));
        }
        assert!(keys.extend(&Keys::one("one.more")));
        assert_eq!(keys, Keys::one(EVERY));
        assert!(!keys.extend(&Keys::one("another")));
    }
}
