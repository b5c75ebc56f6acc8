//! Why a wait did not end: everything that was outstanding.

use super::TestBroker;
use super::watch::Endless;
use crate::message::Envelope;
use std::fmt;
use std::time::Duration;

/// A wait that did not come to rest, and everything that was outstanding when it was given up.
///
/// Its text lists all of it, in the order in which it was handed out.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct NotSettled {
    /// Why it was given up.
    pub why: GivenUp,
    /// What was outstanding, the oldest first.
    pub outstanding: Vec<Outstanding>,
}

/// Why a wait was given up.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub enum GivenUp {
    /// Nothing came to rest for so long in real time: see [`TestBroker::set_guard`].
    Guard(Duration),
    /// A message goes round and round: see [`TestBroker::set_delivery_budget`].
    Endless {
        /// The queue it was delivered from the last time.
        queue: String,
        /// The consumer's tag; none for `get`.
        consumer: Option<String>,
        /// The message: its id, or what its body begins with.
        message: String,
        /// How often it was delivered during this wait.
        deliveries: u32,
    },
    /// Only a task can move tokio's time: see `TestBroker::on_tokio`.
    TokioTime,
    /// Deadlines never end: there was another one when the limit was reached, at this time from the broker's beginning.
    Deadline(Duration),
}

/// Something that a wait waited for.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub enum Outstanding {
    /// A delivery that nobody has settled.
    Unacked {
        /// The queue it is from.
        queue: String,
        /// The consumer's tag; none for `get`.
        consumer: Option<String>,
        /// The message: its id, or what its body begins with.
        message: String,
        /// Which attempt at it this is: 1 at first.
        attempt: u32,
        /// For how long it has been out, on the broker's clock.
        age: Duration,
        /// Whether its consumer has received it; else it still waits to be received.
        received: bool,
    },
    /// Deliveries that need no acknowledgement, and that the consumer has not received.
    Unreceived {
        /// The queue.
        queue: String,
        /// The consumer's tag.
        consumer: String,
    },
    /// A request for whose direct reply somebody waits.
    Request {
        /// The queue or key that it was sent to.
        key: String,
        /// The message: its id, or what its body begins with.
        message: String,
        /// Its correlation id, if it has one.
        correlation_id: Option<String>,
        /// For how long it has been on its way, on the broker's clock.
        age: Duration,
    },
    /// A consumer at which nobody has waited yet.
    Unattended {
        /// The queue.
        queue: String,
        /// The consumer's tag.
        consumer: String,
    },
    /// An [`activity`](TestBroker::activity) that goes on.
    Activity {
        /// Its name.
        name: String,
        /// For how long, on the broker's clock.
        age: Duration,
    },
}

impl NotSettled {
    /// Consumers at which nobody has waited.
    pub(super) fn unattended(t: &TestBroker, why: GivenUp) -> Self {
        let receivers = t.engine().receivers();
        let unattended = receivers.iter().filter(|receiver| !receiver.is_attended());
        let outstanding = unattended.map(|receiver| Outstanding::Unattended {
            queue: receiver.queue.to_string(),
            consumer: receiver.tag.to_string(),
        });
        Self { why, outstanding: outstanding.collect() }
    }

    /// What is outstanding now, and why that is no longer waited for.
    pub(super) fn new(t: &TestBroker, why: GivenUp) -> Self {
        Self { why, outstanding: outstanding(t) }
    }

    pub(super) fn endless(t: &TestBroker, endless: &Endless) -> Self {
        let why = GivenUp::Endless {
            queue: endless.queue.to_string(),
            consumer: endless.consumer.as_ref().map(ToString::to_string),
            message: label(&endless.message),
            deliveries: endless.deliveries,
        };
        Self::new(t, why)
    }
}

/// Everything that is outstanding.
pub(super) fn outstanding(t: &TestBroker) -> Vec<Outstanding> {
    let (now, shared) = (t.now(), t.shared());
    let receivers = t.engine().receivers();
    let out = shared.watch.out();
    // A consumer receives in order, so what it has not received is the last of what it has.
    let mail = |session| {
        receivers.iter().find(|receiver| receiver.session.0 == session).map_or(0, |known| known.receiving.mail)
    };
    let mut all: Vec<Outstanding> = Vec::new();
    for (at, of) in out.iter().enumerate() {
        let behind = out.iter().skip(at + 1).filter(|other| other.session == of.session).count();
        all.push(Outstanding::Unacked {
            queue: of.queue.to_string(),
            consumer: of.consumer.as_ref().map(ToString::to_string),
            message: label(&of.message),
            attempt: of.attempt,
            age: now - of.since,
            received: behind >= mail(of.session),
        });
    }
    let has_out = |session| out.iter().any(|out| out.session == session);
    let silent = receivers.iter().filter(|receiver| receiver.receiving.mail > 0 && !has_out(receiver.session.0));
    all.extend(silent.map(|receiver| Outstanding::Unreceived {
        queue: receiver.queue.to_string(),
        consumer: receiver.tag.to_string(),
    }));
    all.extend(t.pending().iter().map(|request| Outstanding::Request {
        key: request.message.routing_key().to_string(),
        message: label(&request.message),
        correlation_id: request.message.properties().correlation_id.as_ref().map(ToString::to_string),
        age: now - request.since,
    }));
    let going = shared.activities.going().into_iter();
    all.extend(going.map(|(name, since)| Outstanding::Activity { name, age: now - since }));
    all
}

/// What a message is called: its id, or what its body begins with.
pub(super) fn label(message: &Envelope) -> String {
    const SHOWN: usize = 24;
    match &message.properties().message_id {
        Some(id) => id.to_string(),
        None => {
            let text = String::from_utf8_lossy(message.body());
            let shown: String = text.chars().take(SHOWN).collect();
            format!("{shown:?}{}", if shown.len() < text.len() { "…" } else { "" })
        }
    }
}

impl fmt::Display for NotSettled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            GivenUp::Guard(guard) => write!(f, "not settled: nothing came to rest in {guard:?} of real time")?,
            GivenUp::Endless { queue, consumer, message, deliveries } => write!(
                f,
                "not settled: message {message} goes round and round, delivered {deliveries} times, the last time from \
                 '{queue}' to {}; requeue with a limit, or dead-letter it to where nobody sends it back",
                Consumer(consumer.as_deref())
            )?,
            GivenUp::TokioTime => {
                f.write_str("time not moved: only a task can move tokio's; use the asynchronous form")?
            }
            GivenUp::Deadline(at) => {
                write!(f, "not quiet: there are deadlines without end, the next one {at:?} from the beginning")?;
            }
        }
        match self.outstanding.len() {
            0 => Ok(()),
            count => write!(f, "\noutstanding ({count}):"),
        }?;
        self.outstanding.iter().try_for_each(|outstanding| write!(f, "\n  {outstanding}"))
    }
}

impl fmt::Display for Outstanding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unacked { queue, consumer, message, attempt, age, received } => {
                let state = if *received { "not settled" } else { "not received" };
                let consumer = Consumer(consumer.as_deref());
                write!(f, "queue '{queue}': {message} is out to {consumer}, {state}, attempt {attempt}, for {age:?}")
            }
            Self::Unreceived { queue, consumer } => {
                write!(f, "queue '{queue}': '{consumer}' has not received what it need not acknowledge")
            }
            Self::Request { key, message, correlation_id, age } => {
                let id = correlation_id.as_ref().map(|id| format!(" (correlation id {id})")).unwrap_or_default();
                write!(f, "request {message}{id} to '{key}' has no reply yet, for {age:?}")
            }
            Self::Unattended { queue, consumer } => {
                write!(f, "queue '{queue}': nobody has waited at '{consumer}' yet")
            }
            Self::Activity { name, age } => write!(f, "activity '{name}' goes on, for {age:?}"),
        }
    }
}

impl std::error::Error for NotSettled {}

/// A consumer by its tag, or that there was none.
struct Consumer<'a>(Option<&'a str>);

impl fmt::Display for Consumer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(tag) => write!(f, "'{tag}'"),
            None => f.write_str("get"),
        }
    }
}
