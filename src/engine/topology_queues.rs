//! Queues: declared, looked up, purged, deleted. Checks come in RabbitMQ's order.
//!
//! `owner` is the connection that asks; it matters to exclusive queues only. The topology's lock is held while a queue is
//! found or made, and no longer: what concerns the queue's messages takes its own lock afterwards.

use super::cell::QueueCell;
use super::error::TopologyError;
use super::fits::{check_arguments, stripped};
use super::request::{QueueDeclare, QueueDeclared, QueueDelete};
use super::{Engine, Topology};
use crate::base::{Name, QueueId, SessionId};
use crate::port::{Cause, What};
use crate::queue::effect::QueueLimits;
use crate::queue::{QueueFlags, QueueKind, QueueSpec, QueueState};
use std::sync::Arc;

impl Engine {
    /// Declares a queue, or checks that it is there where the request is passive.
    pub(crate) fn queue_declare(
        &self,
        owner: Option<SessionId>,
        request: &QueueDeclare,
    ) -> Result<QueueDeclared, TopologyError> {
        if request.passive {
            return self.queue_check(owner, &request.queue);
        }
        if request.exclusive && owner.is_none() {
            return Err(TopologyError::ExclusiveWithoutConnection { queue: request.queue.clone() });
        }
        loop {
            let (cell, _) = {
                let mut topology = self.changing()?;
                self.declare_in(&mut topology, owner, request)?
            };
            // Somebody may have deleted it in between; then it is declared again.
            if let Some(declared) = self.touch(&cell) {
                return Ok(declared);
            }
        }
    }

    /// Checks that a queue is there and may be used, and gives its counts.
    pub(crate) fn queue_check(&self, owner: Option<SessionId>, name: &str) -> Result<QueueDeclared, TopologyError> {
        let name = stripped(name)?;
        let missing = || TopologyError::NoQueue { queue: name.as_ref().into() };
        let cell = self.topology.read().queue(&name).cloned().ok_or_else(missing)?;
        // RabbitMQ counts, which is use, before it looks at whose it is.
        let declared = self.touch(&cell).ok_or_else(missing)?;
        cell.check_owner(owner)?;
        Ok(declared)
    }

    /// The queue of this name, if it may be used.
    pub(crate) fn lookup(&self, owner: Option<SessionId>, name: &str) -> Result<Arc<QueueCell>, TopologyError> {
        Name::check(name)?;
        let found = self.topology.read().queue(name).cloned();
        let cell = found.ok_or_else(|| TopologyError::NoQueue { queue: name.into() })?;
        cell.check_owner(owner)?;
        Ok(cell)
    }

    /// Throws away what is ready in a queue, and says how many messages that were.
    pub(crate) fn queue_purge(&self, owner: Option<SessionId>, name: &str) -> Result<u64, TopologyError> {
        let cell = self.lookup(owner, name)?;
        let purged = self.act(&cell, |state, effects| {
            let now = self.now_for(state, None);
            state.purge(now, effects)
        });
        Ok(purged.ok_or_else(|| TopologyError::NoQueue { queue: name.into() })? as u64)
    }

    /// Deletes a queue, and says how many messages were ready in it. One that is not there is no error.
    pub(crate) fn queue_delete(&self, owner: Option<SessionId>, request: &QueueDelete) -> Result<u64, TopologyError> {
        let name = stripped(&request.queue)?;
        let Some(cell) = self.topology.read().queue(&name).cloned() else { return Ok(0) };
        cell.check_owner(owner)?;
        if cell.spec.kind == QueueKind::Quorum
            && let Some((_, condition)) =
                [(request.if_unused, "if-unused"), (request.if_empty, "if-empty")].into_iter().find(|(asked, _)| *asked)
        {
            return Err(TopologyError::ConditionalDelete { queue: name.into(), condition });
        }
        let allow = |state: &QueueState| {
            let counts = state.counts();
            if request.if_empty && counts.ready > 0 {
                return Err(TopologyError::QueueNotEmpty { queue: name.as_ref().into() });
            }
            if request.if_unused && counts.consumers > 0 {
                return Err(TopologyError::QueueInUse { queue: name.as_ref().into() });
            }
            Ok(())
        };
        let ready = self.remove_queue(&cell, Cause::Asked, allow)?;
        Ok(ready.unwrap_or(0) as u64)
    }

    /// Finds or makes a queue; says whether it is new. A new one is to be [touched](Self::touch) when the topology's
    /// lock is free.
    pub(crate) fn declare_in(
        &self,
        topology: &mut Topology,
        owner: Option<SessionId>,
        request: &QueueDeclare,
    ) -> Result<(Arc<QueueCell>, bool), TopologyError> {
        let name = stripped(&request.queue)?;
        check_arguments(&request.arguments, &self.limits)?;
        let name = match &*name {
            "" => {
                QueueSpec::check_server_named(&request.arguments)?;
                self.generated_name(topology)
            }
            given => {
                let name = check_queue_name(given)?;
                if let Some(cell) = topology.queue(&name) {
                    cell.check_redeclared(owner, request)?;
                    return Ok((Arc::clone(cell), false));
                }
                name
            }
        };
        let spec = QueueSpec::check(name, request.flags(), request.arguments.clone())?;
        let owner = owner.filter(|_| spec.exclusive);
        self.insert_queue(topology, spec, owner).map(|cell| (cell, true))
    }

    /// A name that no queue has: numbers in turn, as text of the length and letters that RabbitMQ's own names have.
    fn generated_name(&self, topology: &Topology) -> Name {
        loop {
            let name = Name::generated("amq.gen-", self.next_name());
            if topology.queue(&name).is_none() {
                return name;
            }
        }
    }

    fn insert_queue(
        &self,
        topology: &mut Topology,
        spec: QueueSpec,
        owner: Option<SessionId>,
    ) -> Result<Arc<QueueCell>, TopologyError> {
        let limit = self.limits.queues;
        let full = || TopologyError::LimitReached { what: "queues", limit };
        if topology.queues.len() - topology.free.len() >= limit {
            return Err(full());
        }
        let slot = match topology.free.pop() {
            Some(slot) => slot,
            None => {
                let slot = u32::try_from(topology.queues.len()).map_err(|_| full())?;
                topology.queues.push(None);
                slot
            }
        };
        let id = QueueId(slot);
        let serial = topology.declared;
        topology.declared += 1;
        let name = spec.name.clone();
        let settings = spec.settings(topology.policies.for_queue(&name, spec.kind));
        // Most queues have the settings of the one before.
        if *topology.settings != settings {
            topology.settings = Arc::new(settings);
        }
        let settings = Arc::clone(&topology.settings);
        let limits = QueueLimits::from(&self.limits);
        let cell = Arc::new(QueueCell::new(id, serial, spec, owner, settings, limits, self));
        self.deadlines.reserve(id);
        if let Some(place) = topology.queues.get_mut(slot as usize) {
            *place = Some(Arc::clone(&cell));
        }
        topology.graph.insert_queue(name, id);
        if let Some(ear) = &self.ear {
            let (durable, kind) = (cell.spec.durable, cell.spec.kind.as_str());
            ear.note(Some(&cell.spec.name), None, What::QueueDeclared { durable, kind });
        }
        Ok(cell)
    }

    /// Counts a declaration as use, and gives the queue's counts. `None` where it is gone.
    pub(crate) fn touch(&self, cell: &Arc<QueueCell>) -> Option<QueueDeclared> {
        let counts = self.act(cell, |state, effects| {
            let now = self.now_for(state, None);
            // What is due goes before it is counted.
            state.advance(now, effects);
            state.touch(now);
            state.counts()
        })?;
        Some(QueueDeclared {
            queue: cell.spec.name.clone(),
            message_count: counts.ready as u64,
            consumer_count: counts.consumers as u64,
        })
    }
}

impl QueueCell {
    /// Refuses whoever may not use an exclusive queue.
    pub(crate) fn check_owner(&self, owner: Option<SessionId>) -> Result<(), TopologyError> {
        match self.owner {
            Some(own) if owner != Some(own) => Err(self.locked()),
            _ => Ok(()),
        }
    }

    /// Compares a redeclaration with the queue. It must be exclusive for the one that has it, and for nobody else.
    pub(crate) fn check_redeclared(
        &self,
        owner: Option<SessionId>,
        request: &QueueDeclare,
    ) -> Result<(), TopologyError> {
        if self.owner != owner.filter(|_| request.exclusive) {
            return Err(self.locked());
        }
        let durable = request.durable && !request.exclusive;
        Ok(self.spec.check_redeclared(durable, request.auto_delete, &request.arguments)?)
    }

    fn locked(&self) -> TopologyError {
        TopologyError::Locked { queue: self.spec.name.to_string() }
    }
}

impl QueueDeclare {
    pub(crate) const fn flags(&self) -> QueueFlags {
        QueueFlags { durable: self.durable, exclusive: self.exclusive, auto_delete: self.auto_delete }
    }
}

/// A name that a client may give to a queue.
pub(crate) fn check_queue_name(name: &str) -> Result<Name, TopologyError> {
    if name.starts_with("amq.") {
        return Err(TopologyError::ReservedQueue { queue: name.into() });
    }
    Ok(Name::new(name)?)
}
