//! What a cell's lock guards, and what follows a verb of the machine under it.

use super::{Letter, QueueCell};
use crate::base::sync::atomic::Ordering;
use crate::base::{Moment, SessionId};
use crate::engine::Engine;
use crate::engine::acks::{KEPT, SOME};
use crate::engine::deadlines::Deadlines;
use crate::engine::sink::{Place, SinkOf, Sinks};
use crate::engine::waiter::WaitList;
use crate::engine::work::Work;
use crate::message::{Envelope, SharedEnvelope};
use crate::port::{Dropping, Leaving, What};
use crate::queue::QueueState;
use crate::queue::effect::{Done, Effect, Handout, Offered};
use std::sync::Arc;

/// A queue's machine, where its deliveries go, and who waits for it.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) state: QueueState,
    pub(super) sinks: Sinks,
    /// Publishers that wait for room.
    pub(super) room: WaitList,
    /// A buffer that acts use.
    pub(super) acking: Vec<Done>,
    /// Messages that were acknowledged, to be freed by publishers.
    pub(super) dead: Vec<SharedEnvelope>,
    /// How many publishes came here and nowhere else.
    pub(super) given: u64,
    /// Counts publishes, to do something now and then.
    pub(super) publishes: u32,
    /// What the acknowledgements were told last: they are on a line of the consumers, so they are not asked.
    pub(super) prompt: bool,
    /// What the table of deadlines says.
    pub(super) mirrored: Moment,
}

impl Inner {
    /// Takes in what was noted as acknowledged, where it matters to this message or is so much that it is time.
    #[inline]
    pub(super) fn take_acks_for(
        &mut self,
        cell: &Arc<QueueCell>,
        engine: &Engine,
        work: &mut Work,
        envelope: &Envelope,
    ) {
        self.publishes = self.publishes.wrapping_add(1);
        // Where they cannot matter they are not even looked at, but now and then: they are on a line of the consumers.
        if self.publishes.is_multiple_of(SOME) || self.state.may_need_acks() {
            let noted = cell.noted();
            if noted > 0 && (noted >= SOME || self.state.needs_acks(noted, envelope.body().len() as u64)) {
                self.take_acks(cell, engine, work);
            }
        }
        if !work.has_freed()
            && let Some(envelope) = self.dead.pop()
        {
            work.free_one(envelope);
        }
    }

    /// Takes a message that goes nowhere else, or gives it back where there is no room for it.
    #[inline]
    pub(super) fn take_in(
        &mut self,
        cell: &Arc<QueueCell>,
        engine: &Engine,
        work: &mut Work,
        envelope: SharedEnvelope,
    ) -> Result<(), SharedEnvelope> {
        self.take_acks_for(cell, engine, work, &envelope);
        if !self.state.has_room(envelope.body().len() as u64) {
            return Err(envelope);
        }
        let now = engine.now_for(&self.state, Some(&envelope));
        let offered = self.state.offer(now, None, envelope, &mut self.sinks);
        debug_assert_eq!(offered, Offered::Taken, "there was room");
        self.given += 1;
        Ok(())
    }

    /// Offers a message to the machine, and says so, and where it goes if that is `unsaid`.
    #[inline]
    pub(super) fn offer(
        &mut self,
        engine: &Engine,
        publisher: Option<SessionId>,
        envelope: &SharedEnvelope,
        unsaid: Option<&[Arc<QueueCell>]>,
    ) -> Offered {
        let now = engine.now_for(&self.state, Some(envelope));
        let Self { state, sinks, .. } = self;
        sinks.taking(envelope, unsaid, |sinks| {
            #[cfg(feature = "testing")]
            if sinks.full(envelope) {
                return state.refuse(SharedEnvelope::clone(envelope), sinks);
            }
            state.offer(now, publisher, SharedEnvelope::clone(envelope), sinks)
        })
    }

    /// Takes in what was noted as acknowledged. True where there was something.
    #[inline]
    pub(super) fn take_acks(&mut self, cell: &Arc<QueueCell>, engine: &Engine, work: &mut Work) -> bool {
        if cell.noted() == 0 {
            return false;
        }
        self.take_noted(cell);
        // Whoever publishes frees one each time; what is too much for that goes now.
        let kept = KEPT.min(self.dead.len());
        work.free_all(self.dead.split_off(kept));
        self.carry_out_acks(cell, engine)
    }

    /// Lets go of all messages that were acknowledged.
    pub(super) fn free_dead(&mut self, work: &mut Work) {
        // One at most, mostly, and then nothing is to be allocated for it.
        if self.dead.len() > 1 {
            work.free_all(std::mem::take(&mut self.dead));
        } else if let Some(envelope) = self.dead.pop() {
            work.free_one(envelope);
        }
    }

    /// Takes in what was noted.
    pub(super) fn take_noted(&mut self, cell: &QueueCell) {
        if let Some(acks) = cell.acks.get() {
            acks.take(&mut self.acking, &mut self.dead);
        }
    }

    /// Carries out acknowledgements that were taken in. True where there were any.
    pub(super) fn carry_out_acks(&mut self, cell: &QueueCell, engine: &Engine) -> bool {
        let some = !self.acking.is_empty() && !cell.is_closed();
        if some {
            let now = engine.now_for(&self.state, None);
            self.state.done(now, &self.acking, &mut self.sinks);
        }
        self.acking.clear();
        some
    }

    /// What every act ends with, under the lock.
    #[inline]
    pub(super) fn conclude(&mut self, cell: &Arc<QueueCell>, engine: &Engine, work: &mut Work) {
        self.carry_out(cell, work);
        while self.is_prompt() != self.prompt
            && let Some(acks) = cell.acks.get()
        {
            self.prompt = !self.prompt;
            if acks.set_prompt(self.prompt) {
                // Noted by somebody who had not seen that it matters now.
                self.take_acks(cell, engine, work);
                self.carry_out(cell, work);
            }
        }
        let backlog = self.state.has_ready();
        if cell.backlog.load(Ordering::Relaxed) != backlog {
            cell.backlog.store(backlog, Ordering::Relaxed);
        }
        if self.state.has_freed() {
            work.free(self.state.take_freed());
        }
        self.mirror(cell, &engine.deadlines, work);
        if !self.room.is_empty() && self.state.has_room(0) {
            work.wake_all(self.room.take_all());
        }
    }

    /// Whether an acknowledgement is to be carried out at once: somebody may be waiting for it.
    #[inline]
    pub(super) fn is_prompt(&self) -> bool {
        !self.room.is_empty() || self.sinks.is_awaited() && self.state.has_ready() || self.state.needs_acks_at_once()
    }

    /// Carries out, under the lock, the effects that belong there.
    #[inline]
    pub(super) fn carry_out(&mut self, cell: &Arc<QueueCell>, work: &mut Work) {
        if !self.sinks.effects.is_empty() {
            self.carry_out_effects(cell, work);
        }
        if !self.sinks.woken.is_empty() {
            self.sinks.woken.drain(..).for_each(|waiter| work.wake(waiter));
        }
    }

    pub(super) fn carry_out_effects(&mut self, cell: &Arc<QueueCell>, work: &mut Work) {
        let mut effects = std::mem::take(&mut self.sinks.effects);
        for effect in effects.drain(..) {
            let Self { sinks, state, .. } = self;
            match effect {
                Effect::Deliver(handout) => {
                    #[cfg(feature = "testing")]
                    let Some(handout) = sinks.held_back(handout) else { continue };
                    self.put_down(cell, work, handout);
                }
                Effect::Die { envelope, reason, burial, failures, refused } => {
                    let dead_letter = state.settings().dead_letter.clone();
                    if dead_letter.is_none() {
                        if let Some(listening) = sinks.listening() {
                            let why = Dropping::NoDeadLetterExchange;
                            let leaving = if refused { Leaving::Refused } else { Leaving::Died };
                            listening.say(Some(&envelope), What::Dropped { reason, why, leaving });
                        }
                        work.rest().rubbish.push(envelope);
                        continue;
                    }
                    let source = Arc::clone(cell);
                    let letter = Letter { source, envelope, reason, failures, refused, burial, dead_letter };
                    work.rest().letters.push_back(letter);
                }
                Effect::Detached { consumer, .. } => {
                    if let Some(listening) = sinks.listening() {
                        listening.ended(consumer);
                    }
                    match sinks.of(consumer) {
                        None => {}
                        Some(SinkOf { tag, place: Place::Channel(sink), .. }) => {
                            if let Some(waiter) = sink.cancelled(cell, consumer, tag) {
                                work.wake(waiter);
                            }
                        }
                        Some(SinkOf { place: Place::Mailbox(mailbox), .. }) => {
                            let waiter = mailbox.end();
                            sinks.wake(waiter);
                        }
                    }
                }
                Effect::Expired => work.rest().expired.push(Arc::clone(cell)),
            }
        }
        // The buffer is used again.
        self.sinks.effects = effects;
    }

    /// Gives a delivery to its consumer.
    #[inline]
    pub(super) fn put_down(&mut self, cell: &Arc<QueueCell>, work: &mut Work, handout: Handout) {
        let sinks = &mut self.sinks;
        match handout.consumer.and_then(|consumer| sinks.of(consumer)) {
            None => work.free_one(handout.envelope),
            Some(SinkOf { tag, place: Place::Channel(sink), .. }) => {
                if let Some(waiter) = sink.deliver(cell, tag, handout) {
                    work.wake(waiter);
                }
            }
            Some(SinkOf { place: Place::Mailbox(mailbox), .. }) => {
                let waiter = mailbox.put(handout);
                sinks.wake(waiter);
            }
        }
    }

    /// Writes the next deadline into the table, if it changed.
    #[inline]
    pub(super) fn mirror(&mut self, cell: &QueueCell, deadlines: &Deadlines, work: &mut Work) {
        let next = self.state.next_deadline().unwrap_or(Moment::MAX);
        if next != self.mirrored {
            self.mirrored = next;
            work.kick |= deadlines.set(cell.id, next);
        }
    }
}
