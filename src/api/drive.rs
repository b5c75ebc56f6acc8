//! Driving a broker's time from a task.

use super::broker::Broker;
use crate::base::Moment;
use crate::engine::Engine;
use crate::engine::waiter::Waiter;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Weak;
use std::task::Poll;
use std::time::Duration;

impl Broker {
    /// Fires this broker's deadlines on tokio's time, until the broker ends: a task for whoever runs in tokio's runtime and
    /// gave the broker a [`TokioClock`](crate::TokioClock). It holds the broker weakly. One is enough; a second one would
    /// take its place.
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing. Deadlines then fire with every call that touches their queue, and all of them with
    /// [`Broker::run_due`].
    ///
    /// An example is at [`TokioClock`](crate::TokioClock).
    pub fn drive(&self) -> impl Future<Output = ()> + Send + use<> {
        keep_time(std::sync::Arc::downgrade(self.engine()))
    }
}

async fn keep_time(engine: Weak<Engine>) {
    while let Some(next) = fire(&engine).await {
        let mut sleep = pin!(next.map(tokio::time::sleep));
        // Until it is time, or another deadline may be the next one.
        poll_fn(|context| {
            if let Some(sleep) = sleep.as_mut().as_pin_mut()
                && sleep.poll(context).is_ready()
            {
                return Poll::Ready(());
            }
            let still_waits =
                |engine: std::sync::Arc<Engine>| engine.watch_deadlines(Waiter::Task(context.waker().clone()));
            if engine.upgrade().is_some_and(still_waits) { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }
}

/// Fires what is due, and tells for how long nothing will be; `None` where the broker has ended.
async fn fire(engine: &Weak<Engine>) -> Option<Option<Duration>> {
    let engine = engine.upgrade().filter(|engine| !engine.is_closed())?;
    engine.drive();
    let next: Option<Moment> = engine.arm();
    Some(next.map(|next| engine.until(next)))
}
