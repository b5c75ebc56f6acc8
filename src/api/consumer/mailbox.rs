//! The mailbox: what a queue put down for a consumer that the consumer has not fetched yet.

use crate::base::Name;
use crate::base::sync::{Mutex, Rank};
use crate::engine::cell::QueueCell;
use crate::engine::sink::Sink;
use crate::engine::waiter::Waiter;
use crate::queue::effect::{ConsumerId, Handout};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The sink of one plain consumer.
///
/// It is emptied as a whole, by a swap, so that a busy consumer takes its lock once for many deliveries.
#[derive(Debug)]
pub(crate) struct Mailbox {
    inner: Mutex<Inner>,
    /// Whether a look is worth the lock: something waits, or nothing more will come.
    stirred: AtomicBool,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: VecDeque<Handout>,
    /// The consumer, if it waits. A consumer is used by one at a time, so one place is enough.
    waiter: Option<Waiter>,
    /// No more will come.
    ended: bool,
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
    /// An empty mailbox.
    pub(crate) fn new() -> Self {
        Self { inner: Mutex::new(Rank::Inbox, Inner::default()), stirred: AtomicBool::new(false) }
    }

    /// Swaps what is here into `drained`, which is empty. Where there is nothing, registers the waiter.
    pub(crate) fn fetch(&self, drained: &mut VecDeque<Handout>, mut waiter: Option<Waiter>) -> Fetched {
        if waiter.is_none() && !self.stirred.load(Ordering::Acquire) {
            return Fetched::Nothing;
        }
        let mut inner = self.inner.lock();
        if !inner.waiting.is_empty() {
            std::mem::swap(&mut inner.waiting, drained);
            self.stirred.store(inner.ended, Ordering::Release);
            return Fetched::Some(u32::try_from(drained.len()).unwrap_or(u32::MAX));
        }
        if inner.ended {
            return Fetched::Ended;
        }
        if waiter.is_some() {
            std::mem::swap(&mut inner.waiter, &mut waiter);
        }
        // The one that was there goes after the lock: a waker may run foreign code.
        drop(inner);
        drop(waiter);
        Fetched::Nothing
    }

    /// Nothing more will come: the consumer is detached.
    pub(crate) fn end(&self) {
        let mut inner = self.inner.lock();
        inner.ended = true;
        self.stirred.store(true, Ordering::Release);
    }
}

impl Sink for Mailbox {
    fn deliver(&self, _queue: &Arc<QueueCell>, _tag: &Name, handout: Handout) -> Option<Waiter> {
        let mut inner = self.inner.lock();
        inner.waiting.push_back(handout);
        self.stirred.store(true, Ordering::Release);
        inner.waiter.take()
    }

    fn cancelled(&self, _queue: &Arc<QueueCell>, _consumer: ConsumerId, _tag: &Name) -> Option<Waiter> {
        let mut inner = self.inner.lock();
        inner.ended = true;
        self.stirred.store(true, Ordering::Release);
        inner.waiter.take()
    }
}
