//! Bindings: made and undone, to queues and to exchanges. Checks come in RabbitMQ's order.

use super::error::TopologyError;
use super::fits::{check_arguments, stripped};
use super::request::{ExchangeBinding, QueueBinding};
use super::{Engine, Topology};
use crate::base::{ExchangeId, Limits, Name, SessionId};
use crate::message::Table;
use crate::port::What;
use crate::route::{Bound, Destination, ExchangeKind, Predicate, Unbound};
use std::borrow::Cow;

/// A binding as it is asked for, to a queue or to an exchange.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// Where it comes from.
    pub(crate) source: &'a str,
    /// Where it leads.
    pub(crate) destination: End<&'a str>,
    /// Its key.
    pub(crate) key: &'a str,
    /// Its arguments.
    pub(crate) arguments: &'a Table,
}

/// The name of what a binding leads to.
#[derive(Clone, Copy)]
pub(crate) enum End<N> {
    /// A queue.
    Queue(N),
    /// An exchange.
    Exchange(N),
}

/// A binding whose parts can be carried and that does not lead from or to the default exchange.
pub(crate) struct Checked<'a> {
    source: Cow<'a, str>,
    destination: End<Cow<'a, str>>,
    key: &'a str,
    arguments: &'a Table,
}

impl Engine {
    /// Makes a binding. `owner` is the connection that asks.
    ///
    /// What needs no lock is checked before it is taken: publishers wait for it.
    pub(crate) fn bind(&self, owner: Option<SessionId>, asked: Asked<'_>) -> Result<(), TopologyError> {
        let checked = asked.checked(&self.limits);
        self.bind_in(&mut *self.changing()?, owner, &checked?)?;
        self.tell();
        Ok(())
    }

    /// Makes a binding under the topology's lock; says whether it is new.
    pub(crate) fn bind_in(
        &self,
        topology: &mut Topology,
        owner: Option<SessionId>,
        asked: &Checked<'_>,
    ) -> Result<bool, TopologyError> {
        let new = topology.bind(&self.limits, owner, asked)?;
        if new {
            self.say_bound(asked, |source, exchange, key| What::Bound { source, exchange, key });
        }
        Ok(new)
    }

    /// Says that a binding was made, or undone.
    fn say_bound(&self, asked: &Checked<'_>, what: impl FnOnce(Name, Option<Name>, Name) -> What) {
        let Some(ear) = &self.ear else { return };
        // All were checked when the binding was.
        let name = |text: &str| Name::new(text).unwrap_or_default();
        let (queue, exchange) = match &asked.destination {
            End::Queue(queue) => (Some(name(queue)), None),
            End::Exchange(exchange) => (None, Some(name(exchange))),
        };
        ear.note(queue.as_ref(), None, what(name(&asked.source), exchange, name(asked.key)));
    }

    /// Undoes a binding. That there was none is no error.
    pub(crate) fn unbind(&self, owner: Option<SessionId>, asked: Asked<'_>) -> Result<(), TopologyError> {
        asked.check_size(&self.limits)?;
        let checked = asked.check_default();
        {
            let mut topology = self.changing()?;
            let checked = checked?;
            let Unbound { existed, deleted } = topology.unbind(owner, &checked)?;
            if existed {
                self.say_bound(&checked, |source, exchange, key| What::Unbound { source, exchange, key });
            }
            self.say_deleted(deleted);
        }
        self.tell();
        Ok(())
    }

    /// Binds an exchange to another.
    pub(crate) fn exchange_bind(&self, request: &ExchangeBinding) -> Result<(), TopologyError> {
        self.bind(None, request.into())
    }

    /// Undoes a binding between exchanges. That there was none is no error.
    pub(crate) fn exchange_unbind(&self, request: &ExchangeBinding) -> Result<(), TopologyError> {
        self.unbind(None, request.into())
    }

    /// Binds a queue to an exchange. `owner` is the connection that asks.
    pub(crate) fn queue_bind(&self, owner: Option<SessionId>, request: &QueueBinding) -> Result<(), TopologyError> {
        self.bind(owner, request.into())
    }

    /// Undoes a binding of a queue. That there was none is no error.
    pub(crate) fn queue_unbind(&self, owner: Option<SessionId>, request: &QueueBinding) -> Result<(), TopologyError> {
        self.unbind(owner, request.into())
    }
}

impl Topology {
    /// Makes a binding; says whether it is new.
    pub(crate) fn bind(
        &mut self,
        limits: &Limits,
        owner: Option<SessionId>,
        asked: &Checked<'_>,
    ) -> Result<bool, TopologyError> {
        let (source, binding) = self.find_binding(asked)?;
        if self.graph.exchange(source).is_some_and(|spec| spec.kind == ExchangeKind::Headers) {
            Predicate::new(asked.arguments)?;
        }
        self.check_owner(binding.destination, owner)?;
        if self.graph.binding_count() >= limits.bindings && !self.graph.is_bound(source, binding) {
            return Err(TopologyError::LimitReached { what: "bindings", limit: limits.bindings });
        }
        Ok(self.graph.bind(source, binding)?)
    }

    /// Undoes a binding; says whether there was one, and which exchanges went with it.
    fn unbind(&mut self, owner: Option<SessionId>, asked: &Checked<'_>) -> Result<Unbound, TopologyError> {
        let Ok((source, binding)) = self.find_binding(asked) else { return Ok(Unbound::default()) };
        if !self.graph.is_bound(source, binding) {
            return Ok(Unbound::default());
        }
        self.check_owner(binding.destination, owner)?;
        Ok(self.graph.unbind(source, binding))
    }

    /// The binding as the graph knows it, if both its ends are there.
    pub(crate) fn find_binding<'a>(&self, asked: &Checked<'a>) -> Result<(ExchangeId, Bound<'a>), TopologyError> {
        let source = self.exchange(&asked.source)?;
        let destination = match &asked.destination {
            End::Exchange(name) => self.exchange(name).map(Destination::Exchange)?,
            End::Queue(name) => {
                let queue = self.graph.queue(name);
                Destination::Queue(queue.ok_or_else(|| TopologyError::NoQueue { queue: name.to_string() })?)
            }
        };
        Ok((source, Bound { destination, key: asked.key, arguments: asked.arguments }))
    }

    /// A queue of another connection cannot be bound.
    fn check_owner(&self, destination: Destination, owner: Option<SessionId>) -> Result<(), TopologyError> {
        match destination {
            Destination::Queue(queue) => self.cell(queue).map_or(Ok(()), |cell| cell.check_owner(owner)),
            Destination::Exchange(_) => Ok(()),
        }
    }
}

impl<'a> Asked<'a> {
    /// What can be checked without knowing what there is.
    pub(crate) fn checked(&self, limits: &Limits) -> Result<Checked<'a>, TopologyError> {
        self.check_size(limits)?;
        self.check_default()
    }

    /// Names, key and arguments that can be carried.
    pub(crate) fn check_size(&self, limits: &Limits) -> Result<(), TopologyError> {
        let (End::Queue(destination) | End::Exchange(destination)) = self.destination;
        for name in [self.source, destination, self.key] {
            Name::check(name)?;
        }
        check_arguments(self.arguments, limits)
    }

    /// The default exchange is bound to every queue by its name, and cannot be bound otherwise.
    fn check_default(&self) -> Result<Checked<'a>, TopologyError> {
        let Self { source, destination, key, arguments } = *self;
        let source = stripped(source)?;
        let destination = match destination {
            End::Exchange(name) => End::Exchange(stripped(name)?),
            End::Queue(name) => End::Queue(stripped(name)?),
        };
        let is_default = |name: &str| name.is_empty();
        match is_default(&source) || matches!(&destination, End::Exchange(name) if is_default(name)) {
            true => Err(TopologyError::DefaultExchange),
            false => Ok(Checked { source, destination, key, arguments }),
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
