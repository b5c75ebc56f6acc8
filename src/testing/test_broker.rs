//! The test broker: a broker, and the clock that it goes by.

use crate::api::Broker;
use crate::port::ManualClock;
use std::ops::Deref;

/// A broker for one test. It derefs to [`Broker`].
///
/// ```
/// use leveret::testing::TestBroker;
/// use leveret::{Message, Queue, Topology};
///
/// let t = TestBroker::new();
/// t.declare(&Topology::new().queue(Queue::new("orders")))?;
/// t.publish("", "orders", Message::new("one"))?;
/// assert_eq!(t.queue("orders")?.stats().ready, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TestBroker {
    broker: Broker,
    clock: ManualClock,
}

impl TestBroker {
    /// A broker without queues, whose clock stands at [`Moment::ZERO`](crate::Moment::ZERO).
    #[must_use]
    pub fn new() -> Self {
        let clock = ManualClock::new();
        Self { broker: Broker::builder().manual_clock(clock.clone()).build(), clock }
    }

    /// The clock. It is moved by [`Broker::advance`], so that deadlines fire on the way.
    #[must_use]
    pub fn clock(&self) -> &ManualClock {
        &self.clock
    }
}

impl Default for TestBroker {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for TestBroker {
    type Target = Broker;

    fn deref(&self) -> &Broker {
        &self.broker
    }
}
