//! Waiting, for threads and for tasks, on the broker's clock.

use super::Engine;
use super::waiter::{Waiter, block_until};
use crate::base::Moment;

impl Engine {
    /// Blocks the calling thread until `attempt` gives something, or until `deadline` on the broker's clock (`None` is
    /// never). `attempt` registers the thread before it says `None`; it is asked again after every wake.
    ///
    /// On a clock that the broker moves, only moving it makes time pass: the thread sleeps until it is moved.
    pub(crate) fn block<T>(&self, deadline: Option<Moment>, mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
        let (Some(deadline), true) = (deadline, self.is_moved()) else {
            return block_until(self.wall(), deadline, attempt);
        };
        if let Some(value) = attempt() {
            return Some(value);
        }
        let _alarm = self.alarm(deadline, Waiter::this_thread());
        // Set before the clock is looked at: whoever moves it in between finds the alarm.
        let in_time = || self.clock.now() < deadline;
        block_until(&*self.clock, None, || match attempt() {
            Some(value) => Some(Some(value)),
            None if in_time() => None,
            None => Some(None),
        })
        .flatten()
    }

    /// Whether only its owner makes time pass.
    fn is_moved(&self) -> bool {
        self.manual.is_some() && self.recording().is_none_or(|recording| recording.real().is_none())
    }

    /// Sets an alarm, which is taken back when the value is dropped.
    pub(crate) fn alarm(&self, moment: Moment, waiter: Waiter) -> Alarm<'_> {
        let number = self.set_alarm(moment, waiter);
        Alarm { engine: self, number }
    }

    /// Sets an alarm that the caller takes back.
    pub(crate) fn set_alarm(&self, moment: Moment, waiter: Waiter) -> u64 {
        let number = self.alarms.set(moment, waiter);
        if self.deadlines.is_before_armed(moment) {
            self.kick();
        }
        number
    }
}

/// An alarm that is taken back when this is dropped.
pub(crate) struct Alarm<'a> {
    engine: &'a Engine,
    number: u64,
}

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        drop(self.engine.alarms.take_back(self.number));
    }
}
