//! The matcher of an exchange: one of the four kinds.

use super::bindings::Bindings;
use super::direct::Direct;
use super::fanout::Fanout;
use super::headers::{Headers, Predicate};
use super::hits::Hit;
use super::spec::{BindError, ExchangeKind};
use super::topic::{Patterns, Walk};
use crate::message::Table;

/// The bindings of one exchange, arranged for its way of matching.
#[derive(Debug)]
pub(super) enum Matcher {
    Direct(Direct),
    Fanout(Fanout),
    Topic(Box<Patterns>),
    Headers(Headers),
}

/// What a binding asks for, once it is known to be good.
pub(super) struct Asking(Option<Predicate>);

impl Matcher {
    pub(super) fn new(kind: ExchangeKind) -> Self {
        match kind {
            ExchangeKind::Direct => Self::Direct(Direct::default()),
            ExchangeKind::Fanout => Self::Fanout(Fanout::default()),
            ExchangeKind::Topic => Self::Topic(Box::default()),
            ExchangeKind::Headers => Self::Headers(Headers::default()),
        }
    }

    /// Reads what a binding asks for.
    ///
    /// # Errors
    ///
    /// A bad `x-match`, where the exchange compares headers.
    pub(super) fn read(&self, arguments: &Table) -> Result<Asking, BindError> {
        match self {
            Self::Headers(_) => Ok(Asking(Some(Predicate::new(arguments)?))),
            _ => Ok(Asking(None)),
        }
    }

    /// Adds a binding with this key, the youngest of all.
    pub(super) fn insert(&mut self, bindings: &mut Bindings, key: &str, id: u32, asking: Asking) {
        let Some(hit) = bindings.get(id).map(|record| record.hit()) else { return };
        match (self, asking.0) {
            (Self::Direct(direct), _) => direct.insert(bindings, key.as_bytes(), id),
            (Self::Fanout(fanout), _) => fanout.insert(hit),
            (Self::Topic(patterns), _) => patterns.insert(bindings, key.as_bytes(), id),
            (Self::Headers(headers), Some(predicate)) => headers.insert(predicate, hit),
            (Self::Headers(_), None) => {}
        }
    }

    /// Takes out a binding. It must still be among the bindings.
    pub(super) fn remove(&mut self, bindings: &mut Bindings, id: u32) {
        let Some((key, born)) = bindings.get(id).map(|record| (record.key.clone(), record.born)) else { return };
        match self {
            Self::Direct(direct) => direct.remove(bindings, key.bytes(), id),
            Self::Fanout(fanout) => fanout.remove(born),
            Self::Topic(patterns) => patterns.remove(bindings, key.bytes(), id),
            Self::Headers(headers) => headers.remove(born),
        }
    }

    /// Appends the bindings that match, in no particular order; one that matches by two keys may come twice.
    #[inline]
    pub(super) fn collect(
        &self,
        bindings: &Bindings,
        (keys, headers): (&[&str], Option<&Table>),
        walk: &mut Walk,
        out: &mut Vec<Hit>,
    ) {
        match self {
            Self::Direct(direct) => keys.iter().for_each(|key| direct.collect(bindings, key.as_bytes(), out)),
            Self::Fanout(fanout) => fanout.collect(out),
            Self::Topic(patterns) => keys.iter().for_each(|key| patterns.collect(bindings, key, walk, out)),
            Self::Headers(table) => table.collect(headers, out),
        }
    }
}
