//! The graph: all exchanges, the names of all queues, and all bindings between them.
//!
//! What it holds and how to look at it is here. `change.rs` changes it, `route.rs` walks it, `generation.rs`
//! tells who is touched by a change.

mod change;
mod generation;
#[cfg(feature = "testing")]
mod restart;
mod route;

use super::bindings::{Bindings, List, Side};
use super::matcher::Matcher;
use super::slots::Slots;
use super::spec::{Binding, Bound, Destination, ExchangeKind, ExchangeSpec};
use crate::base::sync::atomic::AtomicU64;
use crate::base::{ExchangeId, Name, QueueId};
use hashbrown::HashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The routing topology of a broker.
///
/// Routing borrows it immutably, so that many may route at once; everything else needs it alone.
///
/// Invariants: a binding is in the matcher of its source, in its source's list, in its destination's list and in the
/// index, or in none of them; `feeders` of an exchange counts the bindings to it for each source; `alternates` names
/// every exchange whose alternate is set and not empty.
#[derive(Debug)]
pub struct Graph {
    exchanges: Slots<Option<Box<Exchange>>>,
    /// Exchanges by the number of their creation.
    order: BTreeMap<u64, ExchangeId>,
    names: HashMap<Name, ExchangeId>,
    /// Who hands over to an exchange of this name, whether it exists or not.
    alternates: HashMap<Name, BTreeSet<ExchangeId>>,
    /// Queues by their ids, which are slots.
    queues: Vec<Option<Queue>>,
    queue_names: HashMap<Name, QueueId>,
    bindings: Bindings,
    /// The number of the next creation of an exchange or binding.
    next_born: u64,
    /// The number of the last walk upstream.
    last_mark: u64,
}

/// An exchange in the graph.
#[derive(Debug)]
struct Exchange {
    spec: ExchangeSpec,
    matcher: Matcher,
    /// Bindings from it.
    from: List,
    /// Bindings to it.
    to: List,
    /// How many bindings to it each exchange has.
    feeders: BTreeMap<ExchangeId, u32>,
    generation: Arc<AtomicU64>,
    born: u64,
    /// The last walk upstream that came by.
    mark: u64,
}

/// A queue in the graph.
#[derive(Debug)]
struct Queue {
    name: Name,
    /// Bindings to it.
    to: List,
}

impl Default for Graph {
    fn default() -> Self {
        Self::new()
    }
}

impl Graph {
    /// The default exchange.
    pub const DEFAULT: ExchangeId = ExchangeId(0);

    /// A graph with the exchanges that RabbitMQ declares in a new virtual host.
    #[must_use]
    pub fn new() -> Self {
        let mut graph = Self {
            exchanges: Slots::new(),
            order: BTreeMap::new(),
            names: HashMap::new(),
            alternates: HashMap::new(),
            queues: Vec::new(),
            queue_names: HashMap::new(),
            bindings: Bindings::default(),
            next_born: 0,
            last_mark: 0,
        };
        for (name, kind) in PREDECLARED {
            graph.insert(ExchangeSpec::new(Name::known(name), kind));
        }
        graph
    }

    /// The exchange of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<ExchangeId> {
        self.names.get(name).copied()
    }

    /// What an exchange was declared as.
    #[must_use]
    pub fn exchange(&self, id: ExchangeId) -> Option<&ExchangeSpec> {
        self.at(id).map(|exchange| &exchange.spec)
    }

    /// All exchanges, in the order in which they were made.
    pub fn exchanges(&self) -> impl Iterator<Item = (ExchangeId, &ExchangeSpec)> {
        self.order.values().filter_map(|id| Some((*id, self.exchange(*id)?)))
    }

    /// How many exchanges there are, the predeclared ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there are no exchanges; never so, since the default exchange stays.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The queue of this name.
    #[must_use]
    pub fn queue(&self, name: &str) -> Option<QueueId> {
        self.queue_names.get(name).copied()
    }

    /// All queues, by their ids.
    pub fn queues(&self) -> impl Iterator<Item = (QueueId, &Name)> {
        (0..).zip(&self.queues).filter_map(|(id, queue)| Some((QueueId(id), &queue.as_ref()?.name)))
    }

    /// The name of a queue.
    #[must_use]
    pub fn queue_name(&self, id: QueueId) -> Option<&Name> {
        self.queue_at(id).map(|queue| &queue.name)
    }

    /// The bindings from an exchange, in the order in which they were made.
    pub fn bindings_of(&self, source: ExchangeId) -> impl Iterator<Item = Binding> {
        let list = self.at(source).map_or(List::EMPTY, |exchange| exchange.from);
        self.bindings.iter(list, Side::From).filter_map(|id| self.bindings.binding(id))
    }

    /// The bindings to a queue or exchange with their sources, in the order in which they were made.
    #[must_use]
    pub fn bindings_to(&self, destination: Destination) -> Vec<(ExchangeId, Binding)> {
        let list = self.list_to(destination).unwrap_or(List::EMPTY);
        let known = |id| Some((self.bindings.get(id)?.source, self.bindings.binding(id)?));
        self.bindings.iter(list, Side::To).filter_map(known).collect()
    }

    /// Whether the exchange has exactly this binding.
    #[must_use]
    pub fn is_bound<'b>(&self, source: ExchangeId, binding: impl Into<Bound<'b>>) -> bool {
        self.bindings.seek(source, binding.into()).found().is_some()
    }

    /// How many bindings there are, over all exchanges.
    #[must_use]
    pub fn binding_count(&self) -> usize {
        self.bindings.len()
    }

    /// Whether there are bindings from the exchange: what `if_unused` asks.
    #[must_use]
    pub fn in_use(&self, id: ExchangeId) -> bool {
        self.at(id).is_some_and(|exchange| !exchange.from.is_empty())
    }

    fn at(&self, id: ExchangeId) -> Option<&Exchange> {
        self.exchanges.get(id.0)?.as_deref()
    }

    fn at_mut(&mut self, id: ExchangeId) -> Option<&mut Exchange> {
        self.exchanges.get_mut(id.0)?.as_deref_mut()
    }

    fn queue_at(&self, id: QueueId) -> Option<&Queue> {
        self.queues.get(id.0 as usize)?.as_ref()
    }

    /// The list of bindings to a destination; `None` where that is not there.
    fn list_to(&self, destination: Destination) -> Option<List> {
        match destination {
            Destination::Queue(id) => self.queue_at(id).map(|queue| queue.to),
            Destination::Exchange(id) => self.at(id).map(|exchange| exchange.to),
        }
    }

    /// The number of a creation.
    fn bear(&mut self) -> u64 {
        self.next_born += 1;
        self.next_born
    }
}

/// The exchanges of a new virtual host. The default exchange comes first: its id is zero.
pub(crate) const PREDECLARED: [(&str, ExchangeKind); 6] = [
    ("", ExchangeKind::Direct),
    ("amq.direct", ExchangeKind::Direct),
    ("amq.fanout", ExchangeKind::Fanout),
    ("amq.headers", ExchangeKind::Headers),
    ("amq.match", ExchangeKind::Headers),
    ("amq.topic", ExchangeKind::Topic),
];
