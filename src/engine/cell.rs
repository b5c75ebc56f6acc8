//! The cell: a queue machine behind its lock, and the one way to use it.
//!
//! [`QueueCell::act`] is that way: lock, one verb, carry out what may be done under the lock (put deliveries into
//! sinks, mirror the next deadline), unlock. What must not be done under the lock is returned as an [`Aftermath`]:
//! whoever is to be woken, the dead that look for their exchange, and whether the queue's time has ended.

use super::deadlines::Deadlines;
use super::sink::{Sink, SinkOf};
use super::waiter::{WaitList, Waiter, Wakes};
use crate::base::sync::{Mutex, Rank};
use crate::base::{Moment, QueueId, SessionId};
use crate::message::{Envelope, Reason};
use crate::queue::effect::{AttachError, ConsumerId, ConsumerSpec, Effect, Effects, Handout, QueueLimits};
use crate::queue::{DeadLetter, QueueSpec, QueueState, Settings};
use smallvec::SmallVec;
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
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: QueueState,
    /// By the consumer's slot.
    sinks: Vec<Option<SinkOf>>,
    /// Publishers that wait for room.
    room: WaitList,
    /// A buffer that every verb uses.
    effects: Effects,
    /// What the table of deadlines says.
    mirrored: Moment,
}

/// What is left to do when the lock is free.
#[derive(Debug, Default)]
pub(crate) struct Aftermath {
    /// Whoever is to be woken.
    pub(crate) wakes: Wakes,
    /// The dead.
    pub(crate) letters: SmallVec<[Letter; 1]>,
    /// The queue's time without use has ended.
    pub(crate) expired: bool,
    /// The timer must look at the deadlines again.
    pub(crate) kick: bool,
    /// Messages thrown away, freed after the lock.
    pub(crate) rubbish: Vec<Arc<Envelope>>,
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
        let inner = Inner {
            state,
            sinks: Vec::new(),
            room: WaitList::default(),
            effects: Effects::new(),
            mirrored: Moment::MAX,
        };
        Self { id, serial, spec, owner, closed: AtomicBool::new(false), inner: Mutex::new(Rank::Queue, inner) }
    }

    /// Whether it was deleted.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Reads something, without effects.
    pub(crate) fn read<R>(&self, look: impl FnOnce(&QueueState) -> R) -> R {
        look(&self.inner.lock().state)
    }

    /// Carries out one verb of the machine, and what follows under the lock. `None` where the queue was deleted.
    pub(crate) fn act<R>(
        self: &Arc<Self>,
        deadlines: &Deadlines,
        verb: impl FnOnce(&mut QueueState, &mut Effects) -> R,
    ) -> Option<(R, Aftermath)> {
        let mut inner = self.inner.lock();
        if self.is_closed() {
            return None;
        }
        let inner = &mut *inner;
        let value = verb(&mut inner.state, &mut inner.effects);
        let mut after = Aftermath::default();
        inner.carry_out(self, &mut after);
        inner.mirror(self, deadlines, &mut after);
        if !inner.room.is_empty() && inner.state.has_room(0) {
            after.wakes.extend(inner.room.take_all());
        }
        Some((value, after))
    }

    /// Lets a consumer in, with the place where its deliveries go.
    pub(crate) fn attach(
        self: &Arc<Self>,
        deadlines: &Deadlines,
        now: Moment,
        spec: ConsumerSpec,
        sink: Arc<dyn Sink>,
    ) -> Result<(ConsumerId, Aftermath), AttachError> {
        let mut inner = self.inner.lock();
        if self.is_closed() {
            return Err(AttachError::Gone);
        }
        let inner = &mut *inner;
        let tag = spec.tag.clone();
        // The machine serves the consumer at once, so its deliveries are among the effects before its sink is known.
        let consumer = inner.state.attach(now, spec, &mut inner.effects)?;
        let slot = consumer.slot as usize;
        if inner.sinks.len() <= slot {
            inner.sinks.resize_with(slot + 1, || None);
        }
        if let Some(place) = inner.sinks.get_mut(slot) {
            *place = Some(SinkOf { consumer, tag, sink });
        }
        let mut after = Aftermath::default();
        inner.carry_out(self, &mut after);
        inner.mirror(self, deadlines, &mut after);
        Ok((consumer, after))
    }

    /// Takes the head for `get` and puts it into `receive` under the lock, so that it comes in order with deliveries.
    pub(crate) fn take<R>(
        self: &Arc<Self>,
        deadlines: &Deadlines,
        now: Moment,
        session: SessionId,
        no_ack: bool,
        receive: impl FnOnce(Handout, usize) -> R,
    ) -> Option<(Option<R>, Aftermath)> {
        self.act(deadlines, |state, effects| {
            let (handout, left) = state.take(now, session, no_ack, effects)?;
            Some(receive(handout, left))
        })
    }

    /// Marks the queue as deleted and closes its machine, if `allow` agrees. Returns how many messages were ready.
    pub(crate) fn close<E>(
        self: &Arc<Self>,
        allow: impl FnOnce(&QueueState) -> Result<(), E>,
    ) -> Result<Option<(usize, Aftermath)>, E> {
        let mut inner = self.inner.lock();
        if self.is_closed() {
            return Ok(None);
        }
        allow(&inner.state)?;
        let inner = &mut *inner;
        let ready = inner.state.close(&mut inner.effects);
        self.closed.store(true, Ordering::Release);
        let mut after = Aftermath::default();
        inner.carry_out(self, &mut after);
        inner.sinks.clear();
        after.wakes.extend(inner.room.take_all());
        Ok(Some((ready, after)))
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
    /// Carries out, under the lock, the effects that belong there.
    fn carry_out(&mut self, cell: &Arc<QueueCell>, after: &mut Aftermath) {
        let mut effects = std::mem::take(&mut self.effects);
        for effect in effects.drain(..) {
            match effect {
                Effect::Deliver(handout) => {
                    let Some(sink) = handout.consumer.and_then(|consumer| self.sink(consumer)) else { continue };
                    after.wakes.extend(sink.sink.deliver(cell, &sink.tag, handout));
                }
                Effect::Die { envelope, reason, burial } => {
                    let dead_letter = self.state.settings().dead_letter.clone();
                    if dead_letter.is_none() {
                        after.rubbish.push(envelope);
                        continue;
                    }
                    after.letters.push(Letter { source: Arc::clone(cell), envelope, reason, burial, dead_letter });
                }
                Effect::Detached { consumer, .. } => {
                    let Some(sink) = self.sink(consumer) else { continue };
                    after.wakes.extend(sink.sink.cancelled(cell, consumer, &sink.tag));
                }
                Effect::Expired => after.expired = true,
            }
        }
        self.effects = effects;
    }

    fn sink(&self, consumer: ConsumerId) -> Option<&SinkOf> {
        self.sinks.get(consumer.slot as usize)?.as_ref().filter(|sink| sink.consumer == consumer)
    }

    /// Writes the next deadline into the table, if it changed.
    fn mirror(&mut self, cell: &QueueCell, deadlines: &Deadlines, after: &mut Aftermath) {
        let next = self.state.next_deadline().unwrap_or(Moment::MAX);
        if next != self.mirrored {
            self.mirrored = next;
            after.kick |= deadlines.set(cell.id, next);
        }
    }
}
