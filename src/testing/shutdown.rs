//! Shutting a test broker down: as any broker, but that a drain which nothing can end is not waited for in silence.
//!
//! A drain ends when all is settled, or with its time. A test's time stands still, so where a delivery is kept and nobody
//! moves time, it would never end. The guard of all waits holds here too.

use super::TestBroker;
use super::not_settled::{GivenUp, NotSettled};
use crate::api::{Shutdown, ShutdownFuture, ShutdownReport};
use crate::base::Moment;
use crate::engine::waiter::{Waiter, block_until};
use crate::port::{Clock, SystemClock};
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// A shutdown to be carried out; made by [`TestBroker::shutdown`]. Nothing happens before [`wait`](TestShutdown::wait) or
/// `.await`.
#[derive(Debug)]
#[must_use = "nothing is shut down until it is waited for"]
pub struct TestShutdown {
    t: TestBroker,
    shutdown: Shutdown,
}

/// The future of a [`TestShutdown`].
///
/// # Cancel safety
///
/// As [`ShutdownFuture`].
///
/// # Panics
///
/// As [`TestShutdown::wait`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct TestShutdownFuture {
    t: TestBroker,
    future: ShutdownFuture,
    /// When the guard ends, on the system's clock, and the number of what wakes then.
    guard: Option<(Moment, u64)>,
}

impl TestBroker {
    /// As [`Broker::shutdown`](crate::Broker::shutdown), with a drain that cannot hang the test: its time passes on the
    /// test's clock, which somebody has to move.
    ///
    /// ```
    /// use leveret::testing::TestBroker;
    /// use leveret::{Message, Queue, Topology};
    /// use std::time::Duration;
    ///
    /// let t = TestBroker::new();
    /// t.declare(&Topology::new().queue(Queue::new("orders")))?;
    /// t.publish("", "orders", Message::new("one"))?;
    /// let report = t.shutdown().drain(Duration::from_secs(10)).wait(); // Nothing is out: it takes no time.
    /// assert!(report.drained);
    /// assert_eq!(report.left[0].ready, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shutdown(&self) -> TestShutdown {
        TestShutdown { t: self.clone(), shutdown: (**self).shutdown() }
    }
}

impl TestShutdown {
    /// Waits at most for so long, on the test's clock, until nothing is out any more. Only the test makes time pass: from
    /// another thread or task, or not at all where all is settled anyway.
    pub fn drain(mut self, span: Duration) -> Self {
        self.shutdown = self.shutdown.drain(span);
        self
    }

    /// Carries it out, blocking. On a broker that is closed already, the report is empty.
    ///
    /// # Panics
    ///
    /// Where the [guard](TestBroker::set_guard) ends before the drain does: something is kept, and nobody moves time. The
    /// text tells what is out.
    pub fn wait(self) -> ShutdownReport {
        let clock = SystemClock::new();
        let deadline = clock.now() + self.t.guard();
        let waker = Waker::from(Arc::new(Unpark(Waiter::this_thread())));
        let mut context = Context::from_waker(&waker);
        let (t, mut future) = (self.t, self.shutdown.into_future());
        let report = block_until(&clock, Some(deadline), || match Pin::new(&mut future).poll(&mut context) {
            Poll::Ready(report) => Some(report),
            Poll::Pending => None,
        });
        report.unwrap_or_else(|| hangs(&t))
    }
}

impl IntoFuture for TestShutdown {
    type Output = ShutdownReport;
    type IntoFuture = TestShutdownFuture;

    fn into_future(self) -> TestShutdownFuture {
        TestShutdownFuture { t: self.t, future: self.shutdown.into_future(), guard: None }
    }
}

impl Future for TestShutdownFuture {
    type Output = ShutdownReport;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<ShutdownReport> {
        let this = &mut *self;
        if let Poll::Ready(report) = Pin::new(&mut this.future).poll(context) {
            return Poll::Ready(report);
        }
        let deadline = this.take_guard_back().unwrap_or_else(|| this.t.shared().timer().now() + this.t.guard());
        let timer = this.t.shared().timer();
        if timer.now() >= deadline {
            hangs(&this.t);
        }
        let number = timer.engine().set_alarm(deadline, Waiter::Task(context.waker().clone()));
        this.guard = Some((deadline, number));
        Poll::Pending
    }
}

impl TestShutdownFuture {
    fn take_guard_back(&mut self) -> Option<Moment> {
        let (deadline, number) = self.guard.take()?;
        drop(self.t.shared().timer().engine().alarms.take_back(number));
        Some(deadline)
    }
}

impl Drop for TestShutdownFuture {
    fn drop(&mut self) {
        let _ = self.take_guard_back();
    }
}

/// Wakes a thread.
struct Unpark(Waiter);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.clone().wake();
    }
}

#[track_caller]
#[allow(clippy::panic)] // A test that would hang fails.
fn hangs(t: &TestBroker) -> ! {
    let not_settled = NotSettled::new(t, GivenUp::Guard(t.guard()));
    panic!("the shutdown drains without end, since nobody moves the test's time: {not_settled}");
}
