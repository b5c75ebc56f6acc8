//! The cell: a queue machine behind its lock, and the one way to use it.
//!
//! [`QueueCell::act`] is that way: lock, one verb, carry out what may be done under the lock (put deliveries into
//! sinks, mirror the next deadline), unlock. What must not be done under the lock is added to a [`Work`]: whoever is to
//! be woken, the dead that look for their exchange, and whether the queue's time has ended.
//!
//! An acknowledgement that nobody waits for is only noted (`engine/acks.rs`): the next act carries it out first, so no act ever
//! sees a queue without it; but [`QueueCell::offer`], to which it may make no difference, and [`QueueCell::fetch`], which
//! asks the machine for nothing.
//!
//! Nothing is freed here that may run foreign code: messages that nobody has any more and the sinks of consumers that
//! went leave with the [`Work`]. `closed` is set under the lock, so whoever finds it unset there has the queue until he
//! unlocks, and its deadline is not touched after it.

mod inner;
#[cfg(feature = "testing")]
mod tested;

use crate::base::sync::atomic::{AtomicBool, Ordering};
use crate::base::sync::{Mutex, Rank};
use crate::base::{Moment, QueueId, SessionId};
use crate::engine::acks::Acks;
use crate::engine::listening::Listening;
use crate::engine::mailbox::Fetched;
use crate::engine::sink::{Leaver, Place, SinkOf, Sinks};
use crate::engine::waiter::{WaitList, Waiter};
use crate::engine::work::Work;
use crate::engine::{Engine, GetMode, Got};
use crate::message::{Reason, SharedEnvelope};
use crate::port::{Cause, Leaving, What};
use crate::queue::effect::{AttachError, ConsumerId, ConsumerSpec, Done, Handout, Offered, QueueLimits};
use crate::queue::{DeadLetter, QueueSpec, QueueState, Settings};
use crossbeam_utils::CachePadded;
use inner::Inner;
use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

/// How many messages a queue takes at most under one lock.
const AT_ONCE: usize = 64;

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
    acks: OnceLock<Box<CachePadded<Acks>>>,
    /// Whether messages waited at the end of the last act.
    backlog: AtomicBool,
    /// Apart from the rest, as the acknowledgements are: those belong to consumers, this to publishers, and a cache line
    /// that both write to travels between them with each message.
    inner: Box<Mutex<Inner>>,
}

/// A message that died, on its way to its dead-letter exchange.
#[derive(Debug)]
pub(crate) struct Letter {
    /// Where it died.
    pub(crate) source: Arc<QueueCell>,
    /// What died.
    pub(crate) envelope: SharedEnvelope,
    /// Why.
    pub(crate) reason: Reason,
    /// How often its delivery failed in quorum queues.
    pub(crate) failures: u32,
    /// It never came in.
    pub(crate) refused: bool,
    /// By which number the source buries it, where it keeps it.
    pub(crate) burial: Option<u64>,
    /// Where it goes.
    pub(crate) dead_letter: Option<DeadLetter>,
}

impl Letter {
    /// How the queue let it go.
    pub(crate) fn leaving(&self) -> Leaving {
        match self.burial {
            Some(_) => Leaving::Kept,
            None if self.refused => Leaving::Refused,
            None => Leaving::Died,
        }
    }
}

impl QueueCell {
    /// A queue that nobody has used yet.
    pub(crate) fn new(
        id: QueueId,
        serial: u64,
        spec: QueueSpec,
        owner: Option<SessionId>,
        settings: Arc<Settings>,
        limits: QueueLimits,
        engine: &Engine,
    ) -> Self {
        let now = engine.clock.now();
        let listening = engine.ear.as_ref().map(|ear| Listening::new(ear, &spec));
        let state = QueueState::new(now, spec.kind, settings, limits);
        let (sinks, room) = (Sinks::new(listening), WaitList::default());
        #[cfg(feature = "testing")]
        let sinks = sinks.with_faults(engine, &spec.name, id);
        let inner = Inner {
            state,
            sinks,
            room,
            acking: Vec::new(),
            dead: Vec::new(),
            given: 0,
            publishes: 0,
            prompt: false,
            mirrored: Moment::MAX,
        };
        let inner = Box::new(Mutex::new(Rank::Queue, inner));
        let (closed, backlog) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { id, serial, spec, owner, closed, acks: OnceLock::new(), backlog, inner }
    }

    /// Whether it was deleted.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Whether acknowledgements that were noted may make messages come to somebody who has none.
    pub(crate) fn owes(&self) -> bool {
        self.backlog.load(Ordering::Relaxed) && self.noted() > 0
    }

    /// Notes that lent messages are acknowledged. True where it is time to carry that out.
    #[inline]
    pub(crate) fn note(&self, done: Done, envelopes: &mut impl Iterator<Item = SharedEnvelope>) -> bool {
        self.acks.get_or_init(Box::default).note(done, envelopes)
    }

    /// How many acknowledgements are noted, as far as the caller can know.
    #[inline]
    fn noted(&self) -> u32 {
        self.acks.get().map_or(0, |acks| acks.count())
    }

    /// Reads something that acknowledgements do not change.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&QueueState) -> R) -> R {
        look(&self.inner.lock().state)
    }

    /// Reads something, with every acknowledgement that returned.
    pub(crate) fn read<R>(self: &Arc<Self>, engine: &Engine, look: impl FnOnce(&QueueState) -> R) -> R {
        let mut guard = self.inner.lock();
        let inner = &mut *guard;
        inner.take_noted(self);
        if inner.acking.is_empty() && inner.dead.is_empty() {
            return look(&inner.state);
        }
        let mut work = Work::default();
        inner.free_dead(&mut work);
        if inner.carry_out_acks(self, engine) {
            inner.conclude(self, engine, &mut work);
        }
        let seen = look(&inner.state);
        drop(guard);
        engine.finish(work);
        seen
    }

    /// Carries out one verb of the machine, and what follows under the lock; the rest is added to `work`. `None` where
    /// the queue was deleted.
    pub(crate) fn act<R>(
        self: &Arc<Self>,
        engine: &Engine,
        work: &mut Work,
        verb: impl FnOnce(&mut QueueState, &mut Sinks) -> R,
    ) -> Option<R> {
        let mut inner = self.inner.lock();
        if self.is_closed() {
            return None;
        }
        let inner = &mut *inner;
        inner.take_acks(self, engine, work);
        let value = verb(&mut inner.state, &mut inner.sinks);
        inner.conclude(self, engine, work);
        Some(value)
    }

    /// Offers a message, whether there is room for it or not.
    ///
    /// Acknowledgements that wait are carried out first only where they can matter to it. Else they go in batches.
    pub(crate) fn offer(
        self: &Arc<Self>,
        engine: &Engine,
        work: &mut Work,
        publisher: Option<SessionId>,
        envelope: &SharedEnvelope,
    ) -> Offered {
        let mut inner = self.inner.lock();
        if self.is_closed() {
            return Offered::Gone;
        }
        let inner = &mut *inner;
        inner.take_acks_for(self, engine, work, envelope);
        let offered = inner.offer(engine, publisher, envelope, None);
        inner.conclude(self, engine, work);
        offered
    }

    /// Offers a message where there is room for it; `None` where there is none. Where there is, only a test's fault has the
    /// queue refuse it. Says where the message goes (`unsaid`), if that was not announced to taps yet.
    pub(crate) fn offer_into_room(
        self: &Arc<Self>,
        engine: &Engine,
        work: &mut Work,
        envelope: &SharedEnvelope,
        unsaid: Option<&[Arc<Self>]>,
    ) -> Option<Offered> {
        let mut inner = self.inner.lock();
        if self.is_closed() {
            return Some(Offered::Gone);
        }
        let inner = &mut *inner;
        inner.take_acks_for(self, engine, work, envelope);
        let has_room = inner.state.has_room(envelope.body().len() as u64);
        let offered = has_room.then(|| inner.offer(engine, None, envelope, unsaid));
        inner.conclude(self, engine, work);
        offered
    }

    /// Gives a message to the queue, for good; gives it back where the queue was deleted, or has no room.
    pub(crate) fn give(
        self: &Arc<Self>,
        engine: &Engine,
        work: &mut Work,
        envelope: SharedEnvelope,
    ) -> Result<(), SharedEnvelope> {
        let mut inner = self.inner.lock();
        if self.is_closed() || engine.goes_slowly() {
            return Err(envelope);
        }
        let inner = &mut *inner;
        let given = inner.take_in(self, engine, work, envelope);
        inner.conclude(self, engine, work);
        given
    }

    /// Gives messages to the queue, in their order, as many as it has room for, but no more than [`AT_ONCE`]. Returns how
    /// many it took.
    pub(crate) fn give_many(
        self: &Arc<Self>,
        engine: &Engine,
        work: &mut Work,
        envelopes: &mut VecDeque<SharedEnvelope>,
    ) -> usize {
        let mut inner = self.inner.lock();
        if self.is_closed() || engine.goes_slowly() {
            return 0;
        }
        let inner = &mut *inner;
        let mut given = 0;
        while given < AT_ONCE
            && let Some(envelope) = envelopes.pop_front()
        {
            if let Err(envelope) = inner.take_in(self, engine, work, envelope) {
                envelopes.push_front(envelope);
                break;
            }
            given += 1;
            if !inner.sinks.effects.is_empty() {
                // What died of it goes before the next one comes, as between two publishes.
                break;
            }
        }
        inner.free_dead(work);
        inner.conclude(self, engine, work);
        given
    }

    /// How many publishes came here and nowhere else.
    pub(crate) fn given(&self) -> u64 {
        self.inner.lock().given
    }

    /// Lets a consumer in, with the place where its deliveries go.
    pub(crate) fn attach(
        self: &Arc<Self>,
        engine: &Engine,
        work: &mut Work,
        spec: ConsumerSpec,
        place: Place,
    ) -> Result<ConsumerId, AttachError> {
        let now = engine.clock.now();
        let mut inner = self.inner.lock();
        if self.is_closed() {
            return Err(AttachError::Gone);
        }
        let inner = &mut *inner;
        inner.take_acks(self, engine, work);
        let (session, tag) = (spec.session, spec.tag.clone());
        if let Some(listening) = inner.sinks.listening() {
            listening.coming(&tag, session);
        }
        if spec.keeps {
            self.acks.get_or_init(Box::default);
        }
        // The machine serves the consumer at once, so its deliveries are among the effects before its sink is known.
        let attached = inner.state.attach(now, spec, &mut inner.sinks);
        if let Ok(consumer) = attached {
            inner.sinks.insert(SinkOf { consumer, session, tag, place });
        }
        // One that is not let in has made the queue look at the time all the same.
        inner.conclude(self, engine, work);
        attached
    }

    /// Gives a plain consumer what was put down for it. Where there is nothing, its waiter is registered.
    pub(crate) fn fetch(
        self: &Arc<Self>,
        engine: &Engine,
        work: &mut Work,
        consumer: ConsumerId,
        drained: &mut VecDeque<Handout>,
        waiter: &mut Option<Waiter>,
    ) -> Fetched {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        let Some(mailbox) = inner.sinks.mailbox_until_it_leaves(consumer) else { return Fetched::Ended };
        if mailbox.has_mail() || self.is_closed() {
            return mailbox.fetch(drained, waiter);
        }
        // There may be more for it, once what it acknowledged counts.
        let acked = inner.take_acks(self, engine, work);
        let waits = waiter.is_some();
        let Some(mailbox) = inner.sinks.mailbox_until_it_leaves(consumer) else { return Fetched::Ended };
        let fetched = mailbox.fetch(drained, waiter);
        if fetched == Fetched::Nothing && waits && waiter.is_none() {
            inner.sinks.awaited();
        }
        if acked || waits {
            inner.free_dead(work);
            inner.conclude(self, engine, work);
        }
        fetched
    }

    /// Carries out a verb with which consumers leave, as [`QueueCell::act`], and takes out their sinks, to be dropped without
    /// a lock. Both under one lock: once the machine has let go of a consumer, another one may come into its place.
    pub(crate) fn act_leaving<R>(
        self: &Arc<Self>,
        engine: &Engine,
        work: &mut Work,
        leaver: Leaver,
        verb: impl FnOnce(&mut QueueState, &mut Sinks) -> R,
    ) -> (Option<R>, Vec<SinkOf>) {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        let value = (!self.is_closed()).then(|| {
            inner.take_acks(self, engine, work);
            let value = verb(&mut inner.state, &mut inner.sinks);
            // What was on its way to one that leaves still comes to it.
            inner.conclude(self, engine, work);
            value
        });
        #[cfg(feature = "testing")]
        inner.let_go_of_held(self, work, leaver);
        (value, inner.sinks.take(|sink| leaver.is(sink)))
    }

    /// Takes the head for `get` and puts it into `receive` under the lock, so that it comes in order with deliveries.
    pub(crate) fn take<R>(
        self: &Arc<Self>,
        engine: &Engine,
        work: &mut Work,
        session: SessionId,
        mode: GetMode,
        receive: impl FnOnce(Handout, usize) -> R,
    ) -> Got<R> {
        let now = engine.clock.now();
        let got = self.act(engine, work, |state, effects| {
            let no_ack = match mode {
                GetMode::Within(most) if state.counts().unacked >= most => return Got::TooManyOut,
                GetMode::Within(_) => false,
                GetMode::NoAck => true,
            };
            let Some((handout, left)) = state.take(now, session, no_ack, effects) else { return Got::Nothing };
            #[cfg(feature = "testing")]
            effects.fetched(&handout);
            Got::Message(receive(handout, left))
        });
        got.unwrap_or(Got::Gone)
    }

    /// Marks the queue as deleted, for this `cause`, and closes its machine, if `allow` agrees. Returns how many messages were ready.
    pub(crate) fn close<E>(
        self: &Arc<Self>,
        engine: &Engine,
        work: &mut Work,
        cause: Cause,
        allow: impl FnOnce(&QueueState) -> Result<(), E>,
    ) -> Result<Option<usize>, E> {
        let mut inner = self.inner.lock();
        if self.is_closed() {
            return Ok(None);
        }
        allow(&inner.state)?;
        let inner = &mut *inner;
        // What is out is forgotten, and what was acknowledged with it.
        inner.take_noted(self);
        inner.acking.clear();
        inner.free_dead(work);
        if let Some(listening) = inner.sinks.listening() {
            let counts = inner.state.counts();
            let (ready, unacked) = (counts.ready as u64, counts.unacked as u64);
            listening.say(None, What::QueueDeleted { cause, ready, unacked });
            listening.because(cause);
        }
        let ready = inner.state.close(&mut inner.sinks);
        self.closed.store(true, Ordering::Release);
        engine.publishes.published.fetch_add(std::mem::take(&mut inner.given), Ordering::Relaxed);
        inner.carry_out(self, work);
        work.free(inner.state.take_freed());
        // Plain consumers have not fetched yet what was handed over before.
        work.rest().sinks.extend(inner.sinks.take(SinkOf::is_channel));
        work.wake_all(inner.room.take_all());
        Ok(Some(ready))
    }

    /// Waits for room: `Ok` with a number to leave by where the waiter stands in the list now, `Err` with the waiter
    /// where there is room (or no queue any more).
    pub(crate) fn wait_for_room(
        self: &Arc<Self>,
        engine: &Engine,
        work: &mut Work,
        number: Option<u64>,
        bytes: u64,
        waiter: Waiter,
    ) -> Result<(u64, Option<Waiter>), Waiter> {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        let mut waits = Err(waiter);
        if !self.is_closed() {
            inner.take_acks(self, engine, work);
            if !inner.state.has_room(bytes) {
                waits = waits.or_else(|waiter| Ok(inner.room.put(number, waiter)));
            }
            inner.conclude(self, engine, work);
        }
        waits
    }

    /// Leaves the list of those that wait for room.
    pub(crate) fn leave_room(&self, number: u64) -> Option<Waiter> {
        self.inner.lock().room.leave(number)
    }
}
