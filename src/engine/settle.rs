//! The way back, and consumers coming and going: settle, get, attach, detach, resume, close.

use super::Engine;
use super::cell::QueueCell;
use super::mailbox::Fetched;
use super::sink::{Leaver, Place};
use super::waiter::Waiter;
use super::work::Work;
use crate::base::SessionId;
use crate::message::SharedEnvelope;
use crate::port::Cause;
use crate::queue::effect::{AttachError, ConsumerId, ConsumerSpec, DeliveryRef, Done, Handout, Settlement};
use std::collections::VecDeque;
use std::sync::Arc;

/// Whether a `get` is to be acknowledged.
#[derive(Clone, Copy, Debug)]
pub(crate) enum GetMode {
    /// It is acknowledged with the delivery.
    NoAck,
    /// It is out until it is settled, and only where the queue has less than so many out.
    Within(usize),
}

/// What a `get` took.
#[derive(Debug)]
pub(crate) enum Got<R> {
    /// The queue was deleted.
    Gone,
    /// Nothing, since the queue has as many out as the mode allows.
    TooManyOut,
    /// The queue is empty.
    Nothing,
    /// A message.
    Message(R),
}

impl Engine {
    /// Settles deliveries of one queue, in the order given, for this cause. False where the queue is gone: then there is
    /// nothing to do.
    pub(crate) fn settle(
        &self,
        cell: &Arc<QueueCell>,
        refs: &[DeliveryRef],
        settlement: Settlement,
        cause: Cause,
    ) -> bool {
        #[cfg(feature = "testing")]
        if self.faults.is_armed() {
            return self.settle_doomed(cell, refs, settlement, cause);
        }
        self.settle_now(cell, refs, settlement, cause)
    }

    /// As [`Engine::settle`], whatever a test asked for.
    pub(super) fn settle_now(
        &self,
        cell: &Arc<QueueCell>,
        refs: &[DeliveryRef],
        settlement: Settlement,
        cause: Cause,
    ) -> bool {
        let settled = self.act(cell, |state, effects| {
            effects.because(cause);
            let now = self.now_for(state, None);
            state.settle(now, refs, settlement, effects);
        });
        settled.is_some()
    }

    /// Takes back deliveries that one queue lent, in the order given. False where the queue is gone.
    pub(crate) fn give_back(&self, cell: &Arc<QueueCell>, handouts: Vec<Handout>, settlement: Settlement) -> bool {
        let given = self.act(cell, |state, sinks| {
            let now = self.now_for(state, None);
            state.give_back(now, handouts, settlement, sinks);
        });
        given.is_some()
    }

    /// Acknowledges deliveries that were lent, at once or, where nobody waits for it, with a later act on the queue: no
    /// later call can tell. False where the queue is gone.
    /// Some of the `envelopes` are kept, for a publisher to free them.
    #[inline]
    pub(crate) fn ack(
        &self,
        cell: &Arc<QueueCell>,
        done: Done,
        envelopes: &mut impl Iterator<Item = SharedEnvelope>,
    ) -> bool {
        if cell.note(done, envelopes) || self.is_stopped() || cell.is_closed() {
            return self.act(cell, |_, _| ()).is_some();
        }
        true
    }

    /// Gives a plain consumer what was put down for it; where there is nothing, registers the waiter.
    pub(crate) fn fetch(
        &self,
        cell: &Arc<QueueCell>,
        consumer: ConsumerId,
        drained: &mut VecDeque<Handout>,
        mut waiter: Option<Waiter>,
    ) -> Fetched {
        let mut work = Work::default();
        let waits = waiter.is_some();
        let fetched = cell.fetch(self, &mut work, consumer, drained, &mut waiter);
        self.finish(work);
        if waits && fetched == Fetched::Nothing {
            self.awaited();
        }
        fetched
    }

    /// Takes one message for `get`: `receive` is called under the queue's lock with it and with the number of messages
    /// that are left.
    pub(crate) fn get<R>(
        &self,
        cell: &Arc<QueueCell>,
        session: SessionId,
        mode: GetMode,
        receive: impl FnOnce(Handout, usize) -> R,
    ) -> Got<R> {
        let mut work = Work::default();
        let received = cell.take(self, &mut work, session, mode, receive);
        self.finish(work);
        received
    }

    /// Lets a consumer in; its first deliveries are in the sink when this returns.
    pub(crate) fn attach(
        &self,
        cell: &Arc<QueueCell>,
        spec: ConsumerSpec,
        place: Place,
    ) -> Result<ConsumerId, AttachError> {
        let mut work = Work::default();
        let consumer = cell.attach(self, &mut work, spec, place);
        self.finish(work);
        consumer
    }

    /// A consumer is cancelled by its client. Where it is a plain one, `left` has what was put down for it behind its ring.
    /// An auto-delete queue goes with its last consumer.
    pub(crate) fn detach(&self, cell: &Arc<QueueCell>, consumer: ConsumerId, left: &mut VecDeque<Handout>) {
        // Whatever foreign code does, the rest is done first.
        let _deferred = self.quietly();
        let now = self.clock.now();
        let mut work = Work::default();
        let leaver = Leaver::Consumer(consumer);
        let (was_here, sinks) = cell.act_leaving(self, &mut work, leaver, |state, effects| {
            if let Some(listening) = effects.listening() {
                listening.detached(consumer, Cause::ConsumerCancelled);
            }
            state.detach(now, consumer, effects)
        });
        work.rest().sinks.extend(sinks.into_iter().map(|sink| sink.left_to(left)));
        self.finish(work);
        if was_here == Some(true) {
            self.auto_delete(cell);
        }
    }

    /// A session ends on this queue, for this cause: its consumers go, what it has out comes back.
    pub(crate) fn close_session(&self, cell: &Arc<QueueCell>, session: SessionId, cause: Cause) {
        let now = self.clock.now();
        // A queue that goes with its last consumer goes before anything comes back to it: it dead-letters nothing.
        if self.auto_delete_with_session(cell, session) {
            return;
        }
        let mut work = Work::default();
        let leaver = Leaver::Session(session);
        let (_, sinks) = cell.act_leaving(self, &mut work, leaver, |state, effects| {
            if let Some(listening) = effects.listening() {
                listening.because(cause);
                listening.session_left(session, cause);
            }
            state.close_session(now, session, effects);
        });
        work.rest().sinks.extend(sinks);
        self.finish(work);
    }

    /// Waits for room in a queue: see [`QueueCell::wait_for_room`].
    pub(crate) fn wait_for_room(
        &self,
        cell: &Arc<QueueCell>,
        number: Option<u64>,
        bytes: u64,
        waiter: Waiter,
    ) -> Result<(u64, Option<Waiter>), Waiter> {
        let mut work = Work::default();
        let waits = cell.wait_for_room(self, &mut work, number, bytes, waiter);
        self.finish(work);
        waits
    }

    /// A session's shared credit has room again: its queue serves it.
    pub(crate) fn resume(&self, cell: &Arc<QueueCell>, session: SessionId) {
        self.act(cell, |state, effects| {
            let now = self.now_for(state, None);
            state.resume(now, session, effects);
        });
    }
}
