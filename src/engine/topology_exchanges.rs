//! Exchanges: declared, looked up, deleted. Checks come in RabbitMQ's order, since a client sees the first that fails.

use super::error::TopologyError;
use super::fits::{check_arguments, stripped};
use super::request::{ExchangeDeclare, ExchangeDelete};
use super::{Engine, Topology};
use crate::base::{ExchangeId, Limits, Name};
use crate::message::{Table, Value};
use crate::port::What;
use crate::queue::{Inequivalent, equivalent};
use crate::route::{ExchangeKind, ExchangeSpec, Graph};

/// The one argument of exchanges that RabbitMQ looks at.
const ALTERNATE: &str = "alternate-exchange";

impl Engine {
    /// Declares an exchange, or checks that it is there where the request is passive.
    pub(crate) fn exchange_declare(&self, request: &ExchangeDeclare) -> Result<(), TopologyError> {
        if request.passive {
            return self.exchange_check(&request.exchange);
        }
        self.exchange_declare_in(&mut *self.changing()?, request)?;
        self.tell();
        Ok(())
    }

    /// Says that exchanges were deleted, those that went with their last binding included.
    pub(super) fn say_deleted(&self, deleted: Vec<ExchangeSpec>) {
        for spec in deleted {
            self.say(|| What::ExchangeDeleted { exchange: spec.name });
        }
    }

    /// Declares an exchange under the topology's lock; says whether it is new.
    pub(crate) fn exchange_declare_in(
        &self,
        topology: &mut Topology,
        request: &ExchangeDeclare,
    ) -> Result<bool, TopologyError> {
        let new = topology.exchange_declare(&self.limits, request)?;
        if new && self.is_heard() {
            let exchange = Name::new(stripped(&request.exchange)?)?;
            let kind = request.kind.parse::<ExchangeKind>()?.as_str();
            self.say(|| What::ExchangeDeclared { exchange, kind });
        }
        Ok(new)
    }

    /// Checks that an exchange is there.
    pub(crate) fn exchange_check(&self, name: &str) -> Result<(), TopologyError> {
        let name = stripped(name)?;
        if name.is_empty() {
            return Err(TopologyError::DefaultExchange);
        }
        self.topology.read().exchange(&name).map(|_| ())
    }

    /// Deletes an exchange. One that is not there is no error.
    pub(crate) fn exchange_delete(&self, request: &ExchangeDelete) -> Result<(), TopologyError> {
        let name = stripped(&request.exchange)?;
        if name.is_empty() {
            return Err(TopologyError::DefaultExchange);
        }
        if name.starts_with("amq.") {
            return Err(TopologyError::SystemExchange { exchange: name.into() });
        }
        let mut topology = self.changing()?;
        let Some(id) = topology.graph.find(&name) else { return Ok(()) };
        if request.if_unused && topology.graph.in_use(id) {
            return Err(TopologyError::ExchangeInUse { exchange: name.into() });
        }
        let deleted = topology.graph.remove(id);
        self.say_deleted(deleted);
        drop(topology);
        self.tell();
        Ok(())
    }
}

impl Topology {
    /// The exchange of this name.
    pub(crate) fn exchange(&self, name: &str) -> Result<ExchangeId, TopologyError> {
        self.graph.find(name).ok_or_else(|| TopologyError::NoExchange { exchange: name.into() })
    }

    /// Declares an exchange; says whether it is new.
    pub(crate) fn exchange_declare(
        &mut self,
        limits: &Limits,
        request: &ExchangeDeclare,
    ) -> Result<bool, TopologyError> {
        check_arguments(&request.arguments, limits)?;
        let (name, kind) = self.exchange_check_declare(request)?;
        if self.graph.find(&name).is_some() {
            return Ok(false);
        }
        if self.graph.len() >= limits.exchanges {
            return Err(TopologyError::LimitReached { what: "exchanges", limit: limits.exchanges });
        }
        let argument = request.arguments.get(ALTERNATE).and_then(Value::as_str);
        let mut spec = ExchangeSpec::new(name, kind);
        spec.durable = request.durable;
        spec.auto_delete = request.auto_delete;
        spec.internal = request.internal;
        spec.alternate = match argument {
            Some(alternate) => Name::new(alternate).ok(),
            None => self.policies.alternate(&spec.name),
        };
        spec.arguments = request.arguments.clone();
        self.graph.insert(spec);
        Ok(true)
    }

    /// All checks of a declaration but the limit.
    pub(crate) fn exchange_check_declare(
        &self,
        request: &ExchangeDeclare,
    ) -> Result<(Name, ExchangeKind), TopologyError> {
        let kind: ExchangeKind = request.kind.parse()?;
        let name = stripped(&request.exchange)?;
        if name.is_empty() {
            return Err(TopologyError::DefaultExchange);
        }
        let name = Name::new(name)?;
        if let Some(there) = self.graph.find(&name).and_then(|id| self.graph.exchange(id)) {
            return match exchange_differences(there, kind, request).next() {
                Some(difference) => Err(difference.into()),
                None => Ok((name, kind)),
            };
        }
        if name.starts_with("amq.") {
            return Err(TopologyError::ReservedExchange { exchange: name.to_string() });
        }
        match request.arguments.get(ALTERNATE) {
            None | Some(Value::LongString(_)) => Ok((name, kind)),
            Some(other) => Err(TopologyError::ExchangeArgument {
                exchange: name.to_string(),
                argument: ALTERNATE,
                type_name: other.type_name(),
            }),
        }
    }

    /// Works out every exchange's alternate anew: a policy came or went.
    pub(super) fn renew_alternates(&mut self) {
        let renewed: Vec<_> = self
            .graph
            .exchanges()
            .filter(|(id, spec)| *id != Graph::DEFAULT && spec.arguments.get(ALTERNATE).is_none())
            .map(|(id, spec)| (id, self.policies.alternate(&spec.name), spec.alternate.clone()))
            .filter(|(_, new, old)| new != old)
            .collect();
        for (id, alternate, _) in renewed {
            self.graph.set_alternate(id, alternate);
        }
    }
}

/// Everything in which a redeclaration differs from the exchange there is, in RabbitMQ's order.
pub(crate) fn exchange_differences(
    there: &ExchangeSpec,
    kind: ExchangeKind,
    request: &ExchangeDeclare,
) -> impl Iterator<Item = Inequivalent> {
    let of = |arguments: &Table| arguments.get(ALTERNATE).cloned();
    let fields = [
        ("type", Some(Value::from(kind.as_str())), Some(Value::from(there.kind.as_str()))),
        ("durable", Some(request.durable.into()), Some(there.durable.into())),
        ("auto_delete", Some(request.auto_delete.into()), Some(there.auto_delete.into())),
        ("internal", Some(request.internal.into()), Some(there.internal.into())),
        (ALTERNATE, of(&request.arguments), of(&there.arguments)),
    ];
    let resource = format!("exchange '{}' in vhost '/'", there.name);
    fields.into_iter().filter(|(_, received, current)| !equivalent(received.as_ref(), current.as_ref())).map(
        move |(argument, received, current)| Inequivalent { resource: resource.clone(), argument, received, current },
    )
}
