//! Declaring a whole topology: checked first, then made, under one lock.

use super::broker::Broker;
use super::declare_check::{self, DeclareError, Problem};
use super::exchange::Exchange;
use super::queue::Queue;
use super::recorded::calls::{told_declare, told_unsaid};
use super::topology::{Binding, Topology};
use crate::base::Name;
use crate::engine::{self, Asked, End, ExchangeDeclare, QueueDeclare, TopologyError, Work};
use crate::queue::Policy;
use crate::route::{Destination, Graph};
use std::fmt;

/// What declaring a topology did.
///
/// ```
/// use leveret::{Broker, Item, Queue, Topology};
///
/// let broker = Broker::new();
/// let topology = Topology::new().queue(Queue::new("orders").bind("amq.topic", "order.#"));
/// let report = broker.declare(&topology)?;
/// assert_eq!(report.created.len(), 2);
/// assert_eq!(report.created[0].to_string(), "queue 'orders'");
/// assert_eq!(broker.declare(&topology)?.existing, report.created);
/// # Ok::<(), leveret::DeclareError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// What was not there and is now.
    pub created: Vec<Item>,
    /// What was there already, just so.
    pub existing: Vec<Item>,
    /// Policies that took the place of others of their names.
    pub replaced: Vec<Item>,
}

/// Something that a topology declares.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Item {
    /// A policy of this name.
    Policy(String),
    /// An exchange of this name.
    Exchange(String),
    /// A queue of this name.
    Queue(String),
    /// A binding.
    Binding {
        /// The exchange it comes from.
        source: String,
        /// The queue or exchange it leads to.
        destination: String,
        /// Its key.
        key: String,
    },
}

impl Broker {
    /// Declares everything that a topology wants: policies, exchanges, queues, bindings. What is there already, just so,
    /// stays; nothing is ever deleted. A policy takes the place of another of its name.
    ///
    /// # Errors
    ///
    /// [`DeclareError`] with every problem there is, and then nothing was declared: queues and exchanges that exist but
    /// differ (with what there is and what was asked for), arguments that RabbitMQ refuses, bindings to exchanges that
    /// are neither here nor in the topology, limits.
    pub fn declare(&self, topology: &Topology) -> Result<Report, DeclareError> {
        told_declare(self.engine(), topology, || self.declare_now(topology))
    }

    fn declare_now(&self, topology: &Topology) -> Result<Report, DeclareError> {
        let engine = self.engine();
        let mut report = Report::default();
        let (renewed, cells) = {
            let mut state = engine.changing()?;
            declare_check::check(&state, &engine.limits, topology)?;
            for policy in &topology.policies {
                let before = state.policies.get(&policy.name).map(|there| *there == *policy);
                state.put_policy(&engine.limits, policy.clone())?;
                let list = match before {
                    None => &mut report.created,
                    Some(true) => &mut report.existing,
                    Some(false) => &mut report.replaced,
                };
                list.push(Item::Policy(policy.name.clone()));
            }
            // It looks at every queue there is.
            let changes = report.created.len() + report.replaced.len() > 0;
            let renewed = if changes { engine.renew(&mut state) } else { Work::default() };
            for exchange in &topology.exchanges {
                let new = engine.exchange_declare_in(&mut state, &exchange.request())?;
                report.note(new, Item::Exchange(exchange.name.clone()));
            }
            let mut cells = Vec::new();
            for queue in &topology.queues {
                let (cell, new) = engine.declare_in(&mut state, None, &queue.request())?;
                report.note(new, Item::Queue(queue.name.clone()));
                cells.push(cell);
            }
            for (end, binding) in topology.all_bindings() {
                let asked = binding.asked(end).checked(&engine.limits)?;
                let new = engine.bind_in(&mut state, None, &asked)?;
                report.note(new, binding.item(end));
            }
            (renewed, cells)
        };
        engine.finish(renewed);
        for cell in cells {
            engine.touch(&cell);
        }
        Ok(report)
    }

    /// Sets a policy, in the place of one of the same name. It is in force at once, over what exists and what comes.
    ///
    /// # Errors
    ///
    /// [`TopologyError::InvalidPolicy`], [`TopologyError::LimitReached`], [`TopologyError::Closed`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use leveret::{Broker, Policy};
    ///
    /// let broker = Broker::new();
    /// broker.set_policy(Policy::new("short", "^tmp\\.").message_ttl(Duration::from_secs(1)))?;
    /// assert!(broker.clear_policy("short")?);
    /// assert!(!broker.clear_policy("short")?);
    /// # Ok::<(), leveret::TopologyError>(())
    /// ```
    pub fn set_policy(&self, policy: Policy) -> Result<(), TopologyError> {
        let engine = self.engine();
        let name = policy.name.clone();
        told_unsaid(engine, "a policy", || format!("'{name}' is set"), || engine.set_policy(policy))
    }

    /// Removes a policy; false where there is none of this name.
    ///
    /// # Errors
    ///
    /// [`TopologyError::Closed`].
    pub fn clear_policy(&self, name: &str) -> Result<bool, TopologyError> {
        let engine = self.engine();
        told_unsaid(engine, "a policy", || format!("'{name}' is cleared"), || engine.clear_policy(name))
    }

    /// What is declared now, as data: policies, exchanges that are not predeclared, queues that belong to no connection
    /// and were given a name, and their bindings. As RabbitMQ exports its definitions.
    #[must_use]
    pub fn topology(&self) -> Topology {
        current(&self.engine().topology.read())
    }
}

impl Report {
    fn note(&mut self, new: bool, item: Item) {
        let list = if new { &mut self.created } else { &mut self.existing };
        list.push(item);
    }
}

impl Topology {
    /// Every binding and what it leads to: those of exchanges first.
    pub(super) fn all_bindings(&self) -> impl Iterator<Item = (End<&str>, &Binding)> {
        let exchanges = self.exchanges.iter();
        let to_exchanges =
            exchanges.flat_map(|to| to.bindings.iter().map(|one| (End::Exchange(to.name.as_str()), one)));
        let queues = self.queues.iter();
        let to_queues = queues.flat_map(|to| to.bindings.iter().map(|one| (End::Queue(to.name.as_str()), one)));
        to_exchanges.chain(to_queues)
    }
}

impl Exchange {
    /// The request that declares it.
    pub(in crate::api) fn request(&self) -> ExchangeDeclare {
        ExchangeDeclare {
            exchange: self.name.clone(),
            kind: self.kind.as_str().into(),
            passive: false,
            durable: self.durable,
            auto_delete: self.auto_delete,
            internal: self.internal,
            arguments: self.arguments.clone(),
        }
    }
}

impl Queue {
    /// The request that declares it.
    pub(in crate::api) fn request(&self) -> QueueDeclare {
        QueueDeclare {
            queue: self.name.clone(),
            passive: false,
            durable: self.durable,
            exclusive: false,
            auto_delete: self.auto_delete,
            arguments: self.arguments.clone(),
        }
    }
}

impl Binding {
    pub(super) fn asked<'a>(&'a self, destination: End<&'a str>) -> Asked<'a> {
        Asked { source: &self.source, destination, key: &self.key, arguments: &self.arguments }
    }

    fn item(&self, destination: End<&str>) -> Item {
        let (End::Queue(destination) | End::Exchange(destination)) = destination;
        Item::Binding { source: self.source.clone(), destination: destination.into(), key: self.key.clone() }
    }
}

/// The engine's topology as data.
pub(super) fn current(state: &engine::Topology) -> Topology {
    let bindings = |destination| {
        let bindings = state.graph.bindings_to(destination).into_iter();
        let source = |id| state.graph.exchange(id).map(|spec| spec.name.to_string());
        let bindings = bindings.filter_map(|(from, there)| {
            Some(Binding::to(source(from)?).key(&*there.key).arguments(there.arguments.clone()))
        });
        bindings.collect::<Vec<_>>()
    };
    let mut topology = Topology { policies: state.policies.iter().cloned().collect(), ..Topology::new() };
    for (id, spec) in state.graph.exchanges().filter(|(id, _)| *id != Graph::DEFAULT) {
        let bindings = bindings(Destination::Exchange(id));
        // A predeclared exchange is worth a word only where a binding leads to it.
        if spec.name.starts_with("amq.") && bindings.is_empty() {
            continue;
        }
        topology.exchanges.push(Exchange {
            name: spec.name.to_string(),
            kind: spec.kind,
            durable: spec.durable,
            auto_delete: spec.auto_delete,
            internal: spec.internal,
            arguments: spec.arguments.clone(),
            bindings,
        });
    }
    let lasting = |name: &Name| !name.starts_with("amq.");
    let mut cells: Vec<_> = state.queues.iter().flatten().collect();
    cells.retain(|cell| cell.owner.is_none() && lasting(&cell.spec.name));
    cells.sort_by_key(|cell| cell.serial);
    topology.queues.extend(cells.into_iter().map(|cell| Queue {
        name: cell.spec.name.to_string(),
        durable: cell.spec.durable,
        auto_delete: cell.spec.auto_delete,
        arguments: cell.spec.arguments.clone(),
        bindings: bindings(Destination::Queue(cell.id)),
    }));
    topology
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy(name) => write!(f, "policy '{name}'"),
            Self::Exchange(name) => write!(f, "exchange '{name}'"),
            Self::Queue(name) => write!(f, "queue '{name}'"),
            Self::Binding { source, destination, key } => {
                write!(f, "binding from '{source}' to '{destination}' with key '{key}'")
            }
        }
    }
}

impl From<TopologyError> for DeclareError {
    fn from(error: TopologyError) -> Self {
        Self { problems: vec![Problem::Refused(error)] }
    }
}
