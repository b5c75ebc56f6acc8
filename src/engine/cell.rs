//! The cell: a queue machine behind its lock, and the one way to use it.
//!
//! [`QueueCell::act`] is that way: lock, one verb, carry out what may be done under the lock (put deliveries into
//! sinks, mirror the next deadline), unlock. What must not be done under the lock is added to a [`Work`]: whoever is to
//! be woken, the dead that look for their exchange, and whether the queue's time has ended.
//!
//! An acknowledgement that nobody waits for is only noted (`acks.rs`): the next act carries it out first, so no act ever
//! sees a queue without it; but [`QueueCell::offer`], to which it may make no difference.
//!
//! Nothing is freed here that may run foreign code: messages that nobody has any more and the sinks of consumers that
//! went leave with the [`Work`]. `closed` is set under the lock, so whoever finds it unset there has the queue until he
//! unlocks, and its deadline is not touched after it.

use super::Engine;
use super::acks::Acks;
use super::deadlines::Deadlines;
use super::sink::{Sink, SinkOf};
use super::waiter::{WaitList, Waiter, free};
use super::work::Work;
use crate::base::sync::{Mutex, Rank};
use crate::base::{Moment, QueueId, SessionId};
use crate::message::{Envelope, Reason};
use crate::queue::effect::{
    AttachError, ConsumerId, ConsumerSpec, DeliveryRef, Effect, Effects, Handout, Offered, QueueLimits, Settlement,
};
use crate::queue::{DeadLetter, QueueSpec, QueueState, Settings};
use smallvec::smallvec;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A declared queue.
#[derive(Debug)]
pub(crate) struct QueueCell {
    /// Its slot.
    pub(crate) id: QueueId,
    /// Counts the queues of the broker: which of two is older.
    pub(crate) serial: u64,
    /// What it was declared as.
    pub(crate) spec: QueueSpec,
    /// The connection it is exclusive to.
    pub(crate) owner: Option<SessionId>,
    /// Set once, when it is deleted.
    closed: AtomicBool,
    /// Acknowledgements that wait to be carried out.
    pub(crate) acks: Acks,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: QueueState,
    /// By the consumer's slot.
    sinks: Vec<Option<SinkOf>>,
    /// Publishers that wait for room.
    room: WaitList,
    /// Buffers that every act uses.
    effects: Effects,
    acking: Vec<DeliveryRef>,
    /// What the table of deadlines says.
    mirrored: Moment,
}

/// A message that died, on its way to its dead-letter exchange.
#[derive(Debug)]
pub(crate) struct Letter {
    /// Where it died.
    pub(crate) source: Arc<QueueCell>,
    /// What died.
    pub(crate) envelope: Arc<Envelope>,
    /// Why.
    pub(crate) reason: Reason,
    /// By which number the source buries it, where it keeps it.
    pub(crate) burial: Option<u64>,
    /// Where it goes.
    pub(crate) dead_letter: Option<DeadLetter>,
}

impl QueueCell {
    /// A queue that nobody has used yet.
    pub(crate) fn new(
        id: QueueId,
        serial: u64,
        spec: QueueSpec,
        owner: Option<SessionId>,
        settings: Settings,
        limits: QueueLimits,
        now: Moment,
    ) -> Self {
        let state = QueueState::new(now, spec.kind, settings, limits);
        let acks = Acks::new(state.wants_acks());
        let inner = Inner {
            state,
            sinks: Vec::new(),
            room: WaitList::default(),
            effects: Effects::new(),
            acking: Vec::new(),
            mirrored: Moment::MAX,
        };
        let inner = Mutex::new(Rank::Queue, inner);
        Self { id, serial, spec, owner, closed: AtomicBool::new(false), acks, inner }
    }

    /// Whether it was deleted.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Reads something, without effects.
    pub(crate) fn read<R>(&self, look: impl FnOnce(&QueueState) -> R) -> R {
        let mut inner = self.inner.lock();
        if !self.acks.is_prompt() {
            // Nothing waits in the queue, so these have no effect and no time matters.
            inner.carry_out_acks(&self.acks, Moment::ZERO);
        }
        let freed = inner.state.take_freed();
        let seen = look(&inner.state);
        drop(inner);
        if !freed.is_empty() {
            free(freed);
        }
        seen
    }

    /// Carries out one verb of the machine, and what follows under the lock; the rest is added to `work`. `None` where
    /// the queue was deleted.
    pub(crate) fn act<R>(
        self: &Arc<Self>,
        engine: &Engine,
        work: &mut Work,
        verb: impl FnOnce(&mut QueueState, &mut Effects) -> R,
    ) -> Option<R> {
        let mut inner = self.inner.lock();
        if self.is_closed() {
            return None;
        }
        let inner = &mut *inner;
        if !self.acks.is_empty() {
            let now = engine.now_for(&inner.state, None);
            inner.carry_out_acks(&self.acks, now);
        }
        let value = verb(&mut inner.state, &mut inner.effects);
        inner.conclude(self, engine, work);
        Some(value)
    }

    /// Offers a message; `None` where the queue was deleted, or where it must have room (`into_room`) and has none.
    ///
    /// Acknowledgements that wait are carried out first only where they can matter to a message that comes in: where a
    /// consumer has no room, or a message waits. Else they go in batches.
    pub(crate) fn offer(
        self: &Arc<Self>,
        engine: &Engine,
        work: &mut Work,
        publisher: Option<SessionId>,
        envelope: &Arc<Envelope>,
        into_room: bool,
    ) -> Option<Offered> {
        let mut inner = self.inner.lock();
        if self.is_closed() {
            return Some(Offered::Gone);
        }
        let inner = &mut *inner;
        let now = engine.now_for(&inner.state, Some(envelope));
        if !self.acks.is_empty() && (self.acks.are_some() || inner.state.needs_acks()) {
            inner.carry_out_acks(&self.acks, now);
        }
        if into_room && !inner.state.has_room(envelope.body().len() as u64) {
            inner.conclude(self, engine, work);
            return None;
        }
        let offered = inner.state.offer(now, publisher, Arc::clone(envelope), &mut inner.effects);
        inner.conclude(self, engine, work);
        Some(offered)
    }

    /// Lets a consumer in, with the place where its deliveries go.
    pub(crate) fn attach(
        self: &Arc<Self>,
        engine: &Engine,
        work: &mut Work,
        spec: ConsumerSpec,
        sink: Arc<dyn Sink>,
    ) -> Result<ConsumerId, AttachError> {
        let now = engine.clock.now();
        let mut inner = self.inner.lock();
        if self.is_closed() {
            return Err(AttachError::Gone);
        }
        let inner = &mut *inner;
        inner.carry_out_acks(&self.acks, now);
        let (session, tag) = (spec.session, spec.tag.clone());
        // The machine serves the consumer at once, so its deliveries are among the effects before its sink is known.
        let attached = inner.state.attach(now, spec, &mut inner.effects);
        if let Ok(consumer) = attached {
            let slot = consumer.slot as usize;
            if inner.sinks.len() <= slot {
                inner.sinks.resize_with(slot + 1, || None);
            }
            if let Some(place) = inner.sinks.get_mut(slot) {
                *place = Some(SinkOf { consumer, session, tag, sink });
            }
        }
        // One that is not let in has made the queue look at the time all the same.
        inner.conclude(self, engine, work);
        attached
    }

    /// Forgets where deliveries went for consumers that have been detached: those that are `gone`.
    pub(crate) fn forget_sinks(&self, work: &mut Work, gone: impl Fn(&SinkOf) -> bool) {
        let mut inner = self.inner.lock();
        let places = inner.sinks.iter_mut().filter(|place| place.as_ref().is_some_and(&gone));
        let sinks: Vec<SinkOf> = places.filter_map(Option::take).collect();
        if !sinks.is_empty() {
            work.rest().sinks.extend(sinks);
        }
    }

    /// Takes the head for `get` and puts it into `receive` under the lock, so that it comes in order with deliveries.
    pub(crate) fn take<R>(
        self: &Arc<Self>,
        engine: &Engine,
        work: &mut Work,
        session: SessionId,
        no_ack: bool,
        receive: impl FnOnce(Handout, usize) -> R,
    ) -> Option<Option<R>> {
        let now = engine.clock.now();
        self.act(engine, work, |state, effects| {
            let (handout, left) = state.take(now, session, no_ack, effects)?;
            Some(receive(handout, left))
        })
    }

    /// Marks the queue as deleted and closes its machine, if `allow` agrees. Returns how many messages were ready.
    pub(crate) fn close<E>(
        self: &Arc<Self>,
        work: &mut Work,
        allow: impl FnOnce(&QueueState) -> Result<(), E>,
    ) -> Result<Option<usize>, E> {
        let mut inner = self.inner.lock();
        if self.is_closed() {
            return Ok(None);
        }
        allow(&inner.state)?;
        let inner = &mut *inner;
        let ready = inner.state.close(&mut inner.effects);
        self.closed.store(true, Ordering::Release);
        inner.carry_out(self, work);
        work.free(inner.state.take_freed());
        work.rest().sinks.extend(inner.sinks.drain(..).flatten());
        work.wake_all(inner.room.take_all());
        Ok(Some(ready))
    }

    /// Waits for room: `Ok` with a number to leave by where the waiter stands in the list now, `Err` with the waiter
    /// where there is room (or no queue any more).
    pub(crate) fn wait_for_room(
        &self,
        number: Option<u64>,
        bytes: u64,
        waiter: Waiter,
    ) -> Result<(u64, Option<Waiter>), Waiter> {
        let mut inner = self.inner.lock();
        if self.is_closed() || inner.state.has_room(bytes) {
            return Err(waiter);
        }
        Ok(inner.room.put(number, waiter))
    }

    /// Leaves the list of those that wait for room.
    pub(crate) fn leave_room(&self, number: u64) -> Option<Waiter> {
        self.inner.lock().room.leave(number)
    }
}

impl Inner {
    /// Carries out what was noted as acknowledged.
    fn carry_out_acks(&mut self, acks: &Acks, now: Moment) {
        acks.take(&mut self.acking);
        if !self.acking.is_empty() {
            self.state.settle(now, &self.acking, Settlement::Ack, &mut self.effects);
            self.acking.clear();
        }
    }

    /// What every act ends with, under the lock.
    fn conclude(&mut self, cell: &Arc<QueueCell>, engine: &Engine, work: &mut Work) {
        self.carry_out(cell, work);
        let prompt = self.state.wants_acks();
        cell.acks.set_prompt(prompt);
        if prompt && !cell.acks.is_empty() {
            // Noted by somebody who had not seen that it matters now.
            self.carry_out_acks(&cell.acks, engine.now_for(&self.state, None));
            self.carry_out(cell, work);
            cell.acks.set_prompt(self.state.wants_acks());
        }
        work.free(self.state.take_freed());
        self.mirror(cell, &engine.deadlines, work);
        if !self.room.is_empty() && self.state.has_room(0) {
            work.wake_all(self.room.take_all());
        }
    }

    /// Carries out, under the lock, the effects that belong there.
    fn carry_out(&mut self, cell: &Arc<QueueCell>, work: &mut Work) {
        let Self { effects, sinks, state, .. } = self;
        for effect in effects.drain(..) {
            match effect {
                Effect::Deliver(handout) => {
                    let Some(sink) = handout.consumer.and_then(|consumer| sink_of(sinks, consumer)) else {
                        work.free(smallvec![handout.envelope]);
                        continue;
                    };
                    if let Some(waiter) = sink.sink.deliver(cell, &sink.tag, handout) {
                        work.wake(waiter);
                    }
                }
                Effect::Die { envelope, reason, burial } => {
                    let dead_letter = state.settings().dead_letter.clone();
                    if dead_letter.is_none() {
                        work.rest().rubbish.push(envelope);
                        continue;
                    }
                    let letter = Letter { source: Arc::clone(cell), envelope, reason, burial, dead_letter };
                    work.rest().letters.push_back(letter);
                }
                Effect::Detached { consumer, .. } => {
                    let Some(sink) = sink_of(sinks, consumer) else { continue };
                    if let Some(waiter) = sink.sink.cancelled(cell, consumer, &sink.tag) {
                        work.wake(waiter);
                    }
                }
                Effect::Expired => work.rest().expired.push(Arc::clone(cell)),
            }
        }
    }

    /// Writes the next deadline into the table, if it changed.
    fn mirror(&mut self, cell: &QueueCell, deadlines: &Deadlines, work: &mut Work) {
        let next = self.state.next_deadline().unwrap_or(Moment::MAX);
        if next != self.mirrored {
            self.mirrored = next;
            work.kick |= deadlines.set(cell.id, next);
        }
    }
}

fn sink_of(sinks: &[Option<SinkOf>], consumer: ConsumerId) -> Option<&SinkOf> {
    sinks.get(consumer.slot as usize)?.as_ref().filter(|sink| sink.consumer == consumer)
}
