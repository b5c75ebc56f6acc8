//! A topology as it would be in force: policies applied, names looked up, bindings seen from both ends.
//!
//! Linting and drawing read it. Nothing here is an error: what a broker would refuse is in it as far as it has a name.
//! `keys.rs` says which keys a message can have, `letters.rs` where the dead of each queue go, `roles.rs` what each
//! queue is for.

mod keys;
mod letters;
mod roles;

pub(super) use letters::{DyingOf, Letters};
pub(super) use roles::{Role, Roles};

use super::exchange::Exchange;
use super::queue::Queue;
use super::topology::{Binding, Topology};
use crate::base::Name;
use crate::engine::{End, Policies, check_queue_name, stripped};
use crate::message::Value;
use crate::queue::{PolicyDefinition, QueueKind, QueueSpec, Settings};
use crate::route::{ExchangeKind, PREDECLARED};
use hashbrown::HashMap;
use std::borrow::Cow;

/// What a definitions file has beside its topology: things of plugins, which exist and cannot be told.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Elsewhere {
    /// Exchanges of types that are not known here.
    pub(super) exchanges: Vec<Exchange>,
    /// Queues of types that are not known here.
    pub(super) queues: Vec<String>,
    /// Bindings from or to one of these: whether it leads to a queue, where it leads, the binding.
    pub(super) bindings: Vec<(bool, String, Binding)>,
    /// Bindings whose source or destination is nowhere in the file.
    pub(super) lost: Vec<(bool, String, Binding)>,
}

/// Where an exchange or a queue in the view comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The topology wants it.
    Wanted,
    /// Every broker has it.
    Predeclared,
    /// A plugin's; what it does is not known.
    Elsewhere,
}

/// An exchange, and what leads to it and from it.
pub(super) struct ExchangeView<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) origin: Origin,
    pub(super) kind: ExchangeKind,
    pub(super) durable: bool,
    pub(super) auto_delete: bool,
    pub(super) internal: bool,
    /// The alternate in force: argument or policy.
    pub(super) alternate: Option<Name>,
    /// Bindings from it, in the order of the topology.
    pub(super) outward: Vec<(End<Cow<'a, str>>, &'a Binding)>,
    /// The same by their keys, at a direct exchange.
    by_key: HashMap<&'a str, Vec<usize>>,
    /// Whether every message that comes here goes on to something, whatever its key and headers.
    pub(super) has_catch_all: bool,
    /// How many bindings lead to it.
    pub(super) inward: usize,
}

/// A queue, and what leads to it.
pub(super) struct QueueView<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) origin: Origin,
    pub(super) kind: QueueKind,
    pub(super) durable: bool,
    pub(super) auto_delete: bool,
    /// The policy in force.
    pub(super) policy: Option<PolicyDefinition>,
    /// What is in force; nothing where a broker would refuse it, or where it is a plugin's.
    pub(super) settings: Option<Settings>,
    /// As it is wanted; nothing where it is a plugin's.
    pub(super) queue: Option<&'a Queue>,
    /// Bindings that lead to it.
    pub(super) inward: Vec<&'a Binding>,
}

/// All of it.
pub(super) struct View<'a> {
    pub(super) policies: Policies,
    /// Those of the topology in its order, then the predeclared ones, then those of plugins.
    pub(super) exchanges: Vec<ExchangeView<'a>>,
    /// Those of the topology in its order, then those of plugins.
    pub(super) queues: Vec<QueueView<'a>>,
    /// Those whose ends are not there as well.
    bindings: Vec<(End<&'a str>, &'a Binding)>,
    exchange_places: HashMap<Cow<'a, str>, usize>,
    queue_places: HashMap<Cow<'a, str>, usize>,
}

impl<'a> View<'a> {
    pub(super) fn new(topology: &'a Topology, elsewhere: &'a Elsewhere) -> Self {
        let mut view = Self {
            policies: Policies::of(topology.policies()),
            exchanges: Vec::new(),
            queues: Vec::new(),
            bindings: topology.all_bindings().collect(),
            exchange_places: HashMap::new(),
            queue_places: HashMap::new(),
        };
        for exchange in topology.exchanges() {
            let predeclared = PREDECLARED.iter().any(|(name, _)| *name == exchange.name);
            view.add_exchange(exchange, if predeclared { Origin::Predeclared } else { Origin::Wanted });
        }
        for (name, kind) in PREDECLARED {
            view.add_predeclared(name, kind);
        }
        for exchange in &elsewhere.exchanges {
            view.add_exchange(exchange, Origin::Elsewhere);
        }
        for queue in topology.queues() {
            view.add_queue(queue);
        }
        for name in &elsewhere.queues {
            view.add_queue_elsewhere(name);
        }
        for (end, binding) in topology.all_bindings() {
            view.add_binding(end, binding);
        }
        for (to_queue, destination, binding) in &elsewhere.bindings {
            view.add_binding(if *to_queue { End::Queue(destination) } else { End::Exchange(destination) }, binding);
        }
        view
    }

    /// The exchange of this name.
    pub(super) fn exchange(&self, name: &str) -> Option<&ExchangeView<'a>> {
        self.exchange_places.get(name).and_then(|at| self.exchanges.get(*at))
    }

    /// The queue of this name.
    pub(super) fn queue(&self, name: &str) -> Option<&QueueView<'a>> {
        self.queue_places.get(name).and_then(|at| self.queues.get(*at))
    }

    /// The bindings of the topology in its order, those from or to what is not there as well.
    pub(super) fn all_bindings(&self) -> impl Iterator<Item = (End<&'a str>, &'a Binding)> {
        self.bindings.iter().copied()
    }

    /// The exchanges that the topology wants.
    pub(super) fn wanted_exchanges(&self) -> impl Iterator<Item = &ExchangeView<'a>> {
        self.exchanges.iter().filter(|exchange| exchange.origin == Origin::Wanted)
    }

    /// The queues that a broker would take, and what is in force for them.
    pub(super) fn sound_queues(&self) -> impl Iterator<Item = (&QueueView<'a>, &Settings)> {
        self.queues.iter().filter_map(|queue| Some((queue, queue.settings.as_ref()?)))
    }

    fn add_exchange(&mut self, exchange: &'a Exchange, origin: Origin) {
        let name = declared_name(&exchange.name);
        if self.exchange_places.contains_key(&name) {
            return;
        }
        let argument = exchange.arguments.get("alternate-exchange").and_then(Value::as_str);
        let alternate = match argument {
            Some(alternate) => Name::new(alternate).ok(),
            None => self.policies.alternate(&name),
        };
        self.exchange_places.insert(name.clone(), self.exchanges.len());
        self.exchanges.push(ExchangeView {
            name,
            origin,
            kind: exchange.kind,
            durable: exchange.durable,
            auto_delete: exchange.auto_delete,
            internal: exchange.internal,
            alternate,
            outward: Vec::new(),
            by_key: HashMap::new(),
            has_catch_all: false,
            inward: 0,
        });
    }

    fn add_predeclared(&mut self, name: &'static str, kind: ExchangeKind) {
        if self.exchange_places.contains_key(name) {
            return;
        }
        self.exchange_places.insert(name.into(), self.exchanges.len());
        self.exchanges.push(ExchangeView {
            name: name.into(),
            origin: Origin::Predeclared,
            kind,
            durable: true,
            auto_delete: false,
            internal: false,
            // The default exchange has no alternate, whatever the policies say.
            alternate: if name.is_empty() { None } else { self.policies.alternate(name) },
            outward: Vec::new(),
            by_key: HashMap::new(),
            has_catch_all: false,
            inward: 0,
        });
    }

    fn add_queue(&mut self, queue: &'a Queue) {
        let name = declared_name(&queue.name);
        if self.queue_places.contains_key(&name) {
            return;
        }
        let checked = check_queue_name(&name)
            .ok()
            .and_then(|name| QueueSpec::check(name, queue.request().flags(), queue.arguments.clone()).ok());
        let kind = checked.as_ref().map_or(QueueKind::Classic, |spec| spec.kind);
        let policy = self.policies.for_queue(&name, kind).cloned();
        let settings = checked.map(|spec| spec.settings(policy.as_ref()));
        self.queue_places.insert(name.clone(), self.queues.len());
        self.queues.push(QueueView {
            name,
            origin: Origin::Wanted,
            kind,
            durable: queue.durable,
            auto_delete: queue.auto_delete,
            policy,
            settings,
            queue: Some(queue),
            inward: Vec::new(),
        });
    }

    fn add_queue_elsewhere(&mut self, name: &'a str) {
        if self.queue_places.contains_key(name) {
            return;
        }
        self.queue_places.insert(name.into(), self.queues.len());
        self.queues.push(QueueView {
            name: name.into(),
            origin: Origin::Elsewhere,
            kind: QueueKind::Classic,
            durable: true,
            auto_delete: false,
            policy: None,
            settings: None,
            queue: None,
            inward: Vec::new(),
        });
    }

    fn add_binding(&mut self, end: End<&'a str>, binding: &'a Binding) {
        let source = self.exchange_places.get(&declared_name(&binding.source)).copied();
        let Some(source) = source.and_then(|at| self.exchanges.get_mut(at)) else { return };
        match end {
            End::Queue(name) => {
                let name = declared_name(name);
                let queue = self.queue_places.get(&name).and_then(|at| self.queues.get_mut(*at));
                if let Some(queue) = queue {
                    queue.inward.push(binding);
                    source.add_outward(End::Queue(name), binding);
                }
            }
            End::Exchange(name) => {
                let name = declared_name(name);
                source.add_outward(End::Exchange(name.clone()), binding);
                let exchange = self.exchange_places.get(&name).and_then(|at| self.exchanges.get_mut(*at));
                if let Some(exchange) = exchange {
                    exchange.inward += 1;
                }
            }
        }
    }
}

impl<'a> ExchangeView<'a> {
    /// How it has to be thought of as routing: a plugin's can take any binding for any message, or none.
    pub(super) const fn routes_as(&self) -> ExchangeKind {
        match self.origin {
            Origin::Elsewhere => ExchangeKind::Headers,
            Origin::Wanted | Origin::Predeclared => self.kind,
        }
    }

    fn add_outward(&mut self, end: End<Cow<'a, str>>, binding: &'a Binding) {
        self.has_catch_all |= match self.kind {
            ExchangeKind::Fanout => true,
            ExchangeKind::Direct => false,
            ExchangeKind::Topic => !binding.key.is_empty() && binding.key.split('.').all(|word| word == "#"),
            // All of nothing holds for every message; any of nothing for none.
            ExchangeKind::Headers => keys::asks_nothing(binding),
        };
        if self.kind == ExchangeKind::Direct {
            self.by_key.entry(&binding.key).or_default().push(self.outward.len());
        }
        self.outward.push((end, binding));
    }
}

/// The name under which something would be declared; as it stands where it cannot be.
pub(super) fn declared_name(name: &str) -> Cow<'_, str> {
    stripped(name).unwrap_or(Cow::Borrowed(name))
}
