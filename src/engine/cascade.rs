//! Deaths carried from queue to queue.
//!
//! A death is a value. No lock is held when it looks for its exchange, and each target is locked alone, so queues need
//! no order among each other. Whatever dies on the way joins the same worklist: no recursion, first in, first out. A
//! message that would come, unrejected, to a queue it died in is cut out there, so every chain ends; a long burst ends
//! at a budget, and the rest waits in the backlog for the next call.

use super::Engine;
use super::cell::{Letter, QueueCell};
use super::facts::names;
use super::sink::Sinks;
use super::waiter::{free, free_each, wake_all, wake_one};
use super::work::Work;
use crate::base::Moment;
use crate::base::sync::atomic::{AtomicU64, Ordering};
use crate::message::{Envelope, Reason, SharedEnvelope};
use crate::port::{Dropping, Leaving, MessageRef, Refusing, What};
use crate::queue::effect::Offered;
use crate::queue::{DeadLetter, QueueState};
use std::sync::Arc;

/// What became of the dead that did not arrive. All only count up.
#[derive(Debug, Default)]
pub(crate) struct LetterCounts {
    /// Arrived in a queue, counted for each.
    pub(crate) arrived: AtomicU64,
    /// Dropped: the dead-letter exchange does not exist.
    pub(crate) no_exchange: AtomicU64,
    /// Dropped: no queue is bound there for their key.
    pub(crate) unroutable: AtomicU64,
    /// Dropped for a queue, since they would go round for ever.
    pub(crate) cycles: AtomicU64,
    /// Refused by a queue that is full.
    pub(crate) refused: AtomicU64,
    /// Died in a queue without a dead-letter exchange.
    pub(crate) no_dead_letter: AtomicU64,
}

impl Engine {
    /// Carries out one verb on a queue and everything that follows. `None` where the queue was deleted.
    pub(crate) fn act<R>(
        &self,
        cell: &Arc<QueueCell>,
        verb: impl FnOnce(&mut QueueState, &mut Sinks) -> R,
    ) -> Option<R> {
        let mut work = Work::default();
        let value = cell.act(self, &mut work, verb);
        self.finish(work);
        value
    }

    /// Does what acts on one queue or several left to do: a message has come to all its queues before anything that
    /// died of it moves on.
    #[inline]
    pub(crate) fn finish(&self, work: Work) {
        if !work.is_empty() || self.has_backlog() || self.is_stopped() {
            return self.finish_some(work);
        }
        if let Some(envelope) = work.into_freed() {
            free(envelope);
        }
        self.tell();
    }

    fn finish_some(&self, mut work: Work) {
        let busy = work.rest_if_any().is_some_and(|rest| !rest.letters.is_empty() || !rest.expired.is_empty());
        if busy || self.has_backlog() {
            self.work_off(&mut work);
        }
        if work.kick {
            self.kick();
        }
        let (wake, freed, rest) = work.into_ends();
        if let Some(waiter) = wake {
            wake_one(waiter);
        }
        if let Some(mut rest) = rest {
            self.letters.no_dead_letter.fetch_add(rest.rubbish.len() as u64, Ordering::Relaxed);
            wake_all(rest.take_wakes());
            let (freed, rubbish, sinks) = rest.into_freed();
            // One by one: two owners that panic in one drop would end the process.
            free_each(freed);
            if !rubbish.is_empty() || !sinks.is_empty() {
                free_each(rubbish);
                free_each(sinks);
            }
        }
        if self.is_stopped() {
            self.stir();
        }
        if let Some(envelope) = freed {
            free(envelope);
        }
        self.tell();
    }

    /// Works off what earlier calls left, up to the budget. True where some is left.
    pub(crate) fn work_off_backlog(&self) -> bool {
        if self.has_backlog() {
            self.finish(Work::default());
        }
        self.has_backlog()
    }

    /// Whether dead letters wait that earlier calls left.
    pub(crate) fn is_working_off(&self) -> bool {
        self.has_backlog()
    }

    pub(super) fn has_backlog(&self) -> bool {
        self.backlog_length.load(Ordering::Acquire) > 0
    }

    fn work_off(&self, work: &mut Work) {
        if self.has_backlog() {
            let mut backlog = self.backlog.lock();
            self.backlog_length.store(0, Ordering::Release);
            let mut older = std::mem::take(&mut *backlog);
            let rest = work.rest();
            older.append(&mut rest.letters);
            rest.letters = older;
        }
        // With none at all the backlog would stand for ever.
        let mut budget = self.limits.hops_per_call.max(1);
        while let Some(letter) = work.rest().letters.pop_front() {
            if budget == 0 {
                work.rest().letters.push_front(letter);
                break;
            }
            budget -= 1;
            self.carry(letter, work);
        }
        if !work.rest().letters.is_empty() {
            let mut backlog = self.backlog.lock();
            backlog.append(&mut work.rest().letters);
            self.backlog_length.store(backlog.len(), Ordering::Release);
            // Where no call comes any more, the timer's thread works it off.
            work.kick = true;
        }
        for cell in std::mem::take(&mut work.rest().expired) {
            self.expire_queue(&cell);
        }
    }

    /// One death: its exchange, its targets, its burial.
    fn carry(&self, mut letter: Letter, work: &mut Work) {
        if let Some(dead_letter) = letter.dead_letter.take() {
            self.carry_to(dead_letter, &letter, work);
        }
        // It may be the last hold on a body, whose owner is foreign code.
        work.free_one(letter.envelope);
    }

    fn carry_to(&self, dead_letter: DeadLetter, letter: &Letter, work: &mut Work) {
        let leaving = letter.leaving();
        let Letter { source, envelope, reason, failures, burial, .. } = letter;
        let (reason, failures) = (*reason, *failures);
        let dropped = |why| self.say_with(source, envelope, || What::Dropped { reason, why, leaving });
        if self.is_closed() {
            // All exchanges are gone. One that is kept went with its queue, which has told.
            if leaving != Leaving::Kept {
                dropped(Dropping::BrokerStopped);
            }
            return;
        }
        let now = self.clock.now();
        let next = self.write_letter(now, source, (envelope, failures), reason, dead_letter);
        let Some(targets) = self.route_letter(&next) else {
            count(&self.letters.no_exchange);
            dropped(Dropping::NoSuchExchange);
            return;
        };
        if targets.is_empty() {
            count(&self.letters.unroutable);
            dropped(Dropping::Unroutable);
            return;
        }
        self.say_with(source, envelope, || What::DeadLettered {
            reason,
            next: MessageRef::new(&next),
            queues: names(&targets),
            leaving,
        });
        let mut everywhere = true;
        for target in &targets {
            if closes_cycle(&next, reason, target) {
                count(&self.letters.cycles);
                self.say_with(target, &next, || What::Cut);
                continue;
            }
            let taken = self.offer_letter(target, &next, burial.is_some(), work);
            count(if taken { &self.letters.arrived } else { &self.letters.refused });
            everywhere &= taken;
        }
        if let Some(burial) = burial.filter(|_| everywhere) {
            source.act(self, work, |state, effects| state.bury(now, burial, effects));
        }
    }

    /// The envelope in which a message goes on that died in a queue.
    pub(super) fn write_letter(
        &self,
        now: Moment,
        source: &QueueCell,
        (envelope, failures): (&Envelope, u32),
        reason: Reason,
        dead_letter: DeadLetter,
    ) -> SharedEnvelope {
        let seconds = self.clock.unix_seconds(now);
        let DeadLetter { exchange, routing_key } = dead_letter;
        let died = envelope.died(&source.spec.name, reason, seconds, exchange, routing_key, &self.limits);
        SharedEnvelope::new(died.after_failures(failures))
    }

    fn offer_letter(&self, target: &Arc<QueueCell>, letter: &SharedEnvelope, is_kept: bool, work: &mut Work) -> bool {
        let offer = target.act(self, work, |state, effects| {
            let now = self.now_for(state, Some(letter));
            effects.taking(letter, None, |effects| {
                #[cfg(feature = "testing")]
                if effects.full(letter) {
                    return state.refuse(SharedEnvelope::clone(letter), effects);
                }
                state.offer_letter(now, SharedEnvelope::clone(letter), is_kept, effects)
            })
        });
        if offer.is_none() {
            self.say_with(target, letter, || What::Refused { why: Refusing::Gone });
        }
        offer == Some(Offered::Taken)
    }
}

/// RabbitMQ's rule ("Dead Letter Exchanges", automatic dead-lettering in cycles): nothing that a client rejected is
/// ever cut.
pub(super) fn closes_cycle(letter: &Envelope, reason: Reason, target: &QueueCell) -> bool {
    reason != Reason::Rejected && letter.deaths().is_some_and(|deaths| deaths.is_cycle(&target.spec.name))
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
