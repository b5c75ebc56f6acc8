//! A delivery: a message that is out, and the one who has to settle it.

use super::recorded::consuming::told_settle;
use super::source::Source;
use crate::base::Name;
use crate::message::{Death, Envelope, Properties, SharedEnvelope, Value};
use crate::port::Cause;
use crate::queue::effect::{Claim, Handout, Settlement};
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;

/// A message handed over by a queue, to be settled exactly once.
///
/// [`ack`](Delivery::ack), [`requeue`](Delivery::requeue) and [`reject`](Delivery::reject) consume the delivery, so a
/// second settlement does not compile. A delivery that is dropped unsettled is requeued and counted as an attempt, a
/// panic included: nothing is lost by forgetting.
///
/// **Panics and the order of drops.** A panic drops what was made last first. Where a delivery is made after its
/// consumer, in one function, it is requeued while the consumer still takes messages: the queue hands it to the same
/// consumer again, and when that is dropped it comes back once more. So one panic can count as two returns, of which a
/// quorum queue's delivery limit sees both. Where that matters, let the handler's panic end before the consumer does:
/// catch it around the handler, or give the delivery to a thread or task of its own.
///
/// A delivery does not need its consumer: it may be sent to another thread and settled after the consumer is gone. It
/// does not keep its broker open either.
///
/// ```
/// use leveret::{Broker, Message, QueueDeclare};
///
/// let broker = Broker::new();
/// broker.declare_queue(&QueueDeclare::new("orders"))?;
/// broker.publish("", "orders", Message::new("one"))?;
///
/// let delivery = broker.get("orders")?.expect("there is one");
/// assert_eq!((&delivery.body()[..], delivery.attempt()), (&b"one"[..], 1));
/// drop(delivery); // not settled: back into the queue
///
/// let again = broker.get("orders")?.expect("it came back");
/// assert_eq!((again.redelivered(), again.attempt()), (true, 2));
/// again.ack();
/// assert!(broker.get("orders")?.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a delivery that is dropped unsettled is requeued"]
pub struct Delivery {
    source: Arc<Source>,
    /// `None` from its settlement on, which consumes the delivery.
    handout: Option<Handout>,
}

/// What came of settling a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Settled {
    /// The queue did what was asked. Also where nothing was due, since the consumer takes without acknowledgement.
    Done,
    /// The queue was deleted meanwhile, or the broker closed, and the message went with it: there was nothing to settle.
    Gone,
}

impl Delivery {
    /// A delivery of what the queue handed out.
    #[inline]
    pub(super) fn new(source: Arc<Source>, mut handout: Handout) -> Self {
        show_count(&mut handout);
        Self { source, handout: Some(handout) }
    }

    #[inline]
    fn handout(&self) -> &Handout {
        match &self.handout {
            Some(handout) => handout,
            None => unreachable!("a settled delivery has no methods"),
        }
    }

    /// The message: properties, body, where it was published to, its deaths.
    ///
    /// The properties are those that RabbitMQ shows to a consumer: a death history is in the header `x-death`, and a
    /// quorum queue's count of returns in `x-delivery-count`.
    #[must_use]
    pub fn message(&self) -> &Envelope {
        &self.handout().envelope
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        self.handout().envelope.body()
    }

    /// The properties.
    #[must_use]
    pub fn properties(&self) -> &Properties {
        self.handout().envelope.properties()
    }

    /// The header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&Value> {
        self.handout().envelope.header(name)
    }

    /// The exchange it was published to, or dead-lettered through.
    #[must_use]
    pub fn exchange(&self) -> &Name {
        self.handout().envelope.exchange()
    }

    /// The routing key it came with.
    #[must_use]
    pub fn routing_key(&self) -> &Name {
        self.handout().envelope.routing_key()
    }

    /// The queue it came from.
    #[must_use]
    pub fn queue(&self) -> &Name {
        &self.source.cell.spec.name
    }

    /// Whether it was handed over before, to whomever.
    #[must_use]
    pub fn redelivered(&self) -> bool {
        self.handout().redelivered
    }

    /// Which attempt at it this is in this queue: 1 at first, one more each time it came back.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.handout().returns.saturating_add(1)
    }

    /// How it died before it came to this queue, latest first: where, why and how often. Empty for one that never did.
    #[must_use]
    pub fn deaths(&self) -> &[Death] {
        self.handout().envelope.deaths().map_or(&[], |deaths| deaths.entries())
    }

    /// Done: the queue forgets the message (RabbitMQ: "Consumer Acknowledgements"). When this returns, every later call
    /// sees it gone.
    pub fn ack(mut self) -> Settled {
        self.settle(Settlement::Ack, Cause::Asked)
    }

    /// Back into the queue: to its old place where the queue's kind has one, and to be delivered again at once.
    ///
    /// The return is counted; a quorum queue with a delivery limit dead-letters a message that came back too often.
    pub fn requeue(mut self) -> Settled {
        self.settle(Settlement::Requeue, Cause::Asked)
    }

    /// Not wanted: to the queue's dead-letter exchange, or dropped and counted where it has none (RabbitMQ: "Dead Letter
    /// Exchanges").
    pub fn reject(mut self) -> Settled {
        self.settle(Settlement::Reject, Cause::Asked)
    }

    #[inline]
    fn settle(&mut self, settlement: Settlement, cause: Cause) -> Settled {
        let Some(handout) = &self.handout else { return Settled::Done };
        let Source { engine, cell, proxy } = &*self.source;
        if let Some(proxy) = proxy {
            let handout = self.handout.take();
            let there = handout.is_none_or(|handout| told_settle(engine, cell, proxy, handout, (settlement, cause)));
            return Settled::of(there);
        }
        let there = match (handout.claim, settlement, handout.done()) {
            (Claim::None, ..) => {
                self.handout = None;
                true
            }
            (Claim::Kept(reference), ..) => {
                let _taken = self.handout.take();
                engine.settle(cell, &[reference], settlement, cause)
            }
            (Claim::Lent(_), Settlement::Ack, Some(done)) => {
                let envelope = self.handout.take().map(|handout| handout.envelope);
                // What other queues have, too, is not freed here.
                let (last, _shared) = match envelope {
                    Some(envelope) if envelope.is_unique() => (Some(envelope), None),
                    shared => (None, shared),
                };
                engine.ack(cell, done, &mut last.into_iter())
            }
            (Claim::Lent(_), ..) => engine.give_back(cell, self.handout.take().into_iter().collect(), settlement),
        };
        Settled::of(there)
    }
}

impl Settled {
    /// Whether the queue was there.
    pub(super) fn of(there: bool) -> Self {
        if there { Self::Done } else { Self::Gone }
    }
}

/// Lets the message tell how often it came back, where its queue shows that. Nothing changes where it does already.
#[inline]
pub(super) fn show_count(handout: &mut Handout) {
    if handout.counted && handout.returns > 0 {
        handout.envelope = SharedEnvelope::new(handout.envelope.with_delivery_count(handout.returns));
        handout.counted = false;
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.settle(Settlement::Requeue, Cause::Dropped);
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("queue", self.queue())
            .field("exchange", self.exchange())
            .field("routing_key", self.routing_key())
            .field("attempt", &self.attempt())
            .field("redelivered", &self.handout().redelivered)
            .field("body_bytes", &self.body().len())
            .finish_non_exhaustive()
    }
}
