//! The test broker: a broker, the clock that it goes by, and a watch over what is out.

use super::activity::Activities;
use super::faults::Rules;
use super::watch::Watch;
use crate::api::{Broker, Builder, History, Ledger, Recorder, RecorderBound};
use crate::port::ManualClock;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// A broker for one test. It derefs to [`Broker`]; clones are handles to the same one.
///
/// Its time stands still until [`advance`](TestBroker::advance) moves it. It starts no thread, but for an asynchronous wait
/// that has to wait, whose guard is one. What every part is for is in the [guide](crate::testing).
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
#[derive(Clone, Debug)]
pub struct TestBroker {
    broker: Broker,
    shared: Arc<Shared>,
}

/// Who moves time.
#[derive(Debug)]
pub(super) enum Time {
    /// The test.
    Manual(ManualClock),
    /// Tokio, for the test.
    #[cfg(feature = "tokio")]
    Tokio,
}

/// What clones share beside the broker.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) time: Time,
    pub(super) watch: Watch,
    recorder: Recorder,
    pub(super) activities: Activities,
    pub(super) rules: Arc<Rules>,
    guard_nanos: AtomicU64,
    /// A broker on the system's clock, whose timer thread wakes tasks in real time.
    timer: OnceLock<Broker>,
}

impl TestBroker {
    /// A broker without queues, whose clock stands at [`Moment::ZERO`](crate::Moment::ZERO).
    #[must_use]
    pub fn new() -> Self {
        Self::with(|builder| builder)
    }

    /// As [`TestBroker::new`], with limits or taps of its own: `build` gets the broker's builder and gives it back. The clock
    /// is set afterwards.
    ///
    /// ```
    /// use leveret::testing::TestBroker;
    /// use leveret::Limits;
    ///
    /// let mut limits = Limits::default();
    /// limits.queues = 10;
    /// let t = TestBroker::with(|builder| builder.limits(limits));
    /// assert_eq!(t.limits().queues, 10);
    /// ```
    #[must_use]
    pub fn with(build: impl FnOnce(Builder) -> Builder) -> Self {
        let clock = ManualClock::new();
        Self::of(build(Broker::builder()).manual_clock(clock.clone()), Time::Manual(clock))
    }

    /// A broker on tokio's clock, which is to be paused: for programs whose own sleeps must move with the broker's time.
    /// [`advance`](TestBroker::advance) moves both; and where every task of the runtime sleeps, tokio moves it by itself.
    /// A task is spawned on the runtime that fires the broker's deadlines.
    ///
    /// The blocking forms of what moves time cannot move tokio's, and answer so.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    ///
    /// ```
    /// use leveret::testing::TestBroker;
    /// use leveret::{Message, Queue, Topology};
    /// use std::time::Duration;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?.block_on(async {
    /// let t = TestBroker::on_tokio();
    /// t.declare(&Topology::new().queue(Queue::new("orders")))?;
    /// let mut orders = t.consumer("orders").open()?;
    /// tokio::spawn(async move {
    ///     while let Some(order) = orders.recv().await {
    ///         tokio::time::sleep(Duration::from_secs(60)).await; // Slow work.
    ///         order.ack();
    ///     }
    /// });
    /// t.publish("", "orders", Message::new("one"))?;
    /// t.settle().await?;
    /// assert_eq!(t.now(), leveret::Moment::from_millis(60_000));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "tokio")]
    #[must_use]
    pub fn on_tokio() -> Self {
        let clock = crate::port::TokioClock::new();
        let t = Self::of(Broker::builder().clock(clock), Time::Tokio);
        drop(tokio::spawn(t.drive()));
        t
    }

    fn of(builder: Builder, time: Time) -> Self {
        let watch = Watch::new(DELIVERIES);
        let activities = Activities::default();
        let guard_nanos = AtomicU64::new(nanos(GUARD));
        let recorder = Recorder::new(bound());
        let broker = builder.record(recorder.clone()).tap(watch.clone()).build();
        let rules = Rules::new();
        let shared = Shared { time, watch, recorder, activities, rules, guard_nanos, timer: OnceLock::new() };
        Self { broker, shared: Arc::new(shared) }
    }

    pub(super) fn time(&self) -> &Time {
        &self.shared.time
    }

    /// Sets for how long, in real time, a wait may see nothing come to rest before it fails: for a handler that hangs, or a
    /// delivery that nobody will ever settle. 5 s unless set. A wait that succeeds never takes it.
    pub fn set_guard(&self, guard: Duration) {
        self.shared.guard_nanos.store(nanos(guard), Ordering::Relaxed);
    }

    /// Sets how often one message may be delivered during one wait before that fails as endless; 1,000 unless set.
    pub fn set_delivery_budget(&self, deliveries: u32) {
        self.shared.watch.set_most(deliveries);
    }

    /// The recorder, which remembers the last 100,000 messages and a million facts.
    #[must_use]
    pub fn recorder(&self) -> &Recorder {
        &self.shared.recorder
    }

    /// What became of all messages with this correlation id; it draws as a sequence diagram. `None` where there are none.
    /// (By message id: [`Broker::history`].)
    #[must_use]
    pub fn conversation(&self, correlation_id: &str) -> Option<History> {
        self.recorder().conversation(correlation_id)
    }

    /// Where every message went, in numbers: sums that close, for each queue and in all.
    ///
    /// ```
    /// use leveret::testing::TestBroker;
    ///
    /// let t = TestBroker::new();
    /// t.ledger().assert_closed();
    /// ```
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.recorder().ledger()
    }

    pub(super) fn guard(&self) -> Duration {
        Duration::from_nanos(self.shared.guard_nanos.load(Ordering::Relaxed))
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }
}

impl Shared {
    /// Whoever wakes tasks in real time.
    pub(super) fn timer(&self) -> &Broker {
        self.timer.get_or_init(Broker::new)
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

/// What the recorder of a test remembers: bodies of up to 1 GiB, which tests do not have.
fn bound() -> RecorderBound {
    let mut bound = RecorderBound::messages(100_000);
    (bound.facts, bound.bytes) = (1_000_000, 1 << 30);
    bound
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// How long a wait may take in real time.
const GUARD: Duration = Duration::from_secs(5);
/// How often one message may be delivered in one wait.
const DELIVERIES: u32 = 1_000;
