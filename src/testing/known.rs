//! The names that a broker's queues and exchanges have or once had, so that an assertion about a name that never was one is
//! told as the slip that it is.

use crate::base::Name;
use crate::port::{Fact, What};
use crate::route::{PREDECLARED, like};
use std::collections::BTreeSet;
use std::fmt;

/// What a name is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Queue,
    Exchange,
}

/// A name that a selection is about.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) kind: Kind,
    pub(super) name: String,
}

/// Every name that was declared, up to [`MOST`] of each kind.
#[derive(Debug, Default)]
pub(super) struct Known {
    queues: BTreeSet<Name>,
    exchanges: BTreeSet<Name>,
}

impl Known {
    /// Remembers a name that a fact declares.
    pub(super) fn take_in(&mut self, fact: &Fact) {
        let (names, name) = match (&fact.what, &fact.queue) {
            (What::QueueDeclared { .. }, Some(queue)) => (&mut self.queues, queue),
            (What::ExchangeDeclared { exchange, .. }, _) => (&mut self.exchanges, exchange),
            _ => return,
        };
        if names.len() < MOST && !names.contains(name) {
            names.insert(name.clone());
        }
    }

    /// Says that there never was anything of that name. Nothing is said where there were too many to remember.
    pub(super) fn miss(&self, Named { kind, name }: &Named) -> Option<Unknown> {
        let predeclared = PREDECLARED.iter().map(|(name, _)| *name);
        let (names, more) = match kind {
            Kind::Queue => (&self.queues, None),
            Kind::Exchange => (&self.exchanges, Some(predeclared)),
        };
        let is_known = names.contains(name.as_str()) || more.clone().into_iter().flatten().any(|known| known == name);
        if is_known || names.len() >= MOST {
            return None;
        }
        let all = names.iter().map(Name::as_str).chain(more.into_iter().flatten()).filter(|known| !known.is_empty());
        let nearest = like(name, all).first().map(|nearest| (*nearest).to_owned());
        Some(Unknown { named: Named { kind: *kind, name: name.clone() }, nearest })
    }
}

/// There never was anything of that name.
#[derive(Clone, Debug)]
pub(super) struct Unknown {
    named: Named,
    nearest: Option<String>,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.named.kind {
            Kind::Queue => "queue",
            Kind::Exchange => "exchange",
        };
        match &self.nearest {
            Some(nearest) => write!(f, "there is no {kind} '{}' (nearest: '{nearest}')", self.named.name),
            None => write!(f, "there is no {kind} '{}'", self.named.name),
        }
    }
}

/// How many names of each kind are remembered.
const MOST: usize = 100_000;
