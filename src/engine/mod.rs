//! Floor 4, the engine: the only place with locks, wakers and (where asked for) a thread.
//!
//! It introduces the machines to each other. The rules of this folder:
//!
//! - A queue is used through [`cell::QueueCell::act`] only; what an act leaves to do goes through [`Engine::finish`].
//! - Never two queues' locks at once, and locks in the order of their ranks (`base/sync.rs`).
//! - Nobody is woken and no message is freed under a lock: wakers and the owners of bodies are foreign code.
//! - Time is read once per act, and only if the queue needs it.
//!
//! The walk of a message: `publish.rs` routes it and offers it to each target's cell; `cell.rs` locks, lets the machine
//! decide, puts deliveries into sinks; `settle.rs` brings settlements back; `cascade.rs` carries the dead;
//! `deadlines.rs` and `drive.rs` make time pass; `topology*.rs` declare, bind and delete; `explain.rs` only looks.

mod acks;
mod alarms;
mod cascade;
pub(crate) mod cell;
mod deadlines;
mod drive;
mod error;
mod explain;
pub(crate) mod facts;
#[cfg(feature = "testing")]
pub(crate) mod faults;
#[cfg(feature = "testing")]
mod faulty;
mod fits;
#[cfg(feature = "testing")]
mod injecting;
#[cfg(leveret_loom)]
#[path = "../../tests/interleavings/inside.rs"]
pub mod inside;
mod listening;
pub(crate) mod mailbox;
#[cfg(feature = "testing")]
pub(crate) mod motion;
mod policies;
pub(crate) mod proxy;
mod publish;
mod quiet;
#[cfg_attr(not(feature = "serde"), path = "recording_off.rs")]
pub(crate) mod recording;
mod remove;
pub(crate) mod replies;
mod request;
#[cfg(feature = "testing")]
mod restart;
mod settle;
pub(crate) mod sink;
mod topology_bindings;
mod topology_exchanges;
mod topology_queues;
#[cfg(test)]
mod topology_tests;
mod wait;
pub(crate) mod waiter;
mod work;

pub(crate) use cascade::LetterCounts;
pub use error::TopologyError;
pub(crate) use explain::{LetterTold, NoWay};
pub(crate) use fits::{check_arguments, stripped};
pub(crate) use policies::Policies;
pub(crate) use publish::{Cells, NoRoute, Outcome, PublishCounts, Route};
#[cfg(feature = "serde")]
pub use recording::TraceLog;
pub(crate) use recording::{Recording, With, Witness};
pub use request::{
    ExchangeBinding, ExchangeDeclare, ExchangeDelete, QueueBinding, QueueDeclare, QueueDeclared, QueueDelete,
};
pub(crate) use settle::{GetMode, Got};
pub(crate) use topology_bindings::{Asked, End};
pub(crate) use topology_exchanges::exchange_differences;
pub(crate) use topology_queues::check_queue_name;
pub(crate) use work::Work;

use crate::base::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use crate::base::sync::{Mutex, Rank, RwLock, Writing};
use crate::base::{Limits, Moment, QueueId, SessionId};
use crate::message::Envelope;
use crate::port::{Cause, Clock, ManualClock};
use crate::queue::{QueueState, Settings};
use crate::route::{Graph, Scratch};
use alarms::Alarms;
use cell::{Letter, QueueCell};
use deadlines::Deadlines;
use drive::Driver;
use facts::Ear;
use replies::Replies;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use waiter::{Deferred, WaitList};

/// Everything that is shared by the handles of one broker.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) limits: Limits,
    pub(crate) clock: Arc<dyn Clock>,
    /// The clock again, where it is one that the broker moves.
    pub(crate) manual: Option<ManualClock>,
    /// Where everything is written down, if it is.
    pub(crate) recording: Option<Arc<Recording>>,
    pub(crate) topology: RwLock<Topology>,
    pub(crate) deadlines: Deadlines,
    pub(crate) alarms: Alarms,
    pub(crate) letters: LetterCounts,
    pub(crate) publishes: PublishCounts,
    pub(crate) replies: Replies,
    /// Whoever listens.
    pub(crate) ear: Option<Arc<Ear>>,
    /// What goes wrong, for tests.
    #[cfg(feature = "testing")]
    pub(crate) faults: Arc<faults::Faults>,
    driver: Driver,
    backlog: Mutex<VecDeque<Letter>>,
    backlog_length: AtomicUsize,
    scratches: Mutex<Vec<Scratch>>,
    sessions: AtomicU64,
    names: AtomicU64,
    /// Those who wait until nothing is out.
    resting: Mutex<WaitList>,
    phase: AtomicU8,
}

/// The phases of a broker; it only goes forward.
struct Phase;

impl Phase {
    const OPEN: u8 = 0;
    /// Coming to rest: no publish, no delivery.
    const STOPPED: u8 = 1;
    const CLOSED: u8 = 2;
}

/// Exchanges, queues and policies: what declares change and publishes read.
#[derive(Debug)]
pub(crate) struct Topology {
    /// Exchanges, bindings and queue names.
    pub(crate) graph: Graph,
    /// Queues by their slot.
    pub(crate) queues: Vec<Option<Arc<QueueCell>>>,
    /// Slots of deleted queues.
    pub(crate) free: Vec<u32>,
    /// Counts the queues declared.
    pub(crate) declared: u64,
    /// Policies.
    pub(crate) policies: Policies,
    /// The settings of the queue that was declared last.
    pub(crate) settings: Arc<Settings>,
}

impl Topology {
    /// The queue of this name.
    pub(crate) fn queue(&self, name: &str) -> Option<&Arc<QueueCell>> {
        self.cell(self.graph.queue(name)?)
    }

    /// The queue in this slot.
    pub(crate) fn cell(&self, queue: QueueId) -> Option<&Arc<QueueCell>> {
        self.queues.get(queue.0 as usize)?.as_ref()
    }
}

impl Engine {
    /// An engine without queues. `threaded` lets it start a thread at the first deadline.
    pub(crate) fn new(
        limits: Limits,
        clock: Arc<dyn Clock>,
        manual: Option<ManualClock>,
        threaded: bool,
        ear: Option<Arc<Ear>>,
        recording: Option<Arc<Recording>>,
    ) -> Arc<Self> {
        let topology = Topology {
            graph: Graph::new(),
            queues: Vec::new(),
            free: Vec::new(),
            declared: 0,
            policies: Policies::default(),
            settings: Arc::default(),
        };
        Arc::new_cyclic(|engine| Self {
            limits,
            clock,
            manual,
            recording,
            topology: RwLock::new(Rank::Topology, topology),
            deadlines: Deadlines::new(),
            alarms: Alarms::new(),
            letters: LetterCounts::default(),
            publishes: PublishCounts::default(),
            replies: Replies::new(),
            ear,
            #[cfg(feature = "testing")]
            faults: Arc::new(faults::Faults::new()),
            driver: Driver::new(threaded.then(|| engine.clone())),
            backlog: Mutex::new(Rank::Leaf, VecDeque::new()),
            backlog_length: AtomicUsize::new(0),
            scratches: Mutex::new(Rank::Leaf, Vec::new()),
            sessions: AtomicU64::new(1),
            names: AtomicU64::new(1),
            resting: Mutex::new(Rank::Leaf, WaitList::default()),
            phase: AtomicU8::new(Phase::OPEN),
        })
    }

    /// The recording of this broker, if there is one.
    #[inline(always)]
    pub(crate) fn recording(&self) -> Option<&Recording> {
        self.recording.as_deref()
    }

    /// The moment it is to whoever waits. The machines of a recorded broker live a little behind it.
    pub(crate) fn now(&self) -> Moment {
        self.wall().now()
    }

    /// The clock by which waiting is done.
    pub(crate) fn wall(&self) -> &dyn Clock {
        &**self.recording().and_then(Recording::real).unwrap_or(&self.clock)
    }

    /// Does something that is no client's operation but may lead to deliveries: in turn, where that is recorded.
    #[inline]
    pub(crate) fn aside<T>(&self, work: impl FnOnce() -> T) -> T {
        match self.recording() {
            Some(recording) => recording.aside(self, work),
            None => work(),
        }
    }

    /// A session that nobody else has: for a connection, a channel or a plain consumer.
    pub(crate) fn next_session(&self) -> SessionId {
        SessionId(self.sessions.fetch_add(1, Ordering::Relaxed))
    }

    /// A number for a generated name.
    pub(crate) fn next_name(&self) -> u64 {
        self.names.fetch_add(1, Ordering::Relaxed)
    }

    /// The topology, to be changed.
    pub(crate) fn changing(&self) -> Result<Writing<'_, Topology>, TopologyError> {
        let topology = self.topology.write();
        if self.is_closed() { Err(TopologyError::Closed) } else { Ok(topology) }
    }

    /// The moment, if the queue needs to know it for this.
    pub(crate) fn now_for(&self, state: &QueueState, envelope: Option<&Envelope>) -> Moment {
        if state.wants_clock(envelope) { self.clock.now() } else { Moment::ZERO }
    }

    /// Whether the broker was shut down.
    pub(crate) fn is_closed(&self) -> bool {
        self.phase.load(Ordering::Acquire) == Phase::CLOSED
    }

    /// Shuts down: every queue is closed, which ends its consumers and wakes whoever waits.
    pub(crate) fn shut_down(&self) {
        if self.phase.swap(Phase::CLOSED, Ordering::AcqRel) == Phase::CLOSED {
            return;
        }
        // Whatever foreign code does, the rest is done first.
        let _deferred = Deferred::begin();
        let mut work = Work::default();
        // All are closed before foreign code runs, and before anybody else sees the topology: whoever finds the deadline of a
        // queue finds the queue, or comes after this. Without it he would look for it again and again.
        let cells: Vec<_> = {
            let mut topology = self.topology.write();
            topology.graph = Graph::new();
            topology.policies.clear();
            let cells: Vec<_> = std::mem::take(&mut topology.queues).into_iter().flatten().collect();
            for cell in &cells {
                let closed = cell.close(self, &mut work, Cause::BrokerStopped, |_| Ok::<(), Infallible>(()));
                debug_assert!(closed.is_ok());
                self.deadlines.set(cell.id, Moment::MAX);
            }
            cells
        };
        self.finish(work);
        drop(cells);
        // What was on its way goes nowhere any more, which is told of each.
        while self.work_off_backlog() {}
        self.stir();
        self.driver.stop();
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.driver.stop();
    }
}
