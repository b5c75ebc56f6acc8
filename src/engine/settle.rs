//! The way back, and consumers coming and going: settle, get, attach, detach, resume, close.

use super::Engine;
use super::cell::QueueCell;
use super::sink::Sink;
use crate::base::SessionId;
use crate::queue::effect::{AttachError, ConsumerId, ConsumerSpec, DeliveryRef, Handout, Settlement};
use std::sync::Arc;

impl Engine {
    /// Settles deliveries of one queue, in the order given. False where the queue is gone: then there is nothing to do.
    pub(crate) fn settle(&self, cell: &Arc<QueueCell>, refs: &[DeliveryRef], settlement: Settlement) -> bool {
        let settled = cell.act(&self.deadlines, |state, effects| {
            let now = self.now_for(state, None);
            state.settle(now, refs, settlement, effects);
        });
        let Some(((), after)) = settled else { return false };
        self.follow(cell, after);
        true
    }

    /// Takes one message for `get`: `receive` is called under the queue's lock with it and with the number of messages
    /// that are left. The outer `None` is a deleted queue, the inner one an empty queue.
    pub(crate) fn get<R>(
        &self,
        cell: &Arc<QueueCell>,
        session: SessionId,
        no_ack: bool,
        receive: impl FnOnce(Handout, usize) -> R,
    ) -> Option<Option<R>> {
        let now = self.clock.now();
        let (received, after) = cell.take(&self.deadlines, now, session, no_ack, receive)?;
        self.follow(cell, after);
        Some(received)
    }

    /// Lets a consumer in; its first deliveries are in the sink when this returns.
    pub(crate) fn attach(
        &self,
        cell: &Arc<QueueCell>,
        spec: ConsumerSpec,
        sink: Arc<dyn Sink>,
    ) -> Result<ConsumerId, AttachError> {
        let (consumer, after) = cell.attach(&self.deadlines, self.clock.now(), spec, sink)?;
        self.follow(cell, after);
        Ok(consumer)
    }

    /// A consumer is cancelled by its client. An auto-delete queue goes with its last one.
    pub(crate) fn detach(&self, cell: &Arc<QueueCell>, consumer: ConsumerId) {
        let now = self.clock.now();
        let detached = cell.act(&self.deadlines, |state, effects| state.detach(now, consumer, effects));
        if let Some((was_here, after)) = detached {
            self.follow(cell, after);
            if was_here {
                self.auto_delete(cell);
            }
        }
    }

    /// A session ends on this queue: its consumers go, what it has out comes back.
    pub(crate) fn close_session(&self, cell: &Arc<QueueCell>, session: SessionId) {
        let now = self.clock.now();
        // A queue that goes with its last consumer goes before anything comes back to it: it dead-letters nothing.
        if self.auto_delete_with_session(cell, session) {
            return;
        }
        let closed = cell.act(&self.deadlines, |state, effects| state.close_session(now, session, effects));
        if let Some(((), after)) = closed {
            self.follow(cell, after);
        }
    }

    /// A session's shared credit has room again: its queue serves it.
    pub(crate) fn resume(&self, cell: &Arc<QueueCell>, session: SessionId) {
        let resumed = cell.act(&self.deadlines, |state, effects| {
            let now = self.now_for(state, None);
            state.resume(now, session, effects);
        });
        if let Some(((), after)) = resumed {
            self.follow(cell, after);
        }
    }
}
