//! Tokio's clock, for hosts that live in its runtime and for tests that pause it.

use super::clock::Clock;
use crate::base::Moment;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// The clock of tokio's runtime: with `tokio::time::pause`, the broker's time stands still and moves with the program's own
/// sleeps. It knows no thread, so a task has to drive the broker: see [`Broker::drive`](crate::Broker::drive).
///
/// A paused clock moves by itself: where every task sleeps, tokio moves it to the next one that wakes.
///
/// ```
/// use leveret::{Broker, Message, Queue, TokioClock, Topology};
/// use std::time::Duration;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?.block_on(async {
/// let broker = Broker::builder().clock(TokioClock::new()).build();
/// tokio::spawn(broker.drive());
/// let waiting = Queue::new("waiting").message_ttl(Duration::from_secs(60)).dead_letter_to("orders");
/// broker.declare(&Topology::new().queue(Queue::new("orders")).queue(waiting))?;
/// broker.publish("", "waiting", Message::new("one"))?;
/// let mut orders = broker.consumer("orders").open()?;
/// // A minute of tokio's time, which passes at once.
/// orders.recv().await.ok_or("the broker is open")?.ack();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TokioClock {
    began: Instant,
    began_unix: Duration,
}

impl TokioClock {
    /// A clock whose moments count from now on. Inside of a runtime whose clock is paused, that is where it stands.
    #[must_use]
    pub fn new() -> Self {
        let began_unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { began: Instant::now(), began_unix }
    }
}

impl Default for TokioClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Moment {
        Moment::ZERO + self.began.elapsed()
    }

    fn unix_seconds(&self, moment: Moment) -> u64 {
        (self.began_unix + Duration::from_nanos(moment.as_nanos())).as_secs()
    }
}
