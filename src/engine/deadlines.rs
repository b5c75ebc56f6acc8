//! Deadlines: for each queue the moment at which time next does something to it, in one dense table.
//!
//! A queue mirrors its next deadline here, under its own lock, when it changes. Whoever drives time scans the table;
//! a scan of ten thousand queues takes microseconds, and nothing is ever cancelled. `armed` is the moment the timer
//! thread sleeps until: setting an earlier deadline says that it must be woken.
//!
//! Setting and arming cross over: who sets writes the deadline and then reads `armed`, the timer writes `armed` and then
//! reads the deadlines (also those of `alarms.rs`). All of it is sequentially consistent, so one of the two sees what the
//! other wrote: either the timer is woken, or it knows. With less, both could read what was before.

use crate::base::sync::atomic::{AtomicU64, Ordering};
use crate::base::sync::{Rank, RwLock};
use crate::base::{Moment, QueueId};

/// The table. Its index is the queue's slot; [`Moment::MAX`] is no deadline.
#[derive(Debug)]
pub(crate) struct Deadlines {
    slots: RwLock<Vec<AtomicU64>>,
    /// How many slots hold a deadline.
    count: AtomicU64,
    armed: AtomicU64,
}

impl Deadlines {
    /// No deadlines.
    pub(crate) fn new() -> Self {
        Self { slots: RwLock::new(Rank::Leaf, Vec::new()), count: AtomicU64::new(0), armed: AtomicU64::new(u64::MAX) }
    }

    /// Makes room for a queue, without a deadline.
    pub(crate) fn reserve(&self, queue: QueueId) {
        let mut slots = self.slots.write();
        let wanted = queue.0 as usize + 1;
        if slots.len() < wanted {
            slots.resize_with(wanted, || AtomicU64::new(u64::MAX));
        }
    }

    /// Sets a queue's next deadline. True where it comes before the moment that the timer sleeps until.
    pub(crate) fn set(&self, queue: QueueId, moment: Moment) -> bool {
        let slots = self.slots.read();
        let Some(slot) = slots.get(queue.0 as usize) else { return false };
        let before = slot.swap(moment.as_nanos(), Ordering::SeqCst);
        match (before == u64::MAX, moment == Moment::MAX) {
            (true, false) => self.count.fetch_add(1, Ordering::SeqCst),
            (false, true) => self.count.fetch_sub(1, Ordering::SeqCst),
            _ => 0,
        };
        self.is_before_armed(moment)
    }

    /// Whether this comes before the moment that the timer sleeps until.
    pub(crate) fn is_before_armed(&self, moment: Moment) -> bool {
        moment.as_nanos() < self.armed.load(Ordering::SeqCst)
    }

    /// The earliest deadline of all.
    pub(crate) fn earliest(&self) -> Option<Moment> {
        if self.count.load(Ordering::SeqCst) == 0 {
            return None;
        }
        let slots = self.slots.read();
        let earliest = slots.iter().map(|slot| slot.load(Ordering::SeqCst)).min()?;
        (earliest != u64::MAX).then(|| Moment::from_nanos(earliest))
    }

    /// The queues whose deadline is at `moment` or before.
    pub(crate) fn due(&self, moment: Moment) -> Vec<QueueId> {
        let slots = self.slots.read();
        let due = slots.iter().enumerate().filter(|(_, slot)| {
            let at = slot.load(Ordering::SeqCst);
            at <= moment.as_nanos() && at != u64::MAX
        });
        due.map(|(slot, _)| QueueId(slot as u32)).collect()
    }

    /// Says until when the timer sleeps.
    pub(crate) fn arm(&self, moment: Option<Moment>) {
        self.armed.store(moment.unwrap_or(Moment::MAX).as_nanos(), Ordering::SeqCst);
    }
}
