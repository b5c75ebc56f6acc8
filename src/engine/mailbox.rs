//! The mailbox: what a queue put down for a plain consumer that the consumer has not fetched yet.
//!
//! It stands in the queue's cell, under the queue's lock: what is handed over is moved once, and a busy consumer fetches
//! all there is in one step. Only a hint is outside, so that an idle look needs no lock.

use super::waiter::Waiter;
use crate::queue::effect::Handout;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a look into a mailbox is worth a lock: something waits in it, or nothing more will come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stirred(Arc<AtomicBool>);

impl Stirred {
    /// Whether it is.
    pub(crate) fn get(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    fn set(&self, stirred: bool) {
        if self.0.load(Ordering::Relaxed) != stirred {
            self.0.store(stirred, Ordering::Release);
        }
    }
}

/// The deliveries of one plain consumer.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    waiting: VecDeque<Handout>,
    /// The consumer, if it waits. A consumer is used by one at a time, so one place is enough.
    waiter: Option<Waiter>,
    /// No more will come.
    ended: bool,
    stirred: Stirred,
}

/// What a look into the mailbox gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fetched {
    /// Deliveries, as many as this.
    Some(u32),
    /// Nothing yet; a waiter that was given is registered.
    Nothing,
    /// Nothing, and nothing will come.
    Ended,
}

impl Mailbox {
    /// An empty mailbox that tells by `stirred` when to look.
    pub(crate) fn new(stirred: Stirred) -> Self {
        Self { stirred, ..Self::default() }
    }

    /// A delivery came. Gives whoever waits for it.
    #[inline(always)]
    pub(crate) fn put(&mut self, handout: Handout) -> Option<Waiter> {
        self.waiting.push_back(handout);
        self.stirred.set(true);
        self.waiter.take()
    }

    /// Nothing more will come. Gives whoever waits.
    pub(crate) fn end(&mut self) -> Option<Waiter> {
        self.ended = true;
        self.stirred.set(true);
        self.waiter.take()
    }

    /// Moves what is here to the end of `drained`.
    pub(crate) fn empty_into(&mut self, drained: &mut VecDeque<Handout>) {
        drained.append(&mut self.waiting);
    }

    /// Whether something is here.
    pub(crate) fn has_mail(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether the consumer waits.
    pub(crate) fn is_awaited(&self) -> bool {
        self.waiter.is_some()
    }

    /// Swaps what is here into `drained`, which is empty. Where there is nothing, swaps the waiter for the one that is
    /// here, which is to be dropped without a lock: a waker may run foreign code.
    pub(crate) fn fetch(&mut self, drained: &mut VecDeque<Handout>, waiter: &mut Option<Waiter>) -> Fetched {
        if !self.waiting.is_empty() {
            std::mem::swap(&mut self.waiting, drained);
            self.stirred.set(self.ended);
            return Fetched::Some(u32::try_from(drained.len()).unwrap_or(u32::MAX));
        }
        if self.ended {
            return Fetched::Ended;
        }
        if waiter.is_some() {
            std::mem::swap(&mut self.waiter, waiter);
        }
        Fetched::Nothing
    }
}
