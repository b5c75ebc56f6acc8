//! Bindings: made and undone, to queues and to exchanges. Checks come in RabbitMQ's order.

use super::error::TopologyError;
use super::fits::{check_arguments, stripped};
use super::request::{ExchangeBinding, QueueBinding};
use super::{Engine, Topology};
use crate::base::{ExchangeId, Limits, Name, SessionId};
use crate::message::Table;
use crate::route::{Binding, Destination, ExchangeKind, Predicate};

/// A binding as it is asked for, to a queue or to an exchange.
pub(crate) struct Asked<'a> {
    /// Where it comes from.
    pub(crate) source: &'a str,
    /// Where it leads.
    pub(crate) destination: End<'a>,
    /// Its key.
    pub(crate) key: &'a str,
    /// Its arguments.
    pub(crate) arguments: &'a Table,
}

/// The name of what a binding leads to.
#[derive(Clone, Copy)]
pub(crate) enum End<'a> {
    /// A queue.
    Queue(&'a str),
    /// An exchange.
    Exchange(&'a str),
}

impl Engine {
    /// Binds an exchange to another.
    pub(crate) fn exchange_bind(&self, request: &ExchangeBinding) -> Result<(), TopologyError> {
        self.changing()?.bind(&self.limits, None, &Asked::from(request)).map(|_| ())
    }

    /// Undoes a binding between exchanges. That there was none is no error.
    pub(crate) fn exchange_unbind(&self, request: &ExchangeBinding) -> Result<(), TopologyError> {
        let asked = Asked::from(request);
        asked.check_size(&self.limits)?;
        self.changing()?.unbind(None, &asked)
    }

    /// Binds a queue to an exchange. `owner` is the connection that asks.
    pub(crate) fn queue_bind(&self, owner: Option<SessionId>, request: &QueueBinding) -> Result<(), TopologyError> {
        self.changing()?.bind(&self.limits, owner, &Asked::from(request)).map(|_| ())
    }

    /// Undoes a binding of a queue. That there was none is no error.
    pub(crate) fn queue_unbind(&self, owner: Option<SessionId>, request: &QueueBinding) -> Result<(), TopologyError> {
        let asked = Asked::from(request);
        asked.check_size(&self.limits)?;
        self.changing()?.unbind(owner, &asked)
    }
}

impl Topology {
    /// Makes a binding; says whether it is new.
    pub(crate) fn bind(
        &mut self,
        limits: &Limits,
        owner: Option<SessionId>,
        asked: &Asked<'_>,
    ) -> Result<bool, TopologyError> {
        asked.check_size(limits)?;
        asked.check_default()?;
        let source = self.exchange(&stripped(asked.source)?)?;
        let destination = self.destination(asked.destination)?;
        let key = Name::new(asked.key)?;
        if self.graph.exchange(source).is_some_and(|spec| spec.kind == ExchangeKind::Headers) {
            Predicate::new(asked.arguments)?;
        }
        self.check_owner(destination, owner)?;
        let binding = Binding { destination, key, arguments: asked.arguments.clone() };
        if self.graph.binding_count() >= limits.bindings && !self.graph.is_bound(source, &binding) {
            return Err(TopologyError::LimitReached { what: "bindings", limit: limits.bindings });
        }
        Ok(self.graph.bind(source, binding)?)
    }

    fn unbind(&mut self, owner: Option<SessionId>, asked: &Asked<'_>) -> Result<(), TopologyError> {
        asked.check_default()?;
        let Ok((source, binding)) = self.find_binding(asked) else { return Ok(()) };
        if self.graph.is_bound(source, &binding) {
            self.check_owner(binding.destination, owner)?;
            self.graph.unbind(source, &binding);
        }
        Ok(())
    }

    /// The binding as the graph knows it, if both its ends are there.
    pub(crate) fn find_binding(&self, asked: &Asked<'_>) -> Result<(ExchangeId, Binding), TopologyError> {
        let source = self.exchange(&stripped(asked.source)?)?;
        let destination = self.destination(asked.destination)?;
        let key = Name::new(asked.key)?;
        Ok((source, Binding { destination, key, arguments: asked.arguments.clone() }))
    }

    fn destination(&self, end: End<'_>) -> Result<Destination, TopologyError> {
        match end {
            End::Exchange(name) => self.exchange(&stripped(name)?).map(Destination::Exchange),
            End::Queue(name) => {
                let name = stripped(name)?;
                let queue = self.graph.queue(&name);
                queue.map(Destination::Queue).ok_or_else(|| TopologyError::NoQueue { queue: name.into() })
            }
        }
    }

    /// A queue of another connection cannot be bound.
    fn check_owner(&self, destination: Destination, owner: Option<SessionId>) -> Result<(), TopologyError> {
        match destination {
            Destination::Queue(queue) => self.cell(queue).map_or(Ok(()), |cell| cell.check_owner(owner)),
            Destination::Exchange(_) => Ok(()),
        }
    }
}

impl Asked<'_> {
    /// Names, key and arguments that can be carried.
    pub(crate) fn check_size(&self, limits: &Limits) -> Result<(), TopologyError> {
        let (End::Queue(destination) | End::Exchange(destination)) = self.destination;
        for name in [self.source, destination, self.key] {
            Name::check(name)?;
        }
        check_arguments(self.arguments, limits)
    }

    /// The default exchange is bound to every queue by its name, and cannot be bound otherwise.
    pub(crate) fn check_default(&self) -> Result<(), TopologyError> {
        let destination = match self.destination {
            End::Exchange(name) => name,
            End::Queue(_) => "a queue",
        };
        match stripped(self.source)?.is_empty() || stripped(destination)?.is_empty() {
            true => Err(TopologyError::DefaultExchange),
            false => Ok(()),
        }
    }
}

impl<'a> From<&'a ExchangeBinding> for Asked<'a> {
    fn from(request: &'a ExchangeBinding) -> Self {
        let ExchangeBinding { destination, source, key, arguments } = request;
        Self { source, destination: End::Exchange(destination), key, arguments }
    }
}

impl<'a> From<&'a QueueBinding> for Asked<'a> {
    fn from(request: &'a QueueBinding) -> Self {
        let QueueBinding { queue, exchange, key, arguments } = request;
        Self { source: exchange, destination: End::Queue(queue), key, arguments }
    }
}
