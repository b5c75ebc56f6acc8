//! The matcher of an exchange: one of the four kinds.

use super::direct::Direct;
use super::fanout::Fanout;
use super::headers::{Headers, Predicate};
use super::hits::Hit;
use super::spec::{BindError, Binding, ExchangeKind};
use super::topic::{Topic, Walk};
use crate::message::Table;

/// The bindings of one exchange, arranged for its way of matching.
#[derive(Debug)]
pub(super) enum Matcher {
    Direct(Direct),
    Fanout(Fanout),
    Topic(Box<Topic>),
    Headers(Headers),
}

impl Matcher {
    pub(super) fn new(kind: ExchangeKind) -> Self {
        match kind {
            ExchangeKind::Direct => Self::Direct(Direct::default()),
            ExchangeKind::Fanout => Self::Fanout(Fanout::default()),
            ExchangeKind::Topic => Self::Topic(Box::new(Topic::new())),
            ExchangeKind::Headers => Self::Headers(Headers::default()),
        }
    }

    /// Adds a binding, born under a number greater than any before.
    ///
    /// # Errors
    ///
    /// A bad `x-match`, where the exchange compares headers.
    pub(super) fn insert(&mut self, binding: &Binding, born: u64) -> Result<(), BindError> {
        let hit = Hit { born, to: binding.destination };
        match self {
            Self::Direct(direct) => direct.insert(&binding.key, hit),
            Self::Fanout(fanout) => fanout.insert(hit),
            Self::Topic(topic) => topic.insert(&binding.key, hit),
            Self::Headers(headers) => headers.insert(Predicate::new(&binding.arguments)?, hit),
        }
        Ok(())
    }

    /// Takes out a binding; whether it was there.
    pub(super) fn remove(&mut self, binding: &Binding, born: u64) -> bool {
        match self {
            Self::Direct(direct) => direct.remove(&binding.key, born),
            Self::Fanout(fanout) => fanout.remove(born),
            Self::Topic(topic) => topic.remove(&binding.key, born),
            Self::Headers(headers) => headers.remove(born),
        }
    }

    /// Appends the bindings that match, in no particular order; one that matches by two keys may come twice.
    #[inline]
    pub(super) fn collect(&self, keys: &[&str], headers: Option<&Table>, walk: &mut Walk, out: &mut Vec<Hit>) {
        match self {
            Self::Direct(direct) => keys.iter().for_each(|key| direct.collect(key, out)),
            Self::Fanout(fanout) => fanout.collect(out),
            Self::Topic(topic) => keys.iter().for_each(|key| topic.matches(key, walk, out)),
            Self::Headers(table) => table.collect(headers, out),
        }
    }
}
