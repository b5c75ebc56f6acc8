//! Alarms: whoever waits for a moment, beside waiting for something else.
//!
//! A blocked thread on the system's clock needs none of them, since parking has a time of its own. They serve those
//! whose time is moved by somebody else (a manual clock), and tasks, which cannot park.
//!
//! Whoever sets one looks afterwards at the clock (if he waits), and at what the timer sleeps until (`deadlines.rs`,
//! where it says why one of the two sees the other).

use super::waiter::{Waiter, Wakes};
use crate::base::Moment;
use crate::base::sync::atomic::{AtomicU64, Ordering};
use crate::base::sync::{Mutex, Rank};

/// Those who wait for a moment. Few at any time: a list is enough.
#[derive(Debug)]
pub(crate) struct Alarms {
    set: Mutex<Set>,
    /// The earliest of them.
    earliest: AtomicU64,
}

#[derive(Debug, Default)]
struct Set {
    alarms: Vec<(u64, Moment, Waiter)>,
    next: u64,
}

impl Set {
    fn earliest(&self) -> u64 {
        self.alarms.iter().map(|(_, moment, _)| moment.as_nanos()).min().unwrap_or(u64::MAX)
    }
}

impl Alarms {
    /// No alarms.
    pub(crate) fn new() -> Self {
        Self { set: Mutex::new(Rank::Leaf, Set::default()), earliest: AtomicU64::new(u64::MAX) }
    }

    /// Sets an alarm; returns the number by which it is taken back.
    pub(crate) fn set(&self, moment: Moment, waiter: Waiter) -> u64 {
        let mut set = self.set.lock();
        let number = set.next;
        set.next += 1;
        set.alarms.push((number, moment, waiter));
        self.earliest.store(set.earliest(), Ordering::SeqCst);
        number
    }

    /// Takes an alarm back, and its waiter, which is to be dropped without a lock.
    pub(crate) fn take_back(&self, number: u64) -> Option<Waiter> {
        let mut set = self.set.lock();
        let at = set.alarms.iter().position(|(known, ..)| *known == number)?;
        let (.., waiter) = set.alarms.swap_remove(at);
        self.earliest.store(set.earliest(), Ordering::SeqCst);
        Some(waiter)
    }

    /// The earliest alarm.
    pub(crate) fn earliest(&self) -> Option<Moment> {
        let earliest = self.earliest.load(Ordering::SeqCst);
        (earliest != u64::MAX).then(|| Moment::from_nanos(earliest))
    }

    /// Takes out whoever's moment has come.
    pub(crate) fn due(&self, now: Moment) -> Wakes {
        if self.earliest().is_none_or(|earliest| earliest > now) {
            return Wakes::new();
        }
        let mut set = self.set.lock();
        let (due, later) = std::mem::take(&mut set.alarms).into_iter().partition(|(_, moment, _)| *moment <= now);
        set.alarms = later;
        self.earliest.store(set.earliest(), Ordering::SeqCst);
        drop(set);
        let due: Vec<(u64, Moment, Waiter)> = due;
        due.into_iter().map(|(.., waiter)| waiter).collect()
    }
}
