//! Deliveries received together, to be settled together or one by one.

use super::delivery::{Delivery, Settled};
use super::recorded::consuming::told_settle_many;
use super::source::Source;
use crate::message::Envelope;
use crate::port::Cause;
use crate::queue::effect::{Claim, Done, Handout, Settlement};
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

/// Deliveries of one queue that were received together, oldest first; made by
/// [`Consumer::recv_many`](crate::Consumer::recv_many).
///
/// Settle all at once with [`ack`](Deliveries::ack), [`requeue`](Deliveries::requeue) or [`reject`](Deliveries::reject),
/// the oldest with [`ack_up_to`](Deliveries::ack_up_to) (AMQP's `multiple`), or take them out one by one: it is an
/// iterator of [`Delivery`]. What is left when it is dropped is requeued: nothing is lost by forgetting.
///
/// ```
/// use leveret::{Broker, Message, QueueDeclare};
///
/// let broker = Broker::new();
/// broker.declare_queue(&QueueDeclare::new("orders"))?;
/// for body in ["one", "two", "three"] {
///     broker.publish("", "orders", Message::new(body))?;
/// }
/// let mut orders = broker.consumer("orders").open()?;
/// let mut batch = orders.try_recv_many(32)?;
/// assert_eq!(batch.messages().map(|message| &message.body()[..]).collect::<Vec<_>>(), [b"one" as &[u8], b"two", b"three"]);
/// batch.ack_up_to(2);
/// drop(batch); // back into the queue with the third
/// assert!(orders.try_recv()?.redelivered());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "deliveries that are dropped unsettled are requeued"]
pub struct Deliveries {
    source: Arc<Source>,
    handouts: VecDeque<Handout>,
}

impl Deliveries {
    /// What the queue handed out.
    pub(super) fn new(source: &Arc<Source>, handouts: VecDeque<Handout>) -> Self {
        Self { source: Arc::clone(source), handouts }
    }

    /// How many are left.
    #[must_use]
    pub fn len(&self) -> usize {
        self.handouts.len()
    }

    /// Whether none is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.handouts.is_empty()
    }

    /// The message in this place, counted from the oldest that is left.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<&Envelope> {
        self.handouts.get(at).map(|handout| &*handout.envelope)
    }

    /// The messages of those that are left, oldest first.
    pub fn messages(&self) -> impl ExactSizeIterator<Item = &Envelope> + DoubleEndedIterator {
        self.handouts.iter().map(|handout| &*handout.envelope)
    }

    /// All are done: the queue forgets them.
    pub fn ack(mut self) -> Settled {
        let count = self.handouts.len();
        self.settle(count, Settlement::Ack)
    }

    /// The oldest `count` are done, as many as there are (AMQP 0-9-1, `basic.ack` with `multiple`).
    pub fn ack_up_to(&mut self, count: usize) -> Settled {
        self.settle(count, Settlement::Ack)
    }

    /// All go back into the queue, as [`Delivery::requeue`].
    pub fn requeue(mut self) -> Settled {
        let count = self.handouts.len();
        self.settle(count, Settlement::Requeue)
    }

    /// None is wanted, as [`Delivery::reject`].
    pub fn reject(mut self) -> Settled {
        let count = self.handouts.len();
        self.settle(count, Settlement::Reject)
    }

    /// All go back, for this cause.
    pub(super) fn give_back(&mut self, cause: Cause) {
        self.settle_for(self.handouts.len(), Settlement::Requeue, cause);
    }

    /// Takes the oldest out, as it is.
    pub(super) fn take_first(&mut self) -> Option<Handout> {
        self.handouts.pop_front()
    }

    fn settle(&mut self, count: usize, settlement: Settlement) -> Settled {
        self.settle_for(count, settlement, Cause::Asked)
    }

    fn settle_for(&mut self, count: usize, settlement: Settlement, cause: Cause) -> Settled {
        let count = count.min(self.handouts.len());
        let Some(first) = self.handouts.front().filter(|_| count > 0) else { return Settled::Done };
        let Source { engine, cell, proxy } = &*self.source;
        if let Some(proxy) = proxy {
            let handouts = self.handouts.drain(..count).collect();
            return Settled::of(told_settle_many(engine, cell, proxy, handouts, (settlement, cause)));
        }
        let settled = self.handouts.iter().take(count);
        // All are of one queue and one consumer, so the first one tells how all are settled.
        let there = match (first.claim, first.consumer) {
            (Claim::None, _) => true,
            (Claim::Kept(_), _) | (_, None) => {
                let refs: Vec<_> = settled.filter_map(|handout| handout.claim.reference()).collect();
                engine.settle(cell, &refs, settlement, cause)
            }
            (Claim::Lent(_), Some(consumer)) if settlement == Settlement::Ack => {
                let bytes = settled.map(|handout| handout.envelope.body().len() as u64).sum();
                let done = Done { consumer, count: u32::try_from(count).unwrap_or(u32::MAX), bytes };
                let mut envelopes = self.handouts.drain(..count).map(|handout| handout.envelope);
                return Settled::of(engine.ack(cell, done, &mut envelopes));
            }
            (Claim::Lent(_), Some(_)) => {
                let handouts = self.handouts.drain(..count).collect();
                return Settled::of(engine.give_back(cell, handouts, settlement));
            }
        };
        self.handouts.drain(..count);
        Settled::of(there)
    }
}

/// Takes the oldest out.
impl Iterator for Deliveries {
    type Item = Delivery;

    fn next(&mut self) -> Option<Delivery> {
        let handout = self.handouts.pop_front()?;
        Some(Delivery::new(Arc::clone(&self.source), handout))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.handouts.len(), Some(self.handouts.len()))
    }
}

impl ExactSizeIterator for Deliveries {}

impl std::iter::FusedIterator for Deliveries {}

impl Drop for Deliveries {
    fn drop(&mut self) {
        self.give_back(Cause::Dropped);
    }
}

impl fmt::Debug for Deliveries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let queue = &self.source.cell.spec.name;
        f.debug_struct("Deliveries").field("queue", queue).field("len", &self.len()).finish_non_exhaustive()
    }
}
