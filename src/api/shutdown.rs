//! Shutting down in an orderly way: stop, wait for what is out, close.

use super::broker::Broker;
use super::recorded::calls::told_unsaid;
use crate::base::{Moment, Name};
use crate::engine::Engine;
use crate::engine::waiter::Waiter;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// A shutdown to be carried out; made by [`Broker::shutdown`]. Nothing happens before [`wait`](Shutdown::wait) or
/// `.await`.
#[derive(Debug)]
#[must_use = "nothing is shut down until it is waited for"]
pub struct Shutdown {
    engine: Arc<Engine>,
    drain: Duration,
}

/// The future of a [`Shutdown`].
///
/// # Cancel safety
///
/// Dropping it after its first poll leaves the broker stopped and not closed: nothing goes in or out any more, what is
/// out may be settled. A new shutdown brings it to its end.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct ShutdownFuture {
    shutdown: Shutdown,
    begun: Option<Begun>,
}

/// A drain that goes on.
#[derive(Debug)]
struct Begun {
    deadline: Moment,
    number: Option<u64>,
    alarm: Option<u64>,
}

/// What a shutdown left behind. It is gone with the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Whether every delivery was settled in time.
    pub drained: bool,
    /// The queues that were not empty, in the order in which they were declared.
    pub left: Vec<Left>,
}

/// What was left in one queue.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Left {
    /// The queue.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::stats::as_text"))]
    pub queue: Name,
    /// Messages that were ready.
    pub ready: u64,
    /// Deliveries that nobody had settled.
    pub unacked: u64,
}

impl Broker {
    /// Shuts the broker down, in order: publishes are refused, consumers get nothing new and end after what they have,
    /// deliveries that are out may still be settled, and then the broker closes.
    ///
    /// Consumers of channels are cancelled as well. What else a channel does is not stopped, since a refusal would end its
    /// connection, and with it the settling: a program that drains stops its own channels.
    ///
    /// Without [`drain`](Shutdown::drain) it closes at once. Wait for it as a thread, with [`Shutdown::wait`], or as a
    /// task, with `.await`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use leveret::{Broker, Message, QueueDeclare};
    ///
    /// let broker = Broker::new();
    /// broker.declare_queue(&QueueDeclare::new("orders"))?;
    /// broker.publish("", "orders", Message::new("one"))?;
    ///
    /// let report = broker.shutdown().drain(Duration::from_secs(10)).wait();
    /// assert!(report.drained);
    /// assert_eq!(report.left[0].ready, 1);
    /// assert!(broker.is_closed());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shutdown(&self) -> Shutdown {
        Shutdown { engine: Arc::clone(self.engine()), drain: Duration::ZERO }
    }
}

impl Shutdown {
    /// Waits at most for so long, on the broker's clock, until nothing is out any more. With a manual clock, only
    /// [`Broker::advance`] makes time pass.
    pub fn drain(mut self, span: Duration) -> Self {
        self.drain = span;
        self
    }

    /// Carries it out, blocking. On a broker that is closed already, the report is empty.
    ///
    /// Not for asynchronous code, where it would block the executor's thread; nor for a thread that itself holds a
    /// delivery, for which it would wait until the drain's time is over.
    pub fn wait(self) -> ShutdownReport {
        let Self { engine, drain } = self;
        // Where it closes at once, a tap that panics comes after that.
        let _deferred = drain.is_zero().then(|| engine.quietly());
        quiesce(&engine);
        let deadline = engine.now() + drain;
        let mut number = None;
        let quiet = engine.block(Some(deadline), || engine.is_quiet(&mut number, Waiter::this_thread()).then_some(()));
        finish(&engine, number, quiet.is_some())
    }
}

impl IntoFuture for Shutdown {
    type Output = ShutdownReport;
    type IntoFuture = ShutdownFuture;

    fn into_future(self) -> ShutdownFuture {
        ShutdownFuture { shutdown: self, begun: None }
    }
}

impl Future for ShutdownFuture {
    type Output = ShutdownReport;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<ShutdownReport> {
        let this = &mut *self;
        let engine = &this.shutdown.engine;
        let drain = this.shutdown.drain;
        let _deferred = engine.quietly();
        let begun = this.begun.get_or_insert_with(|| {
            quiesce(engine);
            Begun { deadline: engine.now() + drain, number: None, alarm: None }
        });
        // Set before the clock is looked at: whoever moves it in between finds the alarm.
        begun.take_alarm_back(engine);
        begun.alarm = Some(engine.set_alarm(begun.deadline, Waiter::Task(context.waker().clone())));
        let quiet = engine.is_quiet(&mut begun.number, Waiter::Task(context.waker().clone()));
        if !quiet && engine.now() < begun.deadline {
            return Poll::Pending;
        }
        begun.take_alarm_back(engine);
        Poll::Ready(finish(engine, begun.number.take(), quiet))
    }
}

impl Drop for ShutdownFuture {
    fn drop(&mut self) {
        let engine = &self.shutdown.engine;
        if let Some(begun) = &mut self.begun {
            begun.take_alarm_back(engine);
            if let Some(number) = begun.number {
                engine.leave_resting(number);
            }
        }
    }
}

impl Begun {
    fn take_alarm_back(&mut self, engine: &Engine) {
        if let Some(alarm) = self.alarm.take() {
            drop(engine.alarms.take_back(alarm));
        }
    }
}

/// Lets nothing in or out any more, which a log has no words for.
fn quiesce(engine: &Engine) {
    told_unsaid(engine, "a shutdown", || "nothing comes in or goes out any more".to_owned(), || engine.quiesce());
}

/// Counts what is left, and closes.
fn finish(engine: &Engine, number: Option<u64>, drained: bool) -> ShutdownReport {
    if let Some(number) = number {
        engine.leave_resting(number);
    }
    if let Some(recording) = engine.recording() {
        recording.end();
    }
    let left = engine.cells().into_iter().map(|cell| {
        let counts = cell.read(engine, |state| state.counts());
        let (ready, unacked) = (counts.ready as u64, counts.unacked as u64);
        Left { queue: cell.spec.name.clone(), ready, unacked }
    });
    let left = left.filter(|left| left.ready + left.unacked > 0).collect();
    engine.shut_down();
    ShutdownReport { drained, left }
}
