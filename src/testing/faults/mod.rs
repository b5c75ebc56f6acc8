//! Faults on demand: what a broker, a network or a consumer's program does wrong once in a while, at the moment that a
//! test names.
//!
//! A rule is selectors, then when, then what: `t.faults().on("orders").nth(3).deliver_twice()`. Rules are kept in one list
//! ([`Rules`]), which the engine asks at every step where something may go wrong (`engine/faults.rs`).

mod mix;
mod pattern;
mod report;
mod rules;
mod select;

pub use mix::Rates;
pub(super) use mix::SplitMix;
pub use report::{FaultReport, RuleReport};
pub(super) use rules::Rules;
pub use select::Select;

use super::TestBroker;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The faults of a [`TestBroker`]; given by [`TestBroker::faults`].
///
/// A rule begins with any of the selectors and goes on as a [`Select`]; the fault ends it, and from then on it is in force.
///
/// ```
/// use leveret::testing::TestBroker;
/// use leveret::{Message, Queue, Topology};
///
/// let t = TestBroker::new();
/// t.declare(&Topology::new().queue(Queue::new("orders")))?;
/// let second = t.faults().on("orders").nth(2).deliver_twice();
///
/// let mut orders = t.consumer("orders").open()?;
/// for body in ["one", "two", "three"] {
///     t.publish("", "orders", Message::new(body))?;
/// }
/// let mut seen = Vec::new();
/// while let Ok(order) = orders.try_recv() {
///     seen.push((String::from_utf8_lossy(order.body()).into_owned(), order.redelivered()));
///     order.ack();
/// }
/// let of = |body: &str, redelivered| (body.to_owned(), redelivered);
/// assert_eq!(seen, [of("one", false), of("two", false), of("three", false), of("two", true)]);
/// assert_eq!(second.fired(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Faults<'t> {
    t: &'t TestBroker,
}

impl TestBroker {
    /// The faults of this broker: to have some, to hear which there were.
    #[must_use]
    pub fn faults(&self) -> Faults<'_> {
        Faults { t: self }
    }
}

impl<'t> Faults<'t> {
    /// Everything: each publish, or each delivery.
    pub fn any(&self) -> Select<'t> {
        Select::new(self.t)
    }

    /// As [`Select::on`].
    pub fn on(&self, queue: impl Into<String>) -> Select<'t> {
        self.any().on(queue)
    }

    /// As [`Select::exchange`].
    pub fn exchange(&self, exchange: impl Into<String>) -> Select<'t> {
        self.any().exchange(exchange)
    }

    /// As [`Select::key`].
    pub fn key(&self, pattern: impl Into<String>) -> Select<'t> {
        self.any().key(pattern)
    }

    /// As [`Select::consumer`].
    pub fn consumer(&self, tag: impl Into<String>) -> Select<'t> {
        self.any().consumer(tag)
    }

    /// Faults by chance, at these rates: by a generator of its own, so the same seed and the same calls in the same order
    /// give the same faults. Rules that were made before go first.
    ///
    /// ```
    /// use leveret::testing::{Rates, TestBroker};
    /// use leveret::{Message, Queue, Topology};
    ///
    /// let refused = |seed| {
    ///     let t = TestBroker::new();
    ///     t.declare(&Topology::new().queue(Queue::new("orders"))).unwrap();
    ///     t.faults().mix(seed, Rates::new().refuse(0.5));
    ///     let publish = || t.publish("", "orders", Message::new("x")).is_err();
    ///     std::iter::repeat_with(publish).take(20).collect::<Vec<bool>>()
    /// };
    /// assert_eq!(refused(1), refused(1));
    /// assert_ne!(refused(1), refused(2));
    /// ```
    pub fn mix(&self, seed: u64, rates: Rates) -> Rule {
        self.any().mix(seed, rates)
    }

    /// Removes all rules. What was decided already still happens.
    pub fn clear(&self) {
        self.t.shared().rules.clear();
    }

    /// What all rules did so far, also those that were removed.
    ///
    /// ```
    /// use leveret::testing::TestBroker;
    /// use leveret::{Message, Queue, Topology};
    ///
    /// let t = TestBroker::new();
    /// t.declare(&Topology::new().queue(Queue::new("orders")))?;
    /// t.faults().on("orders").first(1).refuse();
    /// assert!(t.publish("", "orders", Message::new("one")).is_err());
    /// assert!(t.publish("", "orders", Message::new("two")).is_ok());
    /// assert_eq!(
    ///     t.faults().report().to_string(),
    ///     "faults:\n  rule 0, of queue 'orders', the first 1: refuse the publish; fired 1 of 2"
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn report(&self) -> FaultReport {
        self.t.shared().rules.report()
    }
}

/// A rule that is in force until it is [removed](Rule::remove); dropping this changes nothing.
#[derive(Clone, Debug)]
pub struct Rule {
    rules: Arc<Rules>,
    number: u32,
}

impl Rule {
    /// Counts the rules of the broker, from 0: the number in [`What::Fault`](crate::What::Fault).
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// How often the fault happened. One that waits for a settlement counts when that comes.
    #[must_use]
    pub fn fired(&self) -> u64 {
        self.rules.look(self.number, |rule| rule.by.fired.load(Ordering::Relaxed))
    }

    /// How many publishes, offers or deliveries the rule was asked for that its selectors fit.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.rules.look(self.number, |rule| rule.seen)
    }

    /// Removes the rule: nothing more happens by it, but what was decided already: a delivery that went out under it, a
    /// confirm that is delayed.
    pub fn remove(&self) {
        self.rules.remove(self.number);
    }
}
