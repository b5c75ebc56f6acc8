//! The ledger: where every message went, in numbers that must add up.

use super::store::Forgotten;
use super::table::write_table;
use super::words;
use crate::api::stats::DeadLetterStats;
use crate::message::Reason;
use crate::port::Dropping;
use std::fmt;

/// Where everything went: for each queue, and in all.
///
/// In each line, what entered is what is there (ready, out, dying) and what left: acknowledged, dead-lettered, dropped,
/// purged, lost with the queue. Every copy of a message that was sent to a queue entered it, was refused, or was cut. It
/// counts facts, also of messages whose journeys were forgotten, and was compared with what the queues count themselves.
///
/// ```
/// use leveret::{Broker, Message, Queue, Recorder, Topology};
///
/// let recorder = Recorder::default();
/// let broker = Broker::builder().record(recorder.clone()).build();
/// broker.declare(&Topology::new().queue(Queue::new("orders")))?;
/// broker.publish("", "orders", Message::new("one"))?;
/// broker.publish("", "odrers", Message::new("two"))?;
/// broker.get("orders")?.ok_or("one is ready")?.reject();
///
/// let ledger = recorder.ledger();
/// ledger.assert_closed();
/// assert_eq!((ledger.publishes.published, ledger.publishes.unroutable), (2, 1));
/// assert_eq!((ledger.total.entered, ledger.total.dropped), (1, 1));
/// println!("{ledger}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Ledger {
    /// What became of publishes.
    pub publishes: PublishLedger,
    /// Each queue, in the order in which they were first declared; deleted ones too, where a message ever came there.
    pub queues: Vec<QueueLedger>,
    /// How many queues that were deleted long ago are in the total only.
    pub folded_queues: u64,
    /// All queues together.
    pub total: QueueLedger,
    /// What became of the dead, each try counted.
    pub dead_letters: DeadLetterStats,
    /// Of which messages no history is left.
    pub forgotten: Forgotten,
    /// Whether it was compared with the queues' own counts. It cannot be while other threads use the broker.
    pub compared: bool,
    /// What does not add up.
    pub problems: Vec<String>,
}

/// What became of a broker's publishes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PublishLedger {
    /// Messages published.
    pub published: u64,
    /// Of those, messages that were sent to at least one queue.
    pub to_queues: u64,
    /// Of those, messages that no queue was bound for and that went back to their publisher.
    pub returned: u64,
    /// Of those, messages that no queue was bound for and that are gone.
    pub unroutable: u64,
    /// Direct replies handed over.
    pub replies: u64,
    /// Direct replies dropped, since their receivers had no room.
    pub replies_dropped: u64,
    /// Messages that were not published, for want of the exchange.
    pub not_published: u64,
    /// How many copies were sent to queues: one for each queue of each message.
    pub copies: u64,
    /// How many copies, of publishes and of dead letters, have not come to their queues yet. None while nobody publishes.
    pub on_their_way: u64,
}

/// What became of the messages of one queue, since it was first declared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct QueueLedger {
    /// The queue's name.
    pub queue: String,
    /// Whether it is there now.
    pub exists: bool,
    /// Whether it is, or was, durable.
    pub durable: bool,
    /// Messages that came in, dead letters included: the sum of ready, out, dying, acknowledged, dead-lettered, dropped, purged and lost.
    pub entered: u64,
    /// Messages that are ready.
    pub ready: u64,
    /// Messages that are out.
    pub unacked: u64,
    /// Messages that died and have not gone on yet, or are kept until they have arrived.
    pub dying: u64,
    /// Messages acknowledged.
    pub acked: u64,
    /// Messages that died and went on as dead letters.
    pub dead_lettered: u64,
    /// Messages that died and did not go on.
    pub dropped: u64,
    /// Messages purged.
    pub purged: u64,
    /// Messages that went with the queue, or were lost from it in a restart.
    pub lost: u64,
    /// Of those lost, messages that were not persistent, in a durable queue, when the broker restarted.
    pub lost_transient: u64,
    /// Messages that the queue did not take.
    pub refused: u64,
    /// Dead letters that the queue was not given, since they would go round for ever.
    pub cut: u64,
    /// Those dropped, by why.
    pub drops: Vec<DropCount>,
}

/// How many messages of a queue were dropped for one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct DropCount {
    /// Why they died.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::form::as_text"))]
    pub reason: Reason,
    /// Why they did not go on.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::form::as_text"))]
    pub why: Dropping,
    /// How many.
    pub count: u64,
}

/// A ledger that does not close: what does not add up, and the whole table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imbalance {
    ledger: Box<Ledger>,
    problems: Vec<String>,
}

impl Ledger {
    /// Checks that everything adds up: nothing left a place where it never was, every copy came somewhere, and the queues
    /// count the same.
    ///
    /// # Errors
    ///
    /// [`Imbalance`], which shows what does not and the table.
    pub fn check(&self) -> Result<(), Imbalance> {
        let mut problems = self.problems.clone();
        let copies = self.publishes.on_their_way;
        if self.compared && copies > 0 {
            problems.push(format!("{copies} copies were sent to queues and came nowhere"));
        }
        for line in self.queues.iter().chain([&self.total]) {
            if line.entered != line.sum() {
                problems.push(format!("{}: {} entered, {} are accounted for", line.queue, line.entered, line.sum()));
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(Imbalance { ledger: Box::new(self.clone()), problems }) }
    }

    /// Panics where it does not close, with the table: for tests.
    ///
    /// # Panics
    ///
    /// Where [`Ledger::check`] has an error.
    #[track_caller]
    pub fn assert_closed(&self) {
        let checked = self.check();
        assert!(checked.is_ok(), "{}", checked.err().map(|imbalance| imbalance.to_string()).unwrap_or_default());
    }

    /// The line of one queue, if it is told apart.
    #[must_use]
    pub fn queue(&self, name: &str) -> Option<&QueueLedger> {
        self.queues.iter().find(|line| line.queue == name)
    }

    /// What was lost and why, in words, a line for each cause. Empty where nothing was.
    #[must_use]
    pub fn losses(&self) -> Vec<String> {
        words::of_ledger(self)
    }
}

impl QueueLedger {
    /// A queue in which nothing ever happened.
    pub(super) fn empty(queue: &str, durable: bool) -> Self {
        Self { queue: queue.to_owned(), durable, ..Self::default() }
    }

    /// What is accounted for of what entered.
    fn sum(&self) -> u64 {
        let Self { ready, unacked, dying, acked, dead_lettered, dropped, purged, lost, .. } = self;
        ready + unacked + dying + acked + dead_lettered + dropped + purged + lost
    }

    fn cells(&self) -> Vec<String> {
        let name = if self.exists { self.queue.clone() } else { format!("{} (deleted)", self.queue) };
        let counts = [
            self.entered,
            self.ready,
            self.unacked,
            self.dying,
            self.acked,
            self.dead_lettered,
            self.dropped,
            self.purged,
            self.lost,
            self.refused,
            self.cut,
        ];
        std::iter::once(name).chain(counts.map(|count| count.to_string())).collect()
    }
}

/// The columns, as `QueueLedger::cells` fills them.
const COLUMNS: [&str; 12] = [
    "queue",
    "entered",
    "ready",
    "unacked",
    "dying",
    "acked",
    "dead-lettered",
    "dropped",
    "purged",
    "lost",
    "refused",
    "cut",
];

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PublishLedger { published, to_queues, returned, unroutable, replies, copies, .. } = self.publishes;
        writeln!(
            f,
            "published {published}: {to_queues} to queues ({copies} copies), {returned} returned, \
             {unroutable} unroutable, {replies} direct replies"
        )?;
        let lines = self.queues.iter().chain([&self.total]);
        write_table(f, &COLUMNS, lines.map(QueueLedger::cells))?;
        for loss in self.losses() {
            writeln!(f, "lost: {loss}")?;
        }
        let Forgotten { finished, unfinished, .. } = self.forgotten;
        if finished + unfinished > 0 {
            writeln!(f, "counted without a history: {finished} finished, {unfinished} unfinished")?;
        }
        Ok(())
    }
}

impl fmt::Display for Imbalance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the ledger does not close:")?;
        self.problems.iter().try_for_each(|problem| writeln!(f, "- {problem}"))?;
        self.ledger.fmt(f)
    }
}

impl std::error::Error for Imbalance {}
