//! How a queue goes: deleted, auto-deleted with its last consumer, or at the end of its time without use.
//!
//! A queue leaves the topology and closes under the topology's lock, so no publish that begins later finds it, and no
//! declare of the same name meets it half gone. Nothing is dead-lettered (RabbitMQ: "Queue TTL", and as recorded).

use super::cell::QueueCell;
use super::work::Work;
use super::{Engine, Topology};
use crate::base::SessionId;
use crate::port::Cause;
use crate::queue::QueueState;
use crate::route::ExchangeSpec;
use std::sync::Arc;

impl Engine {
    /// Removes a queue, for this cause, if `allow` agrees; it is asked under the queue's lock. Returns how many messages were ready, or
    /// `None` where it was gone already.
    pub(crate) fn remove_queue<E>(
        &self,
        cell: &Arc<QueueCell>,
        cause: Cause,
        allow: impl FnOnce(&QueueState) -> Result<(), E>,
    ) -> Result<Option<usize>, E> {
        let mut work = Work::default();
        let ready = {
            let mut topology = self.topology.write();
            let Some(ready) = cell.close(self, &mut work, cause, allow)? else { return Ok(None) };
            self.say_deleted(take_out(&mut topology, cell));
            self.deadlines.set(cell.id, crate::base::Moment::MAX);
            ready
        };
        self.finish(work);
        Ok(Some(ready))
    }

    /// Removes an auto-delete queue that has no consumer left.
    pub(crate) fn auto_delete(&self, cell: &Arc<QueueCell>) {
        if cell.spec.auto_delete {
            // Somebody may have attached in between; then it stays.
            let unused = |state: &QueueState| if state.counts().consumers == 0 { Ok(()) } else { Err(()) };
            let _ = self.remove_queue(cell, Cause::NoConsumers, unused);
        }
    }

    /// Removes an auto-delete queue all of whose consumers are of this session. True where it went.
    pub(crate) fn auto_delete_with_session(&self, cell: &Arc<QueueCell>, session: SessionId) -> bool {
        if !cell.spec.auto_delete {
            return false;
        }
        let allow = |state: &QueueState| match state.consumers_besides(session) {
            (own, 0) if own > 0 => Ok(()),
            _ => Err(()),
        };
        matches!(self.remove_queue(cell, Cause::NoConsumers, allow), Ok(Some(_)))
    }

    /// Removes a queue whose time without use has ended, unless it was used in between.
    pub(crate) fn expire_queue(&self, cell: &Arc<QueueCell>) {
        let now = self.clock.now();
        let still = |state: &QueueState| match state.is_unused_at(now) {
            true => Ok(()),
            false => Err(()),
        };
        let _ = self.remove_queue(cell, Cause::Unused, still);
    }
}

/// Takes a queue out, and gives the exchanges that go with its bindings.
fn take_out(topology: &mut Topology, cell: &Arc<QueueCell>) -> Vec<ExchangeSpec> {
    let deleted = topology.graph.remove_queue(&cell.spec.name);
    topology.forget(cell);
    deleted
}

impl Topology {
    /// Frees the slot of a queue that was closed.
    pub(super) fn forget(&mut self, cell: &QueueCell) {
        if let Some(slot) = self.queues.get_mut(cell.id.0 as usize) {
            *slot = None;
            self.free.push(cell.id.0);
        }
    }
}
