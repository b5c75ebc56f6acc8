//! The inbox: what came to a channel and was not received yet, its delivery tags, and its consumers.
//!
//! Queues put deliveries in under their own lock, and a delivery gets its tag there; so tags follow the order of each
//! queue. What is put in comes out in one order. The inbox's lock is the last of a channel's: nothing else is locked
//! under it, and nobody is woken under it.

use crate::base::sync::{Mutex, Rank};
use crate::base::{Credit, Limits, Name, SessionId};
use crate::engine::cell::QueueCell;
use crate::engine::replies::ReplySink;
#[cfg(feature = "testing")]
use crate::engine::sink::Receiving;
use crate::engine::sink::Sink;
use crate::engine::waiter::{WaitList, Waiter};
use crate::message::SharedEnvelope;
use crate::queue::effect::{ConsumerId, DeliveryRef, Handout};
use crate::session::{Answer, Ledger, UnknownTag};

use super::{Close, told};
use crate::base::sync::atomic::{AtomicUsize, Ordering};
use crate::engine::Witness;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// A delivery that is out with this channel: whose it is and by what its queue knows it.
#[derive(Clone, Debug)]
pub(super) struct Unsettled {
    pub(super) queue: Arc<QueueCell>,
    pub(super) reference: DeliveryRef,
    /// None for `basic.get`.
    pub(super) consumer_tag: Option<Name>,
}

/// A consumer of a channel: its queue, and what the queue knows it by.
#[derive(Clone, Debug)]
pub(super) struct Consumer {
    pub(super) queue: Arc<QueueCell>,
    pub(super) id: ConsumerId,
}

/// Something that came in.
#[derive(Debug)]
pub(super) enum Arrival {
    /// A message for a consumer, under this delivery tag.
    Delivery { consumer_tag: Name, delivery_tag: u64, handout: Handout },
    /// A direct reply. It has the tag that is given next, and leaves it to be given.
    Reply { consumer_tag: Name, delivery_tag: u64, envelope: SharedEnvelope },
    /// A mandatory message that no queue got.
    Return(SharedEnvelope),
    /// Publishes were taken.
    Ack { number: u64, multiple: bool },
    /// A publish was refused.
    Nack { number: u64 },
    /// A queue cancelled a consumer.
    Cancel(Name),
    /// The broker closed the channel.
    Closed(Close),
}

/// Where a waiter stands among those that wait.
#[derive(Debug)]
pub(super) enum Place<'a> {
    /// Nowhere: it does not wait.
    None,
    /// In a place of its own, once it has one.
    Own(&'a mut Option<u64>),
    /// In the one place of all that poll.
    Polled,
}

/// What becomes of deliveries that were not received when the inbox ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreceived {
    /// They are dropped.
    Dropped,
    /// They can still be received, though not settled.
    Kept,
}

/// What a look into the inbox finds.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // It is taken apart at once.
pub(super) enum Look {
    /// This came. Whoever waits beside is to be woken, where there is more.
    Found { arrival: Arrival, next: Option<Waiter> },
    /// Nothing, for now. The waiter that stood in the place before is to be dropped without a lock.
    Nothing { _replaced: Option<Waiter> },
    /// Nothing, for ever: the channel is closed.
    Ended,
}

/// A channel's inbox.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) session: SessionId,
    pub(super) credit: Arc<Credit>,
    /// How many arrivals that are no deliveries it holds before it takes no direct replies.
    most_told: usize,
    /// How many of the arrivals are no deliveries of queues, which have a window of their own. Changed under the lock.
    told: AtomicUsize,
    /// Counts how often enough was received for its queues to go on.
    openings: AtomicUsize,
    inner: Mutex<Inner>,
    /// Whoever writes down what comes.
    pub(super) witness: Option<Witness>,
}

#[derive(Debug, Default)]
struct Inner {
    ledger: Ledger<Unsettled>,
    /// By tag.
    consumers: BTreeMap<Name, Consumer>,
    arrivals: VecDeque<Arrival>,
    waiting: WaitList,
    /// The place of those that poll.
    polled: Option<u64>,
    ended: bool,
    /// Somebody was woken, and has not waited again.
    #[cfg(feature = "testing")]
    woken: bool,
}

impl Inbox {
    pub(super) fn new(session: SessionId, limits: &Limits, witness: Option<Witness>) -> Arc<Self> {
        let inner = Mutex::new(Rank::Inbox, Inner::default());
        let credit = Arc::new(Credit::new(limits.undrained_deliveries));
        Arc::new(Self {
            session,
            credit,
            most_told: limits.channel_events,
            told: AtomicUsize::new(0),
            openings: AtomicUsize::new(0),
            inner,
            witness,
        })
    }

    /// Whether so much waits, deliveries apart, that no publish may add to it.
    pub(super) fn is_full(&self) -> bool {
        self.told.load(Ordering::Acquire) >= self.most_told
    }

    /// Counts a delivery as received. True where that lets its queues go on.
    pub(super) fn received(&self) -> bool {
        let opened = self.credit.leave_window(1);
        if opened {
            self.openings.fetch_add(1, Ordering::AcqRel);
        }
        opened
    }

    /// How often its queues were let go on.
    pub(super) fn openings(&self) -> usize {
        self.openings.load(Ordering::Acquire)
    }

    /// Takes the first arrival, or puts `waiter` into its place.
    pub(super) fn look(&self, place: Place<'_>, waiter: Option<Waiter>) -> Look {
        let mut inner = self.inner.lock();
        if let Some(arrival) = inner.arrivals.pop_front() {
            if !matches!(arrival, Arrival::Delivery { .. }) {
                self.told.fetch_sub(1, Ordering::AcqRel);
            }
            let next = if inner.arrivals.is_empty() { None } else { inner.waiting.take_first() };
            return Look::Found { arrival, next };
        }
        if inner.ended {
            return Look::Ended;
        }
        let Some(waiter) = waiter else { return Look::Nothing { _replaced: None } };
        let inner = &mut *inner;
        let place = match place {
            Place::None => return Look::Nothing { _replaced: Some(waiter) },
            Place::Own(place) => place,
            Place::Polled => &mut inner.polled,
        };
        let (number, replaced) = inner.waiting.put(*place, waiter);
        #[cfg(feature = "testing")]
        {
            inner.woken = false;
        }
        *place = Some(number);
        Look::Nothing { _replaced: replaced }
    }

    /// A waiter gives up: it is returned first, to be dropped without the lock. Where it had been taken out to be woken
    /// for something that still is here, the next one is returned, to be woken.
    pub(super) fn leave(&self, number: u64) -> (Option<Waiter>, Option<Waiter>) {
        let mut inner = self.inner.lock();
        match inner.waiting.leave(number) {
            Some(own) => (Some(own), None),
            None if inner.arrivals.is_empty() => (None, None),
            None => (None, inner.waiting.take_first()),
        }
    }

    /// A mandatory message comes back.
    pub(super) fn put_return(&self, envelope: SharedEnvelope) -> Option<Waiter> {
        self.tell(&mut self.inner.lock(), Arrival::Return(envelope))
    }

    /// A publish is answered. An ack right behind another is told together with it, where nothing before is open.
    pub(super) fn put_answer(&self, answer: Answer) -> Option<Waiter> {
        let mut inner = self.inner.lock();
        if let Some(witness) = &self.witness
            && !inner.ended
        {
            told::tell_answer(witness, answer);
        }
        if let Some(Arrival::Ack { number, multiple }) = inner.arrivals.back_mut()
            && answer.covers(*number)
        {
            *number = answer.number;
            *multiple = true;
            return None;
        }
        let number = answer.number;
        let arrival = if answer.taken { Arrival::Ack { number, multiple: false } } else { Arrival::Nack { number } };
        self.tell(&mut inner, arrival)
    }

    /// Notes a message that was fetched, and gives its delivery tag. Called under the queue's lock.
    pub(super) fn fetched(&self, queue: &Arc<QueueCell>, reference: Option<DeliveryRef>) -> u64 {
        self.inner.lock().number(queue, None, reference)
    }

    /// What stands behind these tags.
    #[cfg(feature = "testing")]
    pub(super) fn peek(&self, tags: super::Tags) -> Vec<Unsettled> {
        let is_meant = |tag: u64| match tags {
            super::Tags::One(one) => tag == one,
            super::Tags::UpTo(0) => true,
            super::Tags::UpTo(last) => tag <= last,
        };
        let inner = self.inner.lock();
        inner.ledger.iter().filter(|(tag, _)| is_meant(*tag)).map(|(_, entry)| entry.clone()).collect()
    }

    /// Settles one tag.
    pub(super) fn take(&self, tag: u64) -> Result<Unsettled, UnknownTag> {
        self.inner.lock().ledger.take(tag)
    }

    /// Settles all tags up to one.
    pub(super) fn take_up_to(&self, tag: u64) -> Result<Vec<(u64, Unsettled)>, UnknownTag> {
        let mut out = Vec::new();
        self.inner.lock().ledger.take_up_to(tag, &mut out)?;
        Ok(out)
    }

    /// Settles everything.
    pub(super) fn take_all(&self) -> Vec<(u64, Unsettled)> {
        self.inner.lock().ledger.take_all()
    }

    /// Puts back what a rollback gives.
    pub(super) fn restore(&self, entries: Vec<(u64, Unsettled)>) {
        self.inner.lock().ledger.restore(entries);
    }

    /// How many deliveries are out with the channel.
    pub(super) fn unsettled(&self) -> usize {
        self.inner.lock().ledger.len()
    }

    /// Whether a consumer has this tag.
    pub(super) fn has_consumer(&self, tag: &str) -> bool {
        self.inner.lock().consumers.contains_key(tag)
    }

    /// Notes a consumer, which has been let in already; unless its queue was deleted meanwhile, which has been told.
    pub(super) fn add_consumer(&self, tag: Name, consumer: Consumer) {
        let mut inner = self.inner.lock();
        if !consumer.queue.is_closed() {
            inner.consumers.insert(tag, consumer);
        }
    }

    /// Forgets a consumer.
    pub(super) fn remove_consumer(&self, tag: &str) -> Option<Consumer> {
        self.inner.lock().consumers.remove(tag)
    }

    /// The queues that the channel consumes from, each once, in the order of tags.
    pub(super) fn consumed(&self) -> Vec<Arc<QueueCell>> {
        let inner = self.inner.lock();
        once(inner.consumers.values().map(|consumer| &consumer.queue))
    }

    /// The queues that have to do with the channel, each once: those it consumes from, then those it holds messages of,
    /// then those that know it as a publisher.
    pub(super) fn concerned(
        &self,
        held: impl Iterator<Item = Unsettled>,
        published: impl Iterator<Item = Arc<QueueCell>>,
    ) -> Vec<Arc<QueueCell>> {
        let (held, published): (Vec<_>, Vec<_>) = (held.collect(), published.collect());
        let inner = self.inner.lock();
        let consumed = inner.consumers.values().map(|consumer| &consumer.queue);
        let out = inner.ledger.iter().map(|(_, entry)| entry).chain(&held).map(|entry| &entry.queue);
        once(consumed.chain(out).chain(&published))
    }

    /// Puts in something that is no delivery. Gives whoever is to be woken.
    fn tell(&self, inner: &mut Inner, arrival: Arrival) -> Option<Waiter> {
        if inner.ended {
            return None;
        }
        if let Some(witness) = &self.witness {
            told::tell(witness, &arrival);
        }
        self.told.fetch_add(1, Ordering::AcqRel);
        inner.arrivals.push_back(arrival);
        inner.first_waiting()
    }

    /// Ends the inbox. Deliveries go back to their queues, also those that are kept to be received. All who wait are to
    /// be woken.
    pub(super) fn end(&self, close: Option<Close>, unreceived: Unreceived) -> (Vec<Waiter>, Vec<Arrival>) {
        let mut inner = self.inner.lock();
        inner.ended = true;
        inner.consumers.clear();
        inner.ledger = Ledger::new();
        let mut dropped = Vec::new();
        if unreceived == Unreceived::Dropped {
            let is_delivery = |arrival: &Arrival| matches!(arrival, Arrival::Delivery { .. } | Arrival::Reply { .. });
            let kept: Vec<Arrival>;
            (dropped, kept) = std::mem::take(&mut inner.arrivals).into_iter().partition(is_delivery);
            inner.arrivals.extend(kept);
        }
        let close = close.map(Arrival::Closed);
        if let Some(witness) = &self.witness {
            if unreceived == Unreceived::Dropped {
                witness.drop_deliveries();
            }
            close.iter().for_each(|close| told::tell(witness, close));
        }
        inner.arrivals.extend(close);
        let told = inner.arrivals.iter().filter(|arrival| !matches!(arrival, Arrival::Delivery { .. })).count();
        self.told.store(told, Ordering::Release);
        (inner.waiting.take_all().collect(), dropped)
    }
}

impl Inner {
    /// Whoever has waited longest, to be woken.
    fn first_waiting(&mut self) -> Option<Waiter> {
        let first = self.waiting.take_first();
        #[cfg(feature = "testing")]
        {
            self.woken |= first.is_some();
        }
        first
    }

    /// The tag of a delivery, which is outstanding where it has a reference.
    fn number(&mut self, queue: &Arc<QueueCell>, consumer_tag: Option<Name>, reference: Option<DeliveryRef>) -> u64 {
        match reference {
            Some(reference) => self.ledger.enter(Unsettled { queue: Arc::clone(queue), reference, consumer_tag }),
            None => self.ledger.pass(),
        }
    }
}

impl Sink for Inbox {
    fn deliver(&self, queue: &Arc<QueueCell>, tag: &Name, handout: Handout) -> Option<Waiter> {
        let mut inner = self.inner.lock();
        if inner.ended {
            return None;
        }
        let delivery_tag = inner.number(queue, Some(tag.clone()), handout.claim.reference());
        let arrival = Arrival::Delivery { consumer_tag: tag.clone(), delivery_tag, handout };
        if let Some(witness) = &self.witness {
            told::tell(witness, &arrival);
        }
        inner.arrivals.push_back(arrival);
        inner.first_waiting()
    }

    #[cfg(feature = "testing")]
    fn receiving(&self) -> Receiving {
        let inner = self.inner.lock();
        let mail = inner.arrivals.iter().filter(|arrival| matches!(arrival, Arrival::Delivery { .. })).count();
        Receiving { mail, waits: !inner.waiting.is_empty(), woken: inner.woken }
    }

    fn cancelled(&self, _queue: &Arc<QueueCell>, consumer: ConsumerId, tag: &Name) -> Option<Waiter> {
        let mut inner = self.inner.lock();
        if inner.consumers.get(tag).is_some_and(|known| known.id == consumer) {
            inner.consumers.remove(tag);
        }
        self.tell(&mut inner, Arrival::Cancel(tag.clone()))
    }
}

impl ReplySink for Inbox {
    #[cfg(feature = "testing")]
    fn is_awaited(&self) -> bool {
        !self.inner.lock().waiting.is_empty()
    }

    fn reply(&self, tag: &Name, envelope: SharedEnvelope) -> Option<Option<Waiter>> {
        let mut inner = self.inner.lock();
        if self.is_full() || inner.ended {
            return None;
        }
        let delivery_tag = inner.ledger.next_tag();
        Some(self.tell(&mut inner, Arrival::Reply { consumer_tag: tag.clone(), delivery_tag, envelope }))
    }
}

/// Each queue once, in the order of its first place.
fn once<'a>(queues: impl Iterator<Item = &'a Arc<QueueCell>>) -> Vec<Arc<QueueCell>> {
    let mut seen = BTreeSet::new();
    queues.filter(|queue| seen.insert(queue.serial)).cloned().collect()
}
