//! Explaining a route: the walk of a message through the graph, with what each binding on the way says to it.
//!
//! It goes the way of [`Graph::route`] (exchanges from a worklist, each once; the alternate exchange where nothing
//! matches), but asks no matcher: it looks at every binding by itself, and so can say why one does not match. A test holds
//! the two against each other.
//!
//! What is kept is bounded: of the bindings that miss, the [`MISSES_SHOWN`] nearest ones of each exchange; the rest is
//! counted. How near a miss is: first the number of differences, then how much fits, then how many letters differ, and
//! of equals the older binding. `miss.rs` tells misses, `words.rs` lays patterns beside keys, `likeness.rs` finds slips.

mod likeness;
mod miss;
mod step;
mod text;
mod words;

pub use likeness::Likeness;
pub use miss::{HeaderMiss, MatchMode, Miss, WordMiss};
pub(crate) use step::ExchangeName;
pub use step::{ExplainedAlternate, ExplainedBinding, ExplainedExchange, Fit, Leads, Matching, Reached};
pub(crate) use text::Quoted;
pub use words::Took;

use super::graph::Graph;
use super::spec::{Binding, Destination, ExchangeKind};
use crate::base::{ExchangeId, QueueId};
use crate::message::Table;
use likeness::distance;
use miss::Compared;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use words::{Gap, lay};

/// How many bindings that miss are shown of one exchange.
pub(crate) const MISSES_SHOWN: usize = 8;

/// How many names are shown that are like one that is not there.
const NAMES_SHOWN: usize = 3;

/// A walk, told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// The exchanges, in the order in which they were come to.
    pub(crate) exchanges: Vec<ExplainedExchange>,
    /// The queues, each once, in the order in which the bindings that led there were looked at.
    pub(crate) queues: Vec<QueueId>,
    /// Where the nearest miss is: the exchange's place and the binding's in it.
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

/// How near a miss is: what is less is nearer.
type Rank = (usize, Reverse<usize>, usize);

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
            match compare(spec.kind, &binding, self.asked) {
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
        let mut nearest: Option<(usize, usize)> = None;
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
                let steps = distance(name, key);
                if nearest.is_none_or(|(known, _)| steps < known) {
                    nearest = Some((steps, bindings.len()));
                }
                let Some(miss) = Miss::of_key(name, key) else { continue };
                bindings.push(by_name(name, Matching::Missed { key: self.asked.told(key), miss }));
            }
        }
        self.told.nearest = nearest.map(|(_, place)| (0, place));
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

/// A binding that misses.
struct Near {
    rank: Rank,
    place: usize,
    /// The nearest key's place.
    key: usize,
    binding: Binding,
}

/// The nearest misses of an exchange.
#[derive(Default)]
struct Misses {
    /// The nearest first.
    nearest: Vec<Near>,
    /// How many there are in all.
    count: usize,
}

impl Misses {
    fn add(&mut self, (rank, key): (Rank, usize), place: usize, binding: Binding) {
        self.count += 1;
        let at = self.nearest.partition_point(|known| known.rank <= rank);
        if at < MISSES_SHOWN {
            self.nearest.truncate(MISSES_SHOWN - 1);
            self.nearest.insert(at, Near { rank, place, key, binding });
        }
    }
}

/// Whether a binding matches, and how; or how near it is, by the key of which place.
fn compare(kind: ExchangeKind, binding: &Binding, asked: Asked<'_>) -> Result<Fit, (Rank, usize)> {
    let by_keys = |compare: &dyn Fn(&str) -> Result<Fit, Rank>| {
        let mut nearest: Option<(Rank, usize)> = None;
        for (at, key) in asked.keys.iter().enumerate() {
            match compare(key) {
                Ok(fit) => return Ok(fit),
                Err(rank) if nearest.is_none_or(|(known, _)| rank < known) => nearest = Some((rank, at)),
                Err(_) => {}
            }
        }
        Err(nearest.unwrap_or_default())
    };
    match kind {
        ExchangeKind::Fanout => Ok(Fit::Fanout),
        ExchangeKind::Direct => by_keys(&|key| match distance(&binding.key, key) {
            _ if *key == *binding.key => Ok(Fit::Key { key: asked.told(key) }),
            steps => Err((1, Reverse(0), steps)),
        }),
        ExchangeKind::Topic => by_keys(&|key| {
            let beside = lay(&binding.key, key);
            if beside.gaps.is_empty() {
                return Ok(Fit::Pattern { key: asked.told(key), took: beside.took });
            }
            let steps = beside.gaps.iter().map(|gap| match gap {
                Gap::Differs { is, wanted, .. } => distance(is, wanted),
                Gap::Missing { wanted: text, .. } | Gap::Extra { is: text, .. } => text.len(),
            });
            Err((beside.gaps.len(), Reverse(beside.same), steps.sum()))
        }),
        ExchangeKind::Headers => match Compared::new(&binding.arguments, asked.headers) {
            Ok(Compared { mode, matches: true, fitting, .. }) => Ok(Fit::Headers { mode, fitting }),
            // Nothing is asked for, and one has to fit: no message ever will.
            Ok(Compared { misses, .. }) if misses.is_empty() => Err(NEVER),
            Ok(Compared { mode: MatchMode::Any | MatchMode::AnyWithX, misses, .. }) => {
                Err(((1, Reverse(0), misses.len()), 0))
            }
            Ok(Compared { fitting, misses, .. }) => Err(((misses.len(), Reverse(fitting.len()), 0), 0)),
            // No binding of a headers exchange is made with such arguments.
            Err(_) => Err(NEVER),
        },
    }
}

/// The rank of a binding that matches nothing.
const NEVER: (Rank, usize) = ((usize::MAX, Reverse(0), 0), 0);

/// Tells why a binding misses, by the nearest key.
fn missed(kind: ExchangeKind, binding: &Binding, key: usize, asked: Asked<'_>) -> Matching {
    let key = asked.keys.get(key).copied().unwrap_or_default();
    let told = match kind {
        ExchangeKind::Topic => Miss::of_topic(&binding.key, key),
        ExchangeKind::Headers => Miss::of_headers(&binding.arguments, asked.headers),
        ExchangeKind::Direct | ExchangeKind::Fanout => Miss::of_key(&binding.key, key),
    };
    let by_key = asked.told(key).filter(|_| kind != ExchangeKind::Headers);
    Matching::Missed { key: by_key, miss: told.unwrap_or(Miss::Words(Vec::new())) }
}

/// The names that are most like this one, the nearest first; none that differ in more than half of their letters.
fn like<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Vec<&'n str> {
    let mut nearest: Vec<(usize, &str)> = Vec::new();
    for known in names {
        let steps = match Likeness::of(known, name) {
            Likeness::Case | Likeness::WhiteSpace => 0,
            Likeness::Typo | Likeness::Unlike => distance(known, name),
        };
        if steps * 2 <= known.chars().count().max(1) {
            let at = nearest.partition_point(|other| *other <= (steps, known));
            if at < NAMES_SHOWN {
                nearest.truncate(NAMES_SHOWN - 1);
                nearest.insert(at, (steps, known));
            }
        }
    }
    nearest.into_iter().map(|(_, name)| name).collect()
}
