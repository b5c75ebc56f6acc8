//! Driving time: whoever makes deadlines fire.
//!
//! [`Engine::run_due`] fires what is due, in due order, ties by the age of the queue, with all consequences of one
//! deadline before the next. Who calls it: a thread of the broker's own, started when the first deadline is set and
//! ended with the broker; or the owner of a manual clock, through [`Engine::advance_to`]; or a caller that drives by
//! itself. Every other call fires what is due in the queue it touches, so nobody ever sees what is overdue.
//!
//! The thread holds the broker weakly while it sleeps. Its hand ([`Driver`]) is used under one lock: a kick after the stop
//! starts nothing, and the stop takes out whatever thread there is, closes its lane and waits for it; unless it is that
//! thread itself which lets the broker go. It is waited for without a lock, but foreign code that it runs must not wait
//! for whoever stops the broker.

use super::Engine;
use super::Recording;
use super::cell::QueueCell;
#[cfg(feature = "tokio")]
use super::waiter::Waiter;
use super::waiter::{contained, wake_all};
use crate::base::Moment;
use crate::base::sync::atomic::Ordering;
use crate::base::sync::{Mutex, Rank};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

/// A millisecond in nanoseconds.
const MILLI: u64 = 1_000_000;

/// The broker's own thread, if it may have one.
#[derive(Debug)]
pub(crate) struct Driver {
    engine: Option<Weak<Engine>>,
    hand: Mutex<Hand>,
}

/// Where the thread stands.
#[derive(Debug, Default)]
struct Hand {
    thread: Option<(Sender<()>, JoinHandle<()>)>,
    /// The broker has ended: no thread is started any more.
    stopped: bool,
    /// Who drives the broker by another clock, and waits for the deadlines to change.
    #[cfg(feature = "tokio")]
    watcher: Watcher,
}

/// Somebody who waits for the deadlines to change.
#[cfg(feature = "tokio")]
#[derive(Debug, Default)]
struct Watcher {
    waiter: Option<Waiter>,
    changed: bool,
}

impl Driver {
    /// A driver that starts a thread for this engine when needed; `None` never does.
    pub(crate) fn new(engine: Option<Weak<Engine>>) -> Self {
        Self { engine, hand: Mutex::new(Rank::Leaf, Hand::default()) }
    }

    /// Wakes the thread to look at the deadlines, or starts it.
    fn kick(&self) {
        let Some(engine) = &self.engine else { return self.tell() };
        let mut hand = self.hand.lock();
        if hand.stopped {
            return;
        }
        if let Some((kick, _)) = &hand.thread {
            // A full lane means that it is about to look anyway; a closed one, that foreign code made the thread panic.
            if !matches!(kick.try_send(()), Err(TrySendError::Disconnected(()))) {
                return;
            }
        }
        let (kick, kicked) = crossbeam_channel::bounded(1);
        let engine = Weak::clone(engine);
        let name = "leveret-timer".to_owned();
        // Where no thread can be started, deadlines still fire with every call that touches their queue.
        if let Ok(handle) = std::thread::Builder::new().name(name).spawn(move || keep_time(&engine, &kicked)) {
            hand.thread = Some((kick, handle));
        }
    }

    /// Tells whoever drives the broker by another clock that the deadlines changed.
    fn tell(&self) {
        #[cfg(feature = "tokio")]
        {
            let waiter = {
                let mut hand = self.hand.lock();
                hand.watcher.changed = true;
                hand.watcher.waiter.take()
            };
            wake_all(waiter.into_iter().collect());
        }
    }

    /// Lets somebody wait until the deadlines change; false where they did since he was told the last time.
    #[cfg(feature = "tokio")]
    fn watch(&self, waiter: Waiter) -> bool {
        let replaced = {
            let mut hand = self.hand.lock();
            if std::mem::take(&mut hand.watcher.changed) || hand.stopped {
                return false;
            }
            hand.watcher.waiter.replace(waiter)
        };
        drop(replaced);
        true
    }

    /// Ends the thread and waits for it, unless this is it.
    pub(crate) fn stop(&self) {
        let thread = {
            let mut hand = self.hand.lock();
            hand.stopped = true;
            hand.thread.take()
        };
        self.tell();
        let Some((kick, handle)) = thread else { return };
        drop(kick);
        if handle.thread().id() != std::thread::current().id() {
            // It ends as soon as it looks at its lane; a panic of it is not ours to raise again.
            let _ = handle.join();
        }
    }
}

/// The thread: sleeps until the earliest deadline or a kick; ends when its lane is closed or the broker is gone.
fn keep_time(engine: &Weak<Engine>, kicked: &Receiver<()>) {
    loop {
        let Some(strong) = engine.upgrade() else { return };
        // Foreign code may panic in it, which is not the broker's end: what it was doing is done or due again.
        contained(|| strong.drive());
        let deadline = strong.arm();
        let wait = deadline.map(|deadline| strong.until(deadline));
        drop(strong);
        let woken = match wait {
            None => kicked.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(wait) => kicked.recv_timeout(wait),
        };
        if woken == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}

impl Engine {
    /// Lets the timer look at the deadlines again.
    pub(crate) fn kick(&self) {
        if !self.is_closed() {
            self.driver.kick();
        }
    }

    /// Lets somebody who drives the broker by another clock wait until the deadlines change; false where they have.
    #[cfg(feature = "tokio")]
    pub(crate) fn watch_deadlines(&self, waiter: Waiter) -> bool {
        self.driver.watch(waiter)
    }

    /// The earliest deadline; where dead letters wait in the backlog, it is now.
    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        if self.backlog_length.load(Ordering::Acquire) > 0 {
            return Some(self.clock.now());
        }
        let earliest = self.deadlines.earliest().into_iter().chain(self.alarms.earliest()).min();
        #[cfg(feature = "testing")]
        let earliest = earliest.into_iter().chain(self.faults.next_deadline()).min();
        earliest
    }

    /// Fires everything that is due now: in turn, where that is recorded.
    pub(crate) fn drive(&self) {
        match self.recording() {
            Some(recording) => drop(recording.turn(self)),
            None => self.run_due(),
        }
    }

    /// How long it is until this moment. A recorded broker knows whole milliseconds only.
    pub(crate) fn until(&self, deadline: Moment) -> Duration {
        let now = self.now();
        match self.recording().and_then(Recording::real) {
            Some(_) => Moment::from_nanos(deadline.as_nanos().div_ceil(MILLI).saturating_mul(MILLI)) - now,
            None => deadline - now,
        }
    }

    /// Fires everything that is due now.
    pub(crate) fn run_due(&self) {
        let now = self.clock.now();
        loop {
            while self.work_off_backlog() {}
            #[cfg(feature = "testing")]
            self.release_held(now);
            let Some(next) = self.deadlines.earliest().filter(|next| *next <= now) else { break };
            self.fire(next, now);
        }
        wake_all(self.alarms.due(now));
    }

    /// Moves a manual clock to `target`, from deadline to deadline. False where the clock is not a manual one.
    pub(crate) fn advance_to(&self, target: Moment) -> bool {
        let Some(clock) = &self.manual else { return false };
        self.run_due();
        while let Some(next) = self.next_deadline().filter(|next| *next <= target) {
            clock.set(next);
            self.run_due();
        }
        clock.set(target);
        self.run_due();
        true
    }

    /// Says until when the timer sleeps, and returns it.
    pub(crate) fn arm(&self) -> Option<Moment> {
        loop {
            let next = self.next_deadline();
            self.deadlines.arm(next);
            // A deadline set between the two steps would have found the old alarm.
            if self.next_deadline().unwrap_or(Moment::MAX) >= next.unwrap_or(Moment::MAX) {
                return next;
            }
        }
    }

    /// Fires the deadlines at `moment`, oldest queue first.
    fn fire(&self, moment: Moment, now: Moment) {
        let due = self.deadlines.due(moment);
        let mut cells: Vec<Arc<QueueCell>> = {
            let topology = self.topology.read();
            due.iter().filter_map(|queue| topology.cell(*queue).cloned()).collect()
        };
        cells.sort_unstable_by_key(|cell| cell.serial);
        for cell in cells {
            self.act(&cell, |state, effects| state.advance(now, effects));
        }
    }
}
