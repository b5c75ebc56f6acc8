//! The mailbox: what a queue put down for a plain consumer that the consumer has not taken yet.
//!
//! Mostly a delivery goes through a small ring, which the consumer empties without a lock. What finds the ring full goes
//! into the overflow, under the queue's lock, and the consumer fetches all of that in one step when the ring is empty.
//! While there is an overflow nothing goes into the ring, so the order is: what was fetched before, the ring, the overflow.
//!
//! A consumer registers as waiting under the queue's lock, under which everything is put down: so either it finds what
//! came, or who puts it down finds the waiter.

use super::proxy::Proxy;
use super::waiter::Waiter;
use crate::base::sync::atomic::{AtomicBool, Ordering};
use crate::base::sync::{Mutex, Rank};
use crate::queue::effect::Handout;
use std::collections::VecDeque;
use std::sync::Arc;

/// How many deliveries a ring holds at most.
const RING: usize = 32;

/// A place in the ring: a cache line of its own, since it goes from one CPU to another.
#[derive(Debug)]
#[repr(align(64))]
struct Slot(Handout);

/// The consumer's side of its mailbox.
#[derive(Debug)]
pub(crate) struct Ring {
    /// Never locked: it is asked by whoever has the whole ring.
    slots: Mutex<rtrb::Consumer<Slot>>,
    /// Whether a look behind the ring is worth a lock: something is in the overflow, or nothing more will come.
    stirred: Arc<AtomicBool>,
}

impl Ring {
    /// Takes the oldest delivery.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Handout> {
        self.slots.get_mut().pop().ok().map(|slot| slot.0)
    }

    /// How many are in it.
    pub(crate) fn len(&mut self) -> usize {
        self.slots.get_mut().slots()
    }

    /// Whether it is empty.
    #[inline]
    pub(crate) fn is_empty(&mut self) -> bool {
        self.slots.get_mut().is_empty()
    }

    /// Whether a look behind it is worth a lock.
    #[inline]
    pub(crate) fn is_stirred(&self) -> bool {
        self.stirred.load(Ordering::Acquire)
    }
}

/// The deliveries of one plain consumer: the queue's side.
#[derive(Debug)]
pub(crate) struct Mailbox {
    ring: rtrb::Producer<Slot>,
    stirred: Arc<AtomicBool>,
    overflow: VecDeque<Handout>,
    /// The consumer, if it waits. A consumer is used by one at a time, so one place is enough.
    waiter: Option<Waiter>,
    /// No more will come.
    ended: bool,
    /// The consumer was woken, and has not waited again.
    #[cfg(feature = "testing")]
    woken: bool,
    /// The channel that stands for the consumer in a log.
    proxy: Option<Arc<Proxy>>,
}

/// What a look into the mailbox gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fetched {
    /// Something is here: in the ring, or fetched.
    Some,
    /// Nothing yet; a waiter that was given is registered.
    Nothing,
    /// Nothing, and nothing will come.
    Ended,
}

impl Mailbox {
    /// An empty mailbox for a consumer that has at most `prefetch` deliveries out, where that is not 0; and its ring.
    pub(crate) fn new(prefetch: u32, proxy: Option<Arc<Proxy>>) -> (Self, Ring) {
        let size = if prefetch == 0 { RING } else { RING.min(prefetch as usize) };
        let (ring, slots) = rtrb::RingBuffer::new(size);
        let stirred = Arc::new(AtomicBool::new(false));
        let mailbox = Self {
            ring,
            stirred: Arc::clone(&stirred),
            overflow: VecDeque::new(),
            waiter: None,
            ended: false,
            #[cfg(feature = "testing")]
            woken: false,
            proxy,
        };
        (mailbox, Ring { slots: Mutex::new(Rank::Leaf, slots), stirred })
    }

    /// A delivery came. Gives whoever waits for it.
    #[inline]
    pub(crate) fn put(&mut self, handout: Handout) -> Option<Waiter> {
        if let Some(proxy) = &self.proxy {
            proxy.delivered(&handout);
        }
        if self.overflow.is_empty() {
            if let Err(rtrb::PushError::Full(Slot(handout))) = self.ring.push(Slot(handout)) {
                self.put_behind(handout);
            }
        } else {
            self.overflow.push_back(handout);
        }
        self.take_waiter()
    }

    /// The first one that finds the ring full.
    #[cold]
    fn put_behind(&mut self, handout: Handout) {
        self.overflow.push_back(handout);
        self.stirred.store(true, Ordering::Release);
    }

    /// Nothing more will come. Gives whoever waits.
    pub(crate) fn end(&mut self) -> Option<Waiter> {
        if let Some(proxy) = &self.proxy {
            proxy.cancelled();
        }
        self.ended = true;
        self.stirred.store(true, Ordering::Release);
        self.take_waiter()
    }

    /// Whoever waits, to be woken.
    #[inline]
    fn take_waiter(&mut self) -> Option<Waiter> {
        let waiter = self.waiter.take();
        #[cfg(feature = "testing")]
        {
            self.woken |= waiter.is_some();
        }
        waiter
    }

    /// How many deliveries are here.
    #[cfg(feature = "testing")]
    pub(crate) fn mail(&self) -> usize {
        self.ring.buffer().capacity() - self.ring.slots() + self.overflow.len()
    }

    /// Whether the consumer was woken, and has not waited again.
    #[cfg(feature = "testing")]
    pub(crate) fn is_woken(&self) -> bool {
        self.woken
    }

    /// Moves the overflow to the end of `left`.
    pub(crate) fn empty_into(&mut self, left: &mut VecDeque<Handout>) {
        left.append(&mut self.overflow);
    }

    /// Whether something is here.
    pub(crate) fn has_mail(&self) -> bool {
        self.has_in_ring() || !self.overflow.is_empty()
    }

    /// Whether the consumer waits.
    pub(crate) fn is_awaited(&self) -> bool {
        self.waiter.is_some()
    }

    /// Where the ring is empty, swaps the overflow into `drained`, which is empty. Where there is nothing, swaps the waiter
    /// for the one that is here, which is to be dropped without a lock: a waker may run foreign code.
    pub(crate) fn fetch(&mut self, drained: &mut VecDeque<Handout>, waiter: &mut Option<Waiter>) -> Fetched {
        if self.has_in_ring() {
            return Fetched::Some;
        }
        if !self.overflow.is_empty() {
            std::mem::swap(&mut self.overflow, drained);
            self.stirred.store(self.ended, Ordering::Release);
            return Fetched::Some;
        }
        if self.ended {
            return Fetched::Ended;
        }
        if waiter.is_some() {
            std::mem::swap(&mut self.waiter, waiter);
            #[cfg(feature = "testing")]
            {
                self.woken = false;
            }
        }
        Fetched::Nothing
    }

    fn has_in_ring(&self) -> bool {
        self.ring.slots() < self.ring.buffer().capacity()
    }
}
