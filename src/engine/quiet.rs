//! Coming to rest: nothing new goes in or out, and somebody waits until nothing is out any more.
//!
//! Whoever waits stands in the list before he looks at the queues, and every act ends with a look at the phase and then
//! at the list ([`Engine::finish`]). An act that a look at its queue came before begins after the phase was set, since
//! both took the queue's lock; so it stirs, and nobody sleeps over the last settlement. A consumer that comes while the
//! broker stops looks at the phase once more when it is in, and leaves again.

use super::cell::QueueCell;
use super::waiter::{Waiter, wake_all};
use super::{Engine, Phase};
use crate::base::sync::atomic::Ordering;
use crate::port::Cause;
use std::sync::Arc;

impl Engine {
    /// Stops publishes and deliveries: every consumer is told that it is cancelled. What is out may still be settled.
    pub(crate) fn quiesce(&self) {
        let stopped =
            self.phase.compare_exchange(Phase::OPEN, Phase::STOPPED, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if !stopped {
            return;
        }
        let _deferred = self.quietly();
        for cell in self.cells() {
            let now = self.clock.now();
            self.act(&cell, |state, effects| {
                effects.because(Cause::BrokerStopped);
                state.detach_all(now, effects);
            });
        }
    }

    /// Whether publishes and consumers are refused: the broker is coming to rest, or was shut down.
    pub(crate) fn is_stopped(&self) -> bool {
        self.phase.load(Ordering::Acquire) != Phase::OPEN
    }

    /// Whether nothing is out and no dead letter is on its way; the waiter is woken when that may have changed.
    pub(crate) fn is_quiet(&self, number: &mut Option<u64>, waiter: Waiter) -> bool {
        // In the list before anything is looked at, so that no change is missed.
        let (new, replaced) = self.resting.lock().put(*number, waiter);
        drop(replaced);
        *number = Some(new);
        while self.work_off_backlog() {}
        let out = self.cells().iter().any(|cell| cell.read(self, |state| state.counts().unacked > 0));
        !out
    }

    /// Lets somebody wait for the next change that no tap hears of: that a receiver waits again.
    #[cfg(feature = "testing")]
    pub(crate) fn rest(&self, number: Option<u64>, waiter: Waiter) -> u64 {
        let (number, replaced) = self.resting.lock().put(number, waiter);
        drop(replaced);
        number
    }

    /// A receiver waits.
    #[inline]
    pub(crate) fn awaited(&self) {
        #[cfg(feature = "testing")]
        if self.is_heard() {
            self.stir();
        }
    }

    /// Leaves the list of those who wait for quiet.
    pub(crate) fn leave_resting(&self, number: u64) {
        let left = self.resting.lock().leave(number);
        drop(left);
    }

    /// Something changed: those who wait for quiet look again.
    pub(crate) fn stir(&self) {
        let wakes = self.resting.lock().take_all().collect();
        wake_all(wakes);
    }

    /// All queues, in the order in which they were declared.
    pub(crate) fn cells(&self) -> Vec<Arc<QueueCell>> {
        let mut cells: Vec<_> = self.topology.read().queues.iter().flatten().cloned().collect();
        cells.sort_unstable_by_key(|cell| cell.serial);
        cells
    }
}
