//! The recorder: a tap that remembers where every message went, within a bound.
//!
//! Facts come in one order. Each is counted (`tally.rs`) and, where it is about a message, put to that message's journey
//! (`journey.rs`, kept in `store.rs`). Counting needs no memory of messages, so the ledger (`ledger.rs`) is exact whatever
//! was forgotten; and it is compared with what the queues count themselves (`compare.rs`). Histories (`history.rs`) are
//! journeys that were asked for.

mod compare;
mod draw;
mod fate;
#[cfg(feature = "serde")]
mod form;
mod history;
mod journey;
mod ledger;
mod store;
mod table;
mod tally;
mod words;

pub use fate::Fate;
pub use history::History;
pub use journey::{Journey, Origin};
pub use ledger::{DropCount, Imbalance, Ledger, PublishLedger, QueueLedger};
pub use store::Forgotten;

use super::broker::Broker;
use crate::base::sync::atomic::{AtomicBool, Ordering};
use crate::base::sync::{Mutex, Rank};
use crate::engine::Engine;
use crate::engine::waiter::free;
use crate::port::{Fact, Tap};
use std::sync::{Arc, OnceLock, Weak};
use store::{Freed, Store};
use tally::Tally;

/// So many queues that were deleted have a line of their own in the ledger.
const DELETED_QUEUES: usize = 256;

/// How much a [`Recorder`] remembers.
///
/// Where it is too much, the message whose way ended first is forgotten first; where none has ended, the oldest. What is
/// forgotten is counted ([`Ledger::forgotten`]), and the ledger counts it as before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecorderBound {
    /// Messages, each dead letter counted as one. The default is 10,000.
    pub messages: usize,
    /// Facts. At most a quarter are of queues, consumers, exchanges and bindings, and of one message at most 256 are kept,
    /// the first and the last ones. The default is 100,000.
    pub facts: usize,
    /// Bytes of the messages' bodies and headers, which are held in memory as long as the messages are remembered. Headers
    /// count as for [`Limits::header_bytes`](crate::Limits::header_bytes). The default is 64 MiB.
    pub bytes: u64,
}

impl Default for RecorderBound {
    fn default() -> Self {
        Self { messages: 10_000, facts: 100_000, bytes: 64 << 20 }
    }
}

impl RecorderBound {
    /// The default, with so many messages.
    #[must_use]
    pub fn messages(messages: usize) -> Self {
        Self { messages, ..Self::default() }
    }
}

/// Remembers where every message of one broker went: a [`Tap`] for [`Builder::record`](crate::Builder::record).
///
/// It answers for single messages ([`history`](Recorder::history)) and for all together ([`ledger`](Recorder::ledger)), in
/// a test as in production: its memory is bounded ([`RecorderBound`]). Clones are handles to the same recorder.
///
/// ```
/// use leveret::{Broker, Fate, Message, Queue, Recorder, Topology};
///
/// let recorder = Recorder::default();
/// let broker = Broker::builder().record(recorder.clone()).build();
/// broker.declare(&Topology::new().queue(Queue::new("orders")))?;
/// broker.publish("", "orders", Message::new("{}").message_id("o-1"))?;
///
/// let history = broker.history("o-1").ok_or("it was published")?;
/// assert_eq!(history.journeys()[0].fate_in("orders"), Some(&Fate::Ready));
/// recorder.ledger().assert_closed();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Recorder {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// There is a broker that is recorded.
    claimed: AtomicBool,
    /// That broker.
    engine: OnceLock<Weak<Engine>>,
}

#[derive(Debug)]
struct State {
    store: Store,
    tally: Tally,
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new(RecorderBound::default())
    }
}

impl Recorder {
    /// A recorder that remembers no more than this.
    #[must_use]
    pub fn new(bound: RecorderBound) -> Self {
        let state = State { store: Store::new(bound), tally: Tally::new(DELETED_QUEUES) };
        let state = Mutex::new(Rank::Leaf, state);
        Self { shared: Arc::new(Shared { state, claimed: AtomicBool::new(false), engine: OnceLock::new() }) }
    }

    /// What became of the messages with this message id, across all their deaths. `None` where none is remembered.
    #[must_use]
    pub fn history(&self, message_id: &str) -> Option<History> {
        let about = format!("message id '{message_id}'");
        self.history_about(about, |journey| journey.message_id() == Some(message_id))
    }

    /// What became of all messages with this correlation id. `None` where none is remembered.
    #[must_use]
    pub fn conversation(&self, correlation_id: &str) -> Option<History> {
        let about = format!("correlation id '{correlation_id}'");
        self.history_about(about, |journey| journey.correlation_id() == Some(correlation_id))
    }

    /// What became of the messages that are wanted. `None` where none is remembered.
    pub fn history_where(&self, wanted: impl FnMut(&Journey) -> bool) -> Option<History> {
        self.history_about("some messages".to_owned(), wanted)
    }

    fn history_about(&self, about: String, mut wanted: impl FnMut(&Journey) -> bool) -> Option<History> {
        let journeys = self.journeys().into_iter().filter(|journey| wanted(journey)).collect();
        History::of(about, journeys)
    }

    /// The journeys of all messages that are remembered, in the order in which they began.
    #[must_use]
    pub fn journeys(&self) -> Vec<Journey> {
        self.catch_up();
        self.shared.state.lock().store.journeys()
    }

    /// All facts that are remembered, in their order.
    #[must_use]
    pub fn facts(&self) -> Vec<Fact> {
        self.catch_up();
        let (journeys, mut facts) = {
            let state = self.shared.state.lock();
            (state.store.journeys(), state.store.apart())
        };
        facts.extend(journeys.iter().flat_map(Journey::facts).cloned());
        facts.sort_by_key(|fact| fact.number);
        facts
    }

    /// Where everything went, in numbers; compared with what the queues count, unless other threads use the broker or it
    /// is gone.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        let mut tally = || {
            self.catch_up();
            self.shared.state.lock().tally.clone()
        };
        let engine = self.engine();
        let compared = engine.and_then(|engine| compare::compare(&engine, &mut tally));
        let mut ledger = match compared {
            Some((tally, differences)) => {
                let mut ledger = tally.ledger();
                ledger.problems.extend(differences);
                ledger.compared = true;
                ledger
            }
            None => tally().ledger(),
        };
        ledger.forgotten = self.shared.state.lock().store.forgotten;
        ledger
    }

    /// Takes it for a broker. False where it has one already.
    pub(super) fn claim(&self) -> bool {
        !self.shared.claimed.swap(true, Ordering::AcqRel)
    }

    /// Ties it to its broker.
    pub(super) fn attach(&self, engine: &Arc<Engine>) {
        let _first = self.shared.engine.set(Arc::downgrade(engine));
    }

    fn engine(&self) -> Option<Arc<Engine>> {
        self.shared.engine.get()?.upgrade()
    }

    /// Has everything that was caused so far, by other threads too.
    fn catch_up(&self) {
        if let Some(ear) = self.engine().and_then(|engine| engine.ear.clone()) {
            ear.catch_up();
        }
    }
}

impl Tap for Recorder {
    fn saw(&self, facts: &[Fact]) {
        let mut freed = Freed::default();
        {
            let mut state = self.shared.state.lock();
            let State { store, tally } = &mut *state;
            for fact in facts {
                tally.take(fact);
                store.take(fact, &mut freed);
            }
        }
        free(freed);
    }
}

impl Broker {
    /// What became of the messages with this message id, where the broker has a [`Recorder`]
    /// ([`Builder::record`](crate::Builder::record)): published, routed, delivered to whom, settled how, dead-lettered,
    /// dropped and why. `None` without one, or where none is remembered.
    #[must_use]
    pub fn history(&self, message_id: &str) -> Option<History> {
        self.recorder()?.history(message_id)
    }
}
