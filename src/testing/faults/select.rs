//! A rule in the making: what it is about, when, and what happens.

use super::mix::{Rates, SplitMix};
use super::rules::{Asked, Fits, When};
use super::{Rule, TestBroker};
use crate::engine::faults::{DeliveryFault, Inject, PublishFault};
use std::sync::Arc;
use std::time::Duration;

/// A rule in the making; begun by [`Faults`](super::Faults), ended by the fault that is to happen.
///
/// **Selectors** narrow what it is about, and all must fit: [`on`](Select::on), [`exchange`](Select::exchange),
/// [`key`](Select::key), [`consumer`](Select::consumer). **When**: [`nth`](Select::nth), [`every`](Select::every) or
/// [`first`](Select::first), of which the last said counts; without, always. What is counted is what the selectors fit *and* the
/// fault could happen to, from when the rule was made.
///
/// Where several rules have their turn at once, the first that was made wins; the others have counted it, and do not fire.
#[derive(Clone, Debug)]
#[must_use = "a rule begins with its fault"]
pub struct Select<'t> {
    t: &'t TestBroker,
    fits: Fits,
    when: When,
}

impl<'t> Select<'t> {
    pub(super) fn new(t: &'t TestBroker) -> Self {
        Self { t, fits: Fits::default(), when: When::default() }
    }

    /// Of publishes those that go to this queue; of deliveries those from it.
    pub fn on(mut self, queue: impl Into<String>) -> Self {
        self.fits.queue = Some(queue.into());
        self
    }

    /// Only messages that were published to this exchange, or dead-lettered through it.
    pub fn exchange(mut self, exchange: impl Into<String>) -> Self {
        self.fits.exchange = Some(exchange.into());
        self
    }

    /// Only messages whose routing key fits this pattern, as a topic exchange has it: `order.*`, `#.failed`.
    pub fn key(mut self, pattern: impl Into<String>) -> Self {
        self.fits.key = Some(pattern.into());
        self
    }

    /// Only deliveries to consumers of this tag. A publish has none, so a fault of publishes never happens then.
    pub fn consumer(mut self, tag: impl Into<String>) -> Self {
        self.fits.consumer = Some(tag.into());
        self
    }

    /// Once: the one of this number, from 1.
    pub fn nth(mut self, nth: u64) -> Self {
        self.when = When::Nth(nth);
        self
    }

    /// Each time that so many were counted: with 3, the third, sixth and so on. Never with 0.
    pub fn every(mut self, every: u64) -> Self {
        self.when = When::Every(every);
        self
    }

    /// The first ones, so many.
    pub fn first(mut self, first: u64) -> Self {
        self.when = When::First(first);
        self
    }

    /// No queue takes the publish, as if all were full and refused it (`reject-publish`): a publisher has
    /// [`Refused`](crate::PublishErrorKind::Refused) with none taken, a channel in confirm mode a nack, a channel without
    /// confirms hears nothing. A publisher that waits for room is told at once.
    ///
    /// Publishes that no queue is bound for, and those in a transaction, are not counted.
    pub fn refuse(self) -> Rule {
        self.add(Asked::Publish(PublishFault::Refuse))
    }

    /// The message is taken, and its publisher never hears of it: a channel in confirm mode has no ack, and later acks do not
    /// stand for it. A [`Publisher`](crate::Publisher), which waits for nothing else, has
    /// [`Timeout`](crate::PublishErrorKind::Timeout) with the number of queues that took it, and the message, to send it again.
    ///
    /// A publish on a channel without confirms is not counted, nor is one in a transaction.
    pub fn lose_confirm(self) -> Rule {
        self.add(Asked::Publish(PublishFault::Lose))
    }

    /// The message is taken, and its publisher hears of it when the broker's clock has moved by `span`. A
    /// [`send`](crate::Publisher::send) waits for so long, a [`blocking_send`](crate::Publisher::blocking_send) blocks its
    /// thread until another one moves time; a [`try_send`](crate::Publisher::try_send) and a
    /// [`publish`](crate::Broker::publish), which never wait, end as by [`lose_confirm`](Select::lose_confirm).
    ///
    /// Counted as there.
    pub fn delay_confirm(self, span: Duration) -> Rule {
        self.add(Asked::Publish(PublishFault::Delay(span)))
    }

    /// The message is not taken and its publisher is told so: as [`refuse`](Select::refuse), but only where somebody hears of
    /// it: a publish on a channel without confirms is not counted.
    pub fn nack_confirm(self) -> Rule {
        self.add(Asked::Publish(PublishFault::Nack))
    }

    /// The message is taken, and its publisher is told that it is not: a channel has a nack, a publisher
    /// [`Refused`](crate::PublishErrorKind::Refused) with none refused. Whoever sends it again has it twice in the queue: a
    /// nack says that the broker does not answer for a message, not that the message is nowhere (RabbitMQ: "Publisher Confirms").
    ///
    /// Counted as [`lose_confirm`](Select::lose_confirm).
    pub fn nack_taken(self) -> Rule {
        self.add(Asked::Publish(PublishFault::NackTaken))
    }

    /// A queue answers a message as at its limit, also a dead letter: by its own `x-overflow` where that refuses publishes (and
    /// dead-letters them, where it says so), else as at the broker's own bound
    /// ([`Full`](crate::PublishErrorKind::Full)). Other queues of the same publish take it. A publisher that waits for room is
    /// told at once, for there is no room to wait for.
    ///
    /// Counted are messages offered to queues: a publish to three queues is three.
    pub fn full(self) -> Rule {
        self.add(Asked::Full)
    }

    /// The delivery's acknowledgement is lost, or its rejection: the queue takes it as void, has the message back, and delivers
    /// it again as redelivered, maybe to another consumer. So real brokers deliver twice: after the work was done, not at once
    /// (RabbitMQ: "Consumer Acknowledgements", at-least-once). The fact is
    /// [`Requeued`](crate::What::Requeued) for [`SettlementLost`](crate::Cause::SettlementLost). The receiver is not told.
    ///
    /// Counted are deliveries, also by `get`, that are to be acknowledged and are no redeliveries: each message once.
    pub fn deliver_twice(self) -> Rule {
        self.add(Asked::Delivery(DeliveryFault::Twice))
    }

    /// The consumer's program dies when it is about to settle the delivery, before that takes effect: the work is done, and the
    /// message comes again, with everything else that the consumer has. It ends as by
    /// [`crash_consumer`](TestBroker::crash_consumer): a plain consumer alone, a channel's consumer with its connection.
    /// The code goes on running, and what it does with its deliveries is without effect.
    ///
    /// Counted are deliveries to consumers that are to be acknowledged, redeliveries too.
    pub fn kill_consumer(self) -> Rule {
        self.add(Asked::Delivery(DeliveryFault::Kill))
    }

    /// The delivery is held on its way until the broker's clock has moved by `span`. It is out, and its consumer cannot receive
    /// it. What comes after it for the same consumer waits behind it, for a connection keeps its order; other consumers of the
    /// queue get theirs in the meantime, and so overtake. The moment is a deadline as any other. A consumer that is cancelled
    /// gets it at once; with one that dies it goes back to the queue.
    ///
    /// Counted are deliveries to consumers, redeliveries too, also those without acknowledgement.
    ///
    /// ```
    /// use leveret::testing::TestBroker;
    /// use leveret::{Message, Queue, Topology};
    /// use std::time::Duration;
    ///
    /// let t = TestBroker::new();
    /// t.declare(&Topology::new().queue(Queue::new("orders")))?;
    /// t.faults().on("orders").nth(1).delay_delivery(Duration::from_secs(2));
    /// let mut orders = t.consumer("orders").open()?;
    /// t.publish("", "orders", Message::new("one"))?;
    /// assert!(orders.try_recv().is_err());
    /// t.advance_blocking(Duration::from_secs(2))?;
    /// orders.try_recv()?.ack();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn delay_delivery(self, span: Duration) -> Rule {
        self.add(Asked::Delivery(DeliveryFault::Delay(span)))
    }

    /// Faults by chance among what the selectors fit: see [`Faults::mix`](super::Faults::mix). When is by the rates alone.
    pub fn mix(self, seed: u64, rates: Rates) -> Rule {
        self.add(Asked::Mix { seed, rates, random: Box::new(SplitMix::new(seed)) })
    }

    fn add(self, what: Asked) -> Rule {
        let rules = &self.t.shared().rules;
        let when = if matches!(what, Asked::Mix { .. }) { When::Always } else { self.when };
        let rule = rules.add(self.fits, when, what);
        // Asked from now on: a broker without rules goes its fast way.
        self.t.engine().faults.set_if_none(Arc::clone(rules) as Arc<dyn Inject>);
        rule
    }
}
