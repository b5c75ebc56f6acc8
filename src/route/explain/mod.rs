//! Explaining a route: the walk of a message through the graph, with what each binding on the way says to it.
//!
//! It goes the way of [`Graph::route`] (exchanges from a worklist, each once; the alternate exchange where nothing
//! matches), but asks no matcher: it looks at every binding by itself, and so can say why one does not match. A test holds
//! the two against each other.
//!
//! What is kept is bounded: of the bindings that miss, the nearest ones of each exchange (`near.rs`); the rest is counted.
//! `miss.rs` tells misses, `words.rs` lays patterns beside keys, `likeness.rs` finds slips.

mod likeness;
mod miss;
mod near;
mod step;
mod text;
mod words;

pub use likeness::Likeness;
pub use miss::{HeaderMiss, MatchMode, Miss, WordMiss};
pub(crate) use near::like;
pub(crate) use step::ExchangeName;
pub use step::{ExplainedAlternate, ExplainedBinding, ExplainedExchange, Fit, Leads, Matching, Reached};
pub(crate) use text::Quoted;
pub use words::Took;

use super::graph::Graph;
use super::spec::{Binding, Destination, ExchangeKind};
use crate::base::{ExchangeId, QueueId};
use crate::message::Table;
use near::{Misses, Near, Rank, compare, missed};
use std::collections::BTreeSet;

/// A walk, told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// The exchanges, in the order in which they were come to.
    pub(crate) exchanges: Vec<ExplainedExchange>,
    /// The queues, each once, in the order in which the bindings that led there were looked at.
    pub(crate) queues: Vec<QueueId>,
    /// Where the nearest miss is: the exchange's place and the binding's in it; not of the default exchange, which has none.
    pub(crate) nearest: Option<(usize, usize)>,
}

/// What is published.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// The routing key, then those of `CC` and `BCC`.
    pub(crate) keys: &'a [&'a str],
    pub(crate) headers: Option<&'a Table>,
}

impl Asked<'_> {
    /// A key as it is told: not at all, where there is only one.
    fn told(&self, key: &str) -> Option<String> {
        (self.keys.len() > 1).then(|| key.to_owned())
    }
}

impl Graph {
    /// Walks as [`Graph::route`] does, and tells everything on the way. Looks at every binding of every exchange that it
    /// comes to.
    pub(crate) fn tell(&self, exchange: ExchangeId, asked: Asked<'_>) -> Told {
        let mut walk = Walk::new(self, asked);
        walk.visit(exchange, Reached::Published);
        if exchange == Self::DEFAULT {
            walk.by_name();
        } else {
            let mut at = 0;
            while let Some(here) = walk.worklist.get(at).copied() {
                walk.look(here, at);
                at += 1;
            }
        }
        walk.told
    }

    /// The names of exchanges that are most like one that is not there.
    pub(crate) fn exchanges_like(&self, name: &str) -> Vec<String> {
        let names = self.exchanges().map(|(_, spec)| spec.name.as_str()).filter(|known| !known.is_empty());
        like(name, names).into_iter().map(str::to_owned).collect()
    }

    /// A binding as it is told.
    fn told(&self, kind: ExchangeKind, binding: Binding, matching: Matching) -> ExplainedBinding {
        let leads = match binding.destination {
            Destination::Queue(queue) => {
                Leads::Queue(self.queue_name(queue).map(ToString::to_string).unwrap_or_default())
            }
            Destination::Exchange(exchange) => {
                Leads::Exchange(self.exchange(exchange).map(|spec| spec.name.to_string()).unwrap_or_default())
            }
        };
        ExplainedBinding { kind, key: binding.key.to_string(), arguments: binding.arguments, leads, matching }
    }
}

/// A walk under way.
struct Walk<'a> {
    graph: &'a Graph,
    asked: Asked<'a>,
    worklist: Vec<ExchangeId>,
    seen: BTreeSet<ExchangeId>,
    taken: BTreeSet<QueueId>,
    told: Told,
    /// How near the nearest miss is.
    nearest: Option<Rank>,
}

impl<'a> Walk<'a> {
    fn new(graph: &'a Graph, asked: Asked<'a>) -> Self {
        let (worklist, seen, taken) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        Self { graph, asked, worklist, seen, taken, told: Told::default(), nearest: None }
    }

    /// Puts an exchange on the worklist, unless it was there before; whether it was new.
    fn visit(&mut self, exchange: ExchangeId, reached: Reached) -> bool {
        let Some(spec) = self.graph.exchange(exchange).filter(|_| self.seen.insert(exchange)) else { return false };
        self.worklist.push(exchange);
        self.told.exchanges.push(ExplainedExchange {
            name: spec.name.to_string(),
            kind: spec.kind,
            reached,
            bindings: Vec::new(),
            more_misses: 0,
            alternate: None,
        });
        true
    }

    fn take(&mut self, queue: QueueId) {
        if self.taken.insert(queue) {
            self.told.queues.push(queue);
        }
    }

    /// Looks at one exchange, the one in this place of what is told.
    fn look(&mut self, exchange: ExchangeId, at: usize) {
        let Some(spec) = self.graph.exchange(exchange) else { return };
        let mut shown: Vec<(usize, ExplainedBinding)> = Vec::new();
        let mut misses = Misses::default();
        for (place, binding) in self.graph.bindings_of(exchange).enumerate() {
            match compare(spec.kind, &binding, self.asked, misses.worst()) {
                Ok(fit) => {
                    self.follow(&spec.name, binding.destination);
                    shown.push((place, self.graph.told(spec.kind, binding, Matching::Matched(fit))));
                }
                Err(near) => misses.add(near, place, binding),
            }
        }
        let matched = !shown.is_empty();
        let more = misses.count - misses.nearest.len();
        let nearest = misses.nearest.first().map(|near| (near.rank, near.place));
        for Near { place, key, binding, .. } in misses.nearest {
            // Told only now: of most of those that miss nothing is said.
            let missed = missed(spec.kind, &binding, key, self.asked);
            shown.push((place, self.graph.told(spec.kind, binding, missed)));
        }
        shown.sort_unstable_by_key(|(place, _)| *place);
        if let Some((rank, place)) = nearest
            && self.nearest.is_none_or(|known| rank < known)
        {
            self.nearest = Some(rank);
            self.told.nearest = shown.iter().position(|(known, _)| *known == place).map(|place| (at, place));
        }
        let alternate = spec.alternate.as_ref().map(|name| self.alternate(&spec.name, name, matched));
        if let Some(told) = self.told.exchanges.get_mut(at) {
            told.bindings = shown.into_iter().map(|(_, binding)| binding).collect();
            told.more_misses = more as u64;
            told.alternate = alternate;
        }
    }

    /// Goes where a binding leads.
    fn follow(&mut self, from: &str, destination: Destination) {
        match destination {
            Destination::Queue(queue) => self.take(queue),
            Destination::Exchange(exchange) => {
                self.visit(exchange, Reached::Bound { from: from.to_owned() });
            }
        }
    }

    /// Goes to the alternate exchange, where nothing matched.
    fn alternate(&mut self, of: &str, name: &str, matched: bool) -> ExplainedAlternate {
        let name = name.to_owned();
        if matched {
            return ExplainedAlternate::NotNeeded(name);
        }
        // The default exchange has no stored bindings, so as an alternate it finds nothing.
        match self.graph.find(&name) {
            Some(Graph::DEFAULT) => ExplainedAlternate::Default,
            None => ExplainedAlternate::Missing(name),
            Some(exchange) if self.visit(exchange, Reached::Alternate { of: of.to_owned() }) => {
                ExplainedAlternate::Taken(name)
            }
            Some(_) => ExplainedAlternate::Seen(name),
        }
    }

    /// The default exchange: keys are names of queues, and each queue is bound by its name.
    fn by_name(&mut self) {
        let (graph, keys) = (self.graph, self.asked.keys);
        let mut bindings = Vec::new();
        for (at, key) in keys.iter().enumerate() {
            if keys.iter().take(at).any(|earlier| earlier == key) {
                continue;
            }
            if let Some(queue) = graph.queue(key) {
                self.take(queue);
                bindings.push(by_name(key, Matching::Matched(Fit::Key { key: self.asked.told(key) })));
                continue;
            }
            for name in like(key, graph.queues().map(|(_, name)| name.as_str())) {
                let Some(miss) = Miss::of_key(name, key) else { continue };
                bindings.push(by_name(name, Matching::Missed { key: self.asked.told(key), miss }));
            }
        }
        if let Some(told) = self.told.exchanges.first_mut() {
            told.bindings = bindings;
        }
    }
}

/// The binding that every queue has to the default exchange.
fn by_name(queue: &str, matching: Matching) -> ExplainedBinding {
    let (kind, arguments, leads) = (ExchangeKind::Direct, Table::new(), Leads::Queue(queue.to_owned()));
    ExplainedBinding { kind, key: queue.to_owned(), arguments, leads, matching }
}
