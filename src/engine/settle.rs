//! The way back, and consumers coming and going: settle, get, attach, detach, resume, close.

use super::Engine;
use super::cell::QueueCell;
use super::sink::Sink;
use super::work::Work;
use crate::base::SessionId;
use crate::queue::effect::{AttachError, ConsumerId, ConsumerSpec, DeliveryRef, Handout, Settlement};
use std::sync::Arc;

impl Engine {
    /// Settles deliveries of one queue, in the order given. False where the queue is gone: then there is nothing to do.
    pub(crate) fn settle(&self, cell: &Arc<QueueCell>, refs: &[DeliveryRef], settlement: Settlement) -> bool {
        let settled = self.act(cell, |state, effects| {
            let now = self.now_for(state, None);
            state.settle(now, refs, settlement, effects);
        });
        settled.is_some()
    }

    /// Acknowledges a delivery, at once or, where nobody waits for it, with the next act on the queue: no later call can
    /// tell. False where the queue is gone.
    pub(crate) fn ack(&self, cell: &Arc<QueueCell>, reference: DeliveryRef) -> bool {
        if cell.acks.is_prompt() {
            return self.settle(cell, &[reference], Settlement::Ack);
        }
        let due = cell.acks.note(reference);
        if due || self.is_stopped() || cell.is_closed() {
            return self.act(cell, |_, _| ()).is_some();
        }
        true
    }

    /// Carries out acknowledgements that wait: whoever acknowledged has nothing to do for a while.
    pub(crate) fn carry_out_acks(&self, cell: &Arc<QueueCell>) {
        if !cell.acks.is_empty() {
            self.act(cell, |_, _| ());
        }
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
        let mut work = Work::default();
        let received = cell.take(self, &mut work, session, no_ack, receive);
        self.finish(work);
        received
    }

    /// Lets a consumer in; its first deliveries are in the sink when this returns.
    pub(crate) fn attach(
        &self,
        cell: &Arc<QueueCell>,
        spec: ConsumerSpec,
        sink: Arc<dyn Sink>,
    ) -> Result<ConsumerId, AttachError> {
        let mut work = Work::default();
        let consumer = cell.attach(self, &mut work, spec, sink);
        self.finish(work);
        consumer
    }

    /// A consumer is cancelled by its client. An auto-delete queue goes with its last one.
    pub(crate) fn detach(&self, cell: &Arc<QueueCell>, consumer: ConsumerId) {
        let now = self.clock.now();
        let mut work = Work::default();
        let was_here = cell.act(self, &mut work, |state, effects| state.detach(now, consumer, effects));
        cell.forget_sinks(&mut work, |sink| sink.consumer == consumer);
        self.finish(work);
        if was_here == Some(true) {
            self.auto_delete(cell);
        }
    }

    /// A session ends on this queue: its consumers go, what it has out comes back.
    pub(crate) fn close_session(&self, cell: &Arc<QueueCell>, session: SessionId) {
        let now = self.clock.now();
        // A queue that goes with its last consumer goes before anything comes back to it: it dead-letters nothing.
        if self.auto_delete_with_session(cell, session) {
            return;
        }
        let mut work = Work::default();
        cell.act(self, &mut work, |state, effects| state.close_session(now, session, effects));
        cell.forget_sinks(&mut work, |sink| sink.session == session);
        self.finish(work);
    }

    /// A session's shared credit has room again: its queue serves it.
    pub(crate) fn resume(&self, cell: &Arc<QueueCell>, session: SessionId) {
        self.act(cell, |state, effects| {
            let now = self.now_for(state, None);
            state.resume(now, session, effects);
        });
    }
}
