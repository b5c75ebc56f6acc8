//! The broker: the value that everything begins with.

use super::builder::Builder;
use super::channel::Close;
use super::connection::{Connection, Connections};
use super::recorder::Recorder;
use crate::base::{Limits, Moment};
use crate::engine::Engine;
use std::sync::Arc;
use std::time::Duration;

/// A message broker inside this process: exchanges, queues, bindings, and the messages in them.
///
/// A broker is a value; clones are handles to the same one. When the last clone is dropped the broker ends at once:
/// its queues are gone, consumers end with `None`, every other handle answers that it is closed.
///
/// No thread is started until a first deadline exists (a time to live, an expiring queue), and none at all where the
/// builder says [`manual_time`](Builder::manual_time) or [`drive_manually`](Builder::drive_manually).
///
/// ```
/// use leveret::Broker;
///
/// let broker = Broker::new();
/// let same = broker.clone();
/// drop(broker);
/// assert!(!same.is_closed());
/// ```
#[derive(Clone, Debug)]
pub struct Broker {
    handle: Arc<Handle>,
}

/// What all clones share; dropping it ends the broker.
#[derive(Debug)]
struct Handle {
    engine: Arc<Engine>,
    connections: Arc<Connections>,
    recorder: Option<Recorder>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Some(recording) = self.engine.recording() {
            recording.end();
        }
        self.connections.close_all();
        self.engine.shut_down();
    }
}

impl Broker {
    /// A broker with the system's clock and the default limits.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// A broker with other clocks or limits.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(super) fn of(engine: Arc<Engine>, recorder: Option<Recorder>) -> Self {
        Self { handle: Arc::new(Handle { engine, connections: Connections::new(), recorder }) }
    }

    /// The recorder that the broker was built with.
    #[must_use]
    pub fn recorder(&self) -> Option<&Recorder> {
        self.handle.recorder.as_ref()
    }

    /// The engine beneath.
    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.handle.engine
    }

    /// Opens a connection for the user `guest`: the AMQP-shaped way to use the broker.
    ///
    /// # Errors
    ///
    /// A [`Close`] with 530 where `Limits::connections` are open, or with 320 where the broker has ended.
    pub fn connect(&self) -> Result<Connection, Close> {
        self.connect_as("guest")
    }

    /// Opens a connection for a user. Nothing is asked for beside the name: it is what `user_id` must be in messages
    /// published through the connection.
    ///
    /// # Errors
    ///
    /// As [`Broker::connect`].
    pub fn connect_as(&self, user: &str) -> Result<Connection, Close> {
        self.handle.connections.connect(self.engine(), user, None)
    }

    /// Opens a connection for the user `guest` under a name, as clients of RabbitMQ do with `connection_name`. Several may
    /// have the same.
    ///
    /// # Errors
    ///
    /// As [`Broker::connect`].
    pub fn connect_named(&self, name: &str) -> Result<Connection, Close> {
        self.handle.connections.connect(self.engine(), "guest", Some(name))
    }

    /// The connections that are open.
    #[cfg(feature = "testing")]
    pub(crate) fn connections(&self) -> &Arc<Connections> {
        &self.handle.connections
    }

    /// Whether the broker was shut down.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.engine().is_closed()
    }

    /// The bounds of this broker.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.engine().limits
    }

    /// Asserts the invariants of every queue, for the tests of this repository. Exempt from semantic versioning.
    ///
    /// # Errors
    ///
    /// What does not hold, in words.
    #[doc(hidden)]
    pub fn check_invariants(&self) -> Result<(), String> {
        let cells: Vec<_> = self.engine().topology.read().queues.iter().flatten().cloned().collect();
        cells.iter().try_for_each(|cell| {
            cell.read(self.engine(), |state| state.check())
                .map_err(|what| format!("queue '{}': {what}", cell.spec.name))
        })
    }

    /// The moment it is on the broker's clock.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.engine().now()
    }

    /// The earliest moment at which time does something by itself, if there is one.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Moment> {
        self.engine().next_deadline()
    }

    /// Waits until the taps have seen everything that was caused so far, also by other threads. Needed only where several
    /// threads use the broker: what a thread causes while another one is in the tap is handed over by that one. Returns
    /// at once without a tap, and inside of one.
    pub fn flush_taps(&self) {
        if let Some(ear) = &self.engine().ear {
            ear.catch_up();
        }
    }

    /// Fires every deadline that is due now, in due order. Needed only where the caller drives time; harmless elsewhere.
    pub fn run_due(&self) {
        self.engine().drive();
    }

    /// Moves the clock of a broker with [`manual_time`](Builder::manual_time) by `span`. Deadlines on the way fire in
    /// due order, each with everything that follows from it before the next, at their own moments: an hour advanced
    /// gives the same history as an hour lived. So it takes as long as the deadlines on the way do, and centuries may hold
    /// many: a dead letter that is kept until somebody takes it is tried each `Limits::dead_letter_retry_millis`.
    ///
    /// A broker with another clock keeps its time; what is due fires.
    ///
    /// ```
    /// use std::time::Duration;
    /// use leveret::Broker;
    ///
    /// let broker = Broker::builder().manual_time().build();
    /// broker.advance(Duration::from_secs(3_600));
    /// assert_eq!(broker.now().as_millis(), 3_600_000);
    /// ```
    pub fn advance(&self, span: Duration) {
        let engine = self.engine();
        let target = engine.clock.now() + span;
        let moved = match engine.recording() {
            Some(recording) => recording.advance_to(engine, target),
            None => engine.advance_to(target),
        };
        if !moved {
            engine.drive();
        }
    }
}

impl Default for Broker {
    fn default() -> Self {
        Self::new()
    }
}
