//! What declaring a topology would do, before it is done.
//!
//! Everything is compared under one lock, by the rules by which [`Broker::declare`] compares: what counts as different
//! here is what declaring refuses there, or, for a policy, what it replaces.

use super::broker::Broker;
use super::declare::current;
use super::exchange::Exchange;
use super::place::{Place, Quoted, on_one_line};
use super::queue::Queue;
use super::topology::{Binding, Topology};
use crate::base::Limits;
use crate::engine::{self, End, exchange_differences, stripped};
use crate::message::{Table, Value};
use crate::queue::{Inequivalent, Policy, equivalent};
use crate::route::same_arguments;
use hashbrown::{HashMap, HashSet};
use std::borrow::Cow;
use std::fmt;

/// How a topology and a broker differ: what [`Topology::diff`] gives.
///
/// Each list has the order of its topology: policies, exchanges, queues, bindings to exchanges, bindings to queues.
///
/// ```
/// use leveret::{Broker, Overflow, Queue, Topology};
///
/// let broker = Broker::new();
/// broker.declare(&Topology::new().queue(Queue::new("orders")).queue(Queue::new("old")))?;
/// let wanted = Topology::new()
///     .queue(Queue::new("orders").max_length(10, Overflow::DropHead))
///     .queue(Queue::new("new"));
/// let diff = wanted.diff(&broker);
/// assert!(!diff.can_be_declared());
/// assert_eq!(diff.to_string(), "\
/// to create:
///   + queue 'new'
/// different:
///   ~ queue 'orders': x-max-length is not set, wanted 10
/// beyond the topology:
///   - queue 'old'
/// declaring it would be refused: delete and declare anew what is different, or want it as it is");
/// # Ok::<(), leveret::DeclareError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct TopologyDiff {
    /// What is not there; declaring creates it.
    pub to_create: Vec<Place>,
    /// What is there, just so.
    pub equal: Vec<Place>,
    /// What is there, and different: queues and exchanges for which declaring is refused, policies that it replaces.
    pub different: Vec<Difference>,
    /// What the broker has and the topology does not want; declaring leaves it alone. Predeclared exchanges are never
    /// among it, nor queues that belong to a connection or whose names the broker made.
    pub beyond: Vec<Place>,
}

/// Something that is there, and not as it is wanted.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Difference {
    /// What it is.
    pub place: Place,
    /// In what it differs; at least one.
    pub fields: Vec<FieldDifference>,
}

/// One field in which something differs.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct FieldDifference {
    /// A flag such as `durable`, an argument such as `x-max-length`, or a policy's key such as `max-length`.
    pub field: String,
    /// What there is; `None` where it is not set.
    pub current: Option<Value>,
    /// What is wanted; `None` where it is not to be set.
    pub wanted: Option<Value>,
}

impl Topology {
    /// Compares the topology with what a broker has, and changes nothing.
    ///
    /// Compared is what RabbitMQ compares in a redeclaration: arguments that it does not know do not count. Of two
    /// things with one name the first counts. Mistakes of the topology itself are not looked for: see
    /// [`lint`](Self::lint), and [`Broker::declare`], which refuses them.
    ///
    /// A broker that was shut down has nothing.
    #[must_use]
    pub fn diff(&self, broker: &Broker) -> TopologyDiff {
        let engine = broker.engine();
        let state = engine.topology.read();
        let mut compare =
            Compare { state: &state, limits: &engine.limits, wanted: Wanted::default(), diff: TopologyDiff::default() };
        for policy in &self.policies {
            compare.policy(policy);
        }
        for exchange in &self.exchanges {
            compare.exchange(exchange);
        }
        for queue in &self.queues {
            compare.queue(queue);
        }
        for (end, binding) in self.all_bindings() {
            compare.binding(end, binding);
        }
        compare.beyond();
        compare.diff
    }
}

impl TopologyDiff {
    /// Whether the broker has everything, just so: declaring would change nothing. What is beyond does not count.
    #[must_use]
    pub const fn is_declared(&self) -> bool {
        self.to_create.is_empty() && self.different.is_empty()
    }

    /// Whether nothing that exists keeps the topology from being declared: at most policies differ.
    #[must_use]
    pub fn can_be_declared(&self) -> bool {
        self.different.iter().all(|difference| matches!(difference.place, Place::Policy { .. }))
    }

    fn note(&mut self, place: Place, there: bool, fields: Vec<FieldDifference>) {
        match (there, fields.is_empty()) {
            (false, _) => self.to_create.push(place),
            (true, true) => self.equal.push(place),
            (true, false) => self.different.push(Difference { place, fields }),
        }
    }
}

/// What was wanted so far, by the names under which it would be declared.
#[derive(Default)]
struct Wanted<'a> {
    policies: HashSet<&'a str>,
    exchanges: HashSet<Cow<'a, str>>,
    queues: HashSet<Cow<'a, str>>,
    /// Arguments of the bindings between two names with one key.
    bindings: HashMap<Route, Vec<&'a Table>>,
}

/// What a binding joins: whether it leads to a queue, source, destination and key.
type Route = (bool, String, String, String);

struct Compare<'a> {
    state: &'a engine::Topology,
    limits: &'a Limits,
    wanted: Wanted<'a>,
    diff: TopologyDiff,
}

impl<'a> Compare<'a> {
    fn policy(&mut self, policy: &'a Policy) {
        if self.wanted.policies.insert(&policy.name) {
            let there = self.state.policies.get(&policy.name);
            let fields = there.map(|there| policy_differences(there, policy)).unwrap_or_default();
            self.diff.note(Place::policy(&policy.name), there.is_some(), fields);
        }
    }

    fn exchange(&mut self, exchange: &'a Exchange) {
        let name = declared_name(&exchange.name);
        if !self.wanted.exchanges.insert(name.clone()) {
            return;
        }
        let there = self.state.graph.find(&name).and_then(|id| self.state.graph.exchange(id));
        let request = exchange.request();
        let differences = there.map(|there| exchange_differences(there, exchange.kind, &request));
        let fields = differences.into_iter().flatten().map(FieldDifference::from).collect();
        self.diff.note(Place::exchange(&name), there.is_some(), fields);
    }

    fn queue(&mut self, queue: &'a Queue) {
        let name = declared_name(&queue.name);
        if !self.wanted.queues.insert(name.clone()) {
            return;
        }
        let cell = self.state.queue(&name);
        let mut fields = Vec::new();
        if let Some(cell) = cell {
            let Queue { durable, auto_delete, arguments, .. } = queue;
            if cell.owner.is_some() {
                fields.push(FieldDifference::new("exclusive", Some(true.into()), Some(false.into())));
            }
            fields.extend(cell.spec.all_differences(*durable, *auto_delete, arguments).map(FieldDifference::from));
        }
        self.diff.note(Place::queue(&name), cell.is_some(), fields);
    }

    fn binding(&mut self, end: End<&'a str>, binding: &'a Binding) {
        let known = self.wanted.bindings.entry(route(end, binding)).or_default();
        if known.iter().any(|arguments| same_arguments(arguments, &binding.arguments)) {
            return;
        }
        known.push(&binding.arguments);
        // What cannot be asked for is not there either.
        let there = binding.asked(end).checked(self.limits).is_ok_and(|checked| {
            let found = self.state.find_binding(&checked);
            found.is_ok_and(|(source, bound)| self.state.graph.is_bound(source, bound))
        });
        self.diff.note(Place::binding(end, binding), there, Vec::new());
    }

    /// What the broker has beyond what is wanted.
    fn beyond(&mut self) {
        let there = current(self.state);
        let Wanted { policies, exchanges, queues, bindings } = &self.wanted;
        let beyond = &mut self.diff.beyond;
        let names = there.policies.iter().map(|policy| policy.name.as_str());
        beyond.extend(names.filter(|name| !policies.contains(name)).map(Place::policy));
        let names = there.exchanges.iter().map(|exchange| exchange.name.as_str());
        let names = names.filter(|name| !name.starts_with("amq.") && !exchanges.contains(*name));
        beyond.extend(names.map(Place::exchange));
        let names = there.queues.iter().map(|queue| queue.name.as_str());
        beyond.extend(names.filter(|name| !queues.contains(*name)).map(Place::queue));
        for (end, binding) in there.all_bindings() {
            let known = bindings.get(&route(end, binding)).map_or(&[][..], Vec::as_slice);
            if !known.iter().any(|arguments| same_arguments(arguments, &binding.arguments)) {
                beyond.push(Place::binding(end, binding));
            }
        }
    }
}

/// The name under which something would be declared; as it stands where that is too long to be declared.
fn declared_name(name: &str) -> Cow<'_, str> {
    stripped(name).unwrap_or(Cow::Borrowed(name))
}

fn route(end: End<&str>, binding: &Binding) -> Route {
    let (to_queue, destination) = match end {
        End::Queue(name) => (true, name),
        End::Exchange(name) => (false, name),
    };
    let (source, destination) = (declared_name(&binding.source), declared_name(destination));
    (to_queue, source.into_owned(), destination.into_owned(), binding.key.clone())
}

/// Pattern, what it is laid over, priority, then the keys of the one there is and those that only the other has.
fn policy_differences(there: &Policy, wanted: &Policy) -> Vec<FieldDifference> {
    let text = |text: &str| Some(Value::from(text));
    let mut fields = vec![
        FieldDifference::new("pattern", text(&there.pattern), text(&wanted.pattern)),
        FieldDifference::new("apply-to", text(there.apply_to.as_str()), text(wanted.apply_to.as_str())),
        FieldDifference::new("priority", Some(there.priority.into()), Some(wanted.priority.into())),
    ];
    let value = |policy: &Policy, key: &str| {
        policy.definition.iter().find(|(known, _)| *known == key).map(|(_, value)| value.clone())
    };
    let here = there.definition.iter().map(|(key, _)| key);
    let new = wanted.definition.iter().map(|(key, _)| key).filter(|key| value(there, key).is_none());
    fields.extend(here.chain(new).map(|key| FieldDifference::new(key, value(there, key), value(wanted, key))));
    fields.retain(|field| !equivalent(field.current.as_ref(), field.wanted.as_ref()));
    fields
}

impl FieldDifference {
    fn new(field: &str, current: Option<Value>, wanted: Option<Value>) -> Self {
        Self { field: field.into(), current, wanted }
    }
}

impl From<Inequivalent> for FieldDifference {
    fn from(Inequivalent { argument, received, current, .. }: Inequivalent) -> Self {
        Self::new(argument, current, received)
    }
}

impl fmt::Display for TopologyDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sections: [(&str, char, Vec<String>); 4] = [
            ("to create", '+', self.to_create.iter().map(Place::to_string).collect()),
            ("equal", '=', self.equal.iter().map(Place::to_string).collect()),
            ("different", '~', self.different.iter().map(Difference::to_string).collect()),
            ("beyond the topology", '-', self.beyond.iter().map(Place::to_string).collect()),
        ];
        for (title, mark, lines) in sections.iter().filter(|(_, _, lines)| !lines.is_empty()) {
            writeln!(f, "{title}:")?;
            for line in lines {
                writeln!(f, "  {mark} {line}")?;
            }
        }
        f.write_str(match (self.is_declared(), self.can_be_declared()) {
            (true, _) => "declaring it would change nothing",
            (false, true) => "it can be declared",
            (false, false) => {
                "declaring it would be refused: delete and declare anew what is different, or want it as it is"
            }
        })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.place)?;
        for (at, field) in self.fields.iter().enumerate() {
            write!(f, "{}{field}", if at == 0 { ": " } else { "; " })?;
        }
        Ok(())
    }
}

impl fmt::Display for FieldDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<Value>| match value {
            None => "not set".to_owned(),
            Some(value) if value.as_str().is_some() => Quoted(&value.to_string()).to_string(),
            Some(value) => on_one_line(&value.to_string()).into_owned(),
        };
        write!(f, "{} is {}, wanted {}", on_one_line(&self.field), shown(&self.current), shown(&self.wanted))
    }
}
