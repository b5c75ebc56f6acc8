//! What is wrong with a topology, all of it, before anything is declared.

use super::declare::Item;
use super::exchange::Exchange;
use super::queue::Queue;
use super::topology::{Binding, Topology};
use crate::base::{Limits, Name};
use crate::engine::{self, End, TopologyError, check_arguments, check_queue_name, exchange_differences, stripped};
use crate::message::Table;
use crate::queue::{Inequivalent, QueueSpec};
use crate::route::{ExchangeKind, Predicate};
use hashbrown::HashMap;
use std::borrow::Cow;
use std::fmt;

/// Why a topology was not declared: everything that is wrong with it. Nothing of it was declared.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DeclareError {
    /// What is wrong, in the order of the topology; at least one.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong with a topology.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Problem {
    /// It exists, and differs in this: what there is, and what was asked for.
    Mismatch(Inequivalent),
    /// The broker refuses it.
    Refused(TopologyError),
    /// The topology wants it twice, and differently.
    Twice(Item),
    /// A queue without a name: a topology must say it.
    NoName,
}

/// Everything that is wrong.
pub(super) fn check(state: &engine::Topology, limits: &Limits, topology: &Topology) -> Result<(), DeclareError> {
    let mut check = Check { state, limits, problems: Vec::new(), exchanges: HashMap::new(), queues: HashMap::new() };
    let policies = check.policies(topology);
    let (mut exchanges, mut queues) = (0, 0);
    for exchange in &topology.exchanges {
        exchanges += usize::from(check.exchange(exchange));
    }
    for queue in &topology.queues {
        queues += usize::from(check.queue(queue));
    }
    let mut bindings = 0;
    for (end, binding) in topology.all_bindings() {
        bindings += usize::from(check.binding(end, binding));
    }
    let used = state.queues.len() - state.free.len();
    check.limit("policies", state.policies.iter().len() + policies, limits.policies);
    check.limit("exchanges", state.graph.len() + exchanges, limits.exchanges);
    check.limit("queues", used + queues, limits.queues);
    check.limit("bindings", state.graph.binding_count() + bindings, limits.bindings);
    if check.problems.is_empty() { Ok(()) } else { Err(DeclareError { problems: check.problems }) }
}

/// What was seen of a topology so far.
struct Check<'a> {
    state: &'a engine::Topology,
    limits: &'a Limits,
    problems: Vec<Problem>,
    /// By their names as they will be declared, without line breaks.
    exchanges: HashMap<Cow<'a, str>, &'a Exchange>,
    queues: HashMap<Cow<'a, str>, &'a Queue>,
}

impl<'a> Check<'a> {
    fn refuse(&mut self, error: impl Into<TopologyError>) {
        self.problems.push(Problem::Refused(error.into()));
    }

    fn limit(&mut self, what: &'static str, wanted: usize, limit: usize) {
        if wanted > limit {
            self.refuse(TopologyError::LimitReached { what, limit });
        }
    }

    /// How many policies are new.
    fn policies(&mut self, topology: &'a Topology) -> usize {
        let mut seen = HashMap::new();
        for policy in &topology.policies {
            if let Err(error) = policy.check() {
                self.refuse(error);
            }
            if let Err(error) = Name::check(&policy.name) {
                self.refuse(error);
            }
            if seen.insert(&policy.name, policy).is_some_and(|before| before != policy) {
                self.problems.push(Problem::Twice(Item::Policy(policy.name.clone())));
            }
        }
        seen.keys().filter(|name| self.state.policies.get(name).is_none()).count()
    }

    /// Whether it is new.
    fn exchange(&mut self, exchange: &'a Exchange) -> bool {
        let name = match self.name(&exchange.name, &exchange.arguments) {
            Ok(name) => name,
            Err(error) => {
                self.refuse(error);
                return false;
            }
        };
        if let Some(before) = self.exchanges.insert(name.clone(), exchange) {
            if before.request() != exchange.request() {
                self.problems.push(Problem::Twice(Item::Exchange(exchange.name.clone())));
            }
            return false;
        }
        let request = exchange.request();
        let there = self.state.graph.find(&name).and_then(|id| self.state.graph.exchange(id));
        match there {
            Some(there) if !name.is_empty() => {
                let differences = exchange_differences(there, exchange.kind, &request);
                self.problems.extend(differences.map(Problem::Mismatch));
                false
            }
            _ => {
                if let Err(error) = self.state.exchange_check_declare(&request) {
                    self.refuse(error);
                }
                true
            }
        }
    }

    /// Whether it is new.
    fn queue(&mut self, queue: &'a Queue) -> bool {
        let name = match self.name(&queue.name, &queue.arguments) {
            Ok(name) => name,
            Err(error) => {
                self.refuse(error);
                return false;
            }
        };
        if name.is_empty() {
            self.problems.push(Problem::NoName);
            return false;
        }
        if let Some(before) = self.queues.insert(name.clone(), queue) {
            if before.request() != queue.request() {
                self.problems.push(Problem::Twice(Item::Queue(queue.name.clone())));
            }
            return false;
        }
        if let Some(cell) = self.state.queue(&name) {
            if let Err(error) = cell.check_owner(None) {
                self.refuse(error);
                return false;
            }
            let differences = cell.spec.all_differences(queue.durable, queue.auto_delete, &queue.arguments);
            self.problems.extend(differences.map(Problem::Mismatch));
            return false;
        }
        let checked = check_queue_name(&name)
            .and_then(|name| Ok(QueueSpec::check(name, queue.request().flags(), queue.arguments.clone())?));
        if let Err(error) = checked {
            self.refuse(error);
        }
        true
    }

    /// The name as it will be declared, where it and the arguments can be carried at all.
    fn name(&self, name: &'a str, arguments: &Table) -> Result<Cow<'a, str>, TopologyError> {
        check_arguments(arguments, self.limits)?;
        stripped(name)
    }

    /// Whether it is new.
    fn binding(&mut self, end: End<&'a str>, binding: &'a Binding) -> bool {
        match self.try_binding(end, binding) {
            Ok(new) => new,
            Err(error) => {
                self.refuse(error);
                false
            }
        }
    }

    fn try_binding(&self, end: End<&'a str>, binding: &'a Binding) -> Result<bool, TopologyError> {
        let asked = binding.asked(end);
        let checked = asked.checked(self.limits)?;
        let source = stripped(&binding.source)?;
        let declared = self.exchanges.get(&source).map(|exchange| exchange.kind);
        let kind = match declared {
            Some(kind) => Some(kind),
            None => {
                let id = self.state.exchange(&source)?;
                self.state.graph.exchange(id).map(|spec| spec.kind)
            }
        };
        if kind == Some(ExchangeKind::Headers) {
            Predicate::new(&binding.arguments)?;
        }
        // An end that is not there yet has no binding yet.
        let found = self.state.find_binding(&checked);
        Ok(!found.is_ok_and(|(source, binding)| self.state.graph.is_bound(source, binding)))
    }
}

impl fmt::Display for DeclareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing was declared")?;
        for (at, problem) in self.problems.iter().enumerate() {
            write!(f, "{}{problem}", if at == 0 { ": " } else { "; " })?;
        }
        Ok(())
    }
}

impl std::error::Error for DeclareError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.problems.iter().find_map(|problem| match problem {
            Problem::Mismatch(error) => Some(error as &(dyn std::error::Error + 'static)),
            Problem::Refused(error) => Some(error),
            Problem::Twice(_) | Problem::NoName => None,
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mismatch(error) => error.fmt(f),
            Self::Refused(error) => error.fmt(f),
            Self::Twice(item) => write!(f, "{item} is wanted twice, and differently"),
            Self::NoName => f.write_str("a queue has no name; a topology must say it"),
        }
    }
}
