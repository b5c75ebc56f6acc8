//! The tally: facts counted, for each queue and for the broker. It does not depend on what is remembered of messages.

use super::ledger::{DropCount, Ledger, PublishLedger, QueueLedger};
use crate::api::stats::DeadLetterStats;
use crate::base::Name;
use crate::message::Reason;
use crate::port::{Cause, Dropping, Fact, Leaving, MessageRef, Refusing, What};
use hashbrown::HashMap;
use std::collections::VecDeque;

/// What happened to messages in one queue, counted. All only count up.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub(super) entered: u64,
    /// Of those that entered, dead letters of other queues.
    pub(super) letters: u64,
    pub(super) delivered: u64,
    pub(super) acked: u64,
    pub(super) requeued: u64,
    pub(super) rejected: u64,
    pub(super) expired: u64,
    pub(super) max_length: u64,
    pub(super) delivery_limit: u64,
    pub(super) dead_lettered: u64,
    /// Of those that had entered.
    drops: Vec<(Reason, Dropping, u64)>,
    pub(super) purged: u64,
    lost_ready: u64,
    lost_unacked: u64,
    /// Of both, transient messages of a durable queue, in a restart.
    lost_transient: u64,
    pub(super) overflow: u64,
    pub(super) full: u64,
    /// Refused for other reasons.
    refused_else: u64,
    /// Of all that were refused, dead letters.
    pub(super) letters_refused: u64,
    pub(super) cut: u64,
    /// Letters that a queue with `reject-publish-dlx` refused, by what became of them.
    refused_dead_lettered: u64,
    refused_drops: Vec<(Reason, Dropping, u64)>,
}

/// One queue.
#[derive(Clone, Debug)]
pub(super) struct QueueTally {
    pub(super) queue: Name,
    pub(super) exists: bool,
    pub(super) durable: bool,
    pub(super) counts: Counts,
    /// What was counted when the queue that is there now was declared.
    pub(super) before: Counts,
}

/// Everything that was counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    queues: Vec<QueueTally>,
    places: HashMap<Name, usize>,
    /// Deleted queues, as often as they were deleted, the oldest first.
    deleted: VecDeque<Name>,
    /// Queues that are not told apart any more, and how many.
    folded: Counts,
    folded_queues: u64,
    most_deleted: usize,
    pub(super) publishes: PublishLedger,
    /// What became of dead letters, tries of those that are kept included.
    letters: DeadLetterStats,
    /// How many copies of messages were sent to queues, as publishes and as letters.
    copies: u64,
    /// The next fact that was not counted yet.
    pub(super) next: u64,
}

impl Tally {
    /// Nothing counted. So many queues that are deleted are told apart.
    pub(super) fn new(most_deleted: usize) -> Self {
        Self { most_deleted, ..Self::default() }
    }

    /// Counts a fact.
    pub(super) fn take(&mut self, fact: &Fact) {
        self.next = fact.number + 1;
        let publishes = &mut self.publishes;
        match &fact.what {
            What::Published { queues, .. } => {
                publishes.published += 1;
                publishes.to_queues += u64::from(!queues.is_empty());
                publishes.copies += queues.len() as u64;
                self.copies += queues.len() as u64;
            }
            What::DeadLettered { queues, .. } => self.copies += queues.len() as u64,
            What::Dropped { why: Dropping::NoDeadLetterExchange, .. } => self.letters.no_dead_letter_exchange += 1,
            What::Dropped { why: Dropping::NoSuchExchange, .. } => self.letters.no_such_exchange += 1,
            What::Dropped { why: Dropping::Unroutable, .. } => self.letters.unroutable += 1,
            What::Unpublished { .. } => publishes.not_published += 1,
            What::Returned => publishes.returned += 1,
            What::Unroutable => publishes.unroutable += 1,
            What::Replied { taken: true, .. } => publishes.replies += 1,
            What::Replied { taken: false, .. } => publishes.replies_dropped += 1,
            _ => {}
        }
        let Some(queue) = &fact.queue else { return };
        let at = self.place(queue);
        let Some(tally) = self.queues.get_mut(at) else { return };
        match &fact.what {
            What::QueueDeclared { durable, .. } => {
                tally.exists = true;
                tally.durable = *durable;
                tally.before = tally.counts.clone();
            }
            What::QueueDeleted { .. } => {
                tally.exists = false;
                self.deleted.push_back(queue.clone());
            }
            what => tally.counts.take(what, fact.message.as_ref()),
        }
        // What is lost with a queue is told after it was deleted, so the last one is never folded.
        while self.deleted.len() > self.most_deleted.max(1) {
            self.fold();
        }
    }

    /// Where a queue stands, which gets a place where it has none.
    fn place(&mut self, queue: &Name) -> usize {
        if let Some(at) = self.places.get(queue) {
            return *at;
        }
        let at = self.queues.len();
        let (counts, before) = (Counts::default(), Counts::default());
        self.queues.push(QueueTally { queue: queue.clone(), exists: false, durable: false, counts, before });
        self.places.insert(queue.clone(), at);
        at
    }

    /// Forgets which one the queue was that was deleted first, unless it is there again.
    fn fold(&mut self) {
        let Some(name) = self.deleted.pop_front() else { return };
        let Some(at) = self.places.get(&name).copied() else { return };
        if self.queues.get(at).is_none_or(|tally| tally.exists) || self.deleted.contains(&name) {
            return;
        }
        let tally = self.queues.remove(at);
        self.places.remove(&name);
        for (place, tally) in self.queues.iter().enumerate().skip(at) {
            self.places.insert(tally.queue.clone(), place);
        }
        self.folded.add(&tally.counts);
        self.folded_queues += 1;
    }

    /// The queues that are told apart.
    pub(super) fn queues(&self) -> &[QueueTally] {
        &self.queues
    }

    /// All queues together.
    pub(super) fn all(&self) -> Counts {
        let mut all = self.folded.clone();
        self.queues.iter().for_each(|tally| all.add(&tally.counts));
        all
    }

    /// What became of dead letters.
    pub(super) fn letters(&self) -> DeadLetterStats {
        let all = self.all();
        DeadLetterStats { arrived: all.letters, cycles: all.cut, refused: all.letters_refused, ..self.letters }
    }

    /// The ledger, without what was compared and forgotten.
    pub(super) fn ledger(&self) -> Ledger {
        let mut problems = Vec::new();
        let mut queues: Vec<_> = self.queues.iter().map(|tally| tally.ledger(&mut problems)).collect();
        queues.retain(|ledger| ledger.exists || *ledger != QueueLedger::empty(&ledger.queue, ledger.durable));
        let all = self.all();
        let mut total = all.ledger(&mut problems, "all queues");
        total.exists = true;
        let arrived = all.entered + all.refused() + all.cut;
        let on_their_way = self.copies.saturating_sub(arrived);
        let publishes = PublishLedger { on_their_way, ..self.publishes };
        let (folded_queues, dead_letters) = (self.folded_queues, self.letters());
        Ledger { queues, folded_queues, total, publishes, dead_letters, problems, ..Ledger::default() }
    }
}

impl QueueTally {
    fn ledger(&self, problems: &mut Vec<String>) -> QueueLedger {
        let ledger = self.counts.ledger(problems, &self.queue);
        QueueLedger { queue: self.queue.to_string(), exists: self.exists, durable: self.durable, ..ledger }
    }
}

impl Counts {
    fn take(&mut self, what: &What, message: Option<&MessageRef>) {
        let is_letter = message.is_some_and(|message| message.deaths().is_some());
        match what {
            What::Enqueued => {
                self.entered += 1;
                self.letters += u64::from(is_letter);
            }
            What::Delivered { .. } => self.delivered += 1,
            What::Acknowledged { .. } => self.acked += 1,
            What::Requeued { .. } => self.requeued += 1,
            What::Died { reason } => match reason {
                Reason::Rejected => self.rejected += 1,
                Reason::Expired => self.expired += 1,
                Reason::MaxLength => self.max_length += 1,
                Reason::DeliveryLimit => self.delivery_limit += 1,
            },
            What::DeadLettered { leaving: Leaving::Refused, .. } => self.refused_dead_lettered += 1,
            What::DeadLettered { leaving: Leaving::Kept, .. } | What::Dropped { leaving: Leaving::Kept, .. } => {}
            What::DeadLettered { .. } | What::Buried => self.dead_lettered += 1,
            What::Dropped { reason, why, leaving: Leaving::Refused } => {
                count(&mut self.refused_drops, *reason, *why, 1);
            }
            What::Dropped { reason, why, .. } => count(&mut self.drops, *reason, *why, 1),
            What::Purged => self.purged += 1,
            What::Lost { unacked, durable, cause } => {
                *(if *unacked { &mut self.lost_unacked } else { &mut self.lost_ready }) += 1;
                self.lost_transient += u64::from(*durable && *cause == Cause::BrokerRestarted);
            }
            What::Cut => self.cut += 1,
            What::Refused { why } => {
                self.letters_refused += u64::from(is_letter);
                match why {
                    Refusing::Overflow => self.overflow += 1,
                    Refusing::Full => self.full += 1,
                    _ => self.refused_else += 1,
                }
            }
            _ => {}
        }
    }

    /// All that died.
    fn died(&self) -> u64 {
        self.rejected + self.expired + self.max_length + self.delivery_limit
    }

    fn dropped(&self) -> u64 {
        self.drops.iter().map(|(.., count)| count).sum()
    }

    fn refused(&self) -> u64 {
        self.overflow + self.full + self.refused_else
    }

    /// What must be in the queue now, by what went in and out: ready, out and dying. Negative where something left that
    /// never came.
    pub(super) fn held(&self) -> [i128; 3] {
        let out = |count: u64| i128::from(count);
        let left_ready = self.expired + self.max_length + self.purged + self.lost_ready;
        let left_unacked = self.acked + self.requeued + self.rejected + self.delivery_limit + self.lost_unacked;
        [
            out(self.entered) + out(self.requeued) - out(self.delivered) - out(left_ready),
            out(self.delivered) - out(left_unacked),
            out(self.died()) - out(self.dead_lettered) - out(self.dropped()),
        ]
    }

    /// These counts less those of before.
    pub(super) fn since(&self, before: &Self) -> Self {
        let mut since = self.clone();
        let fields = since.fields().into_iter().zip(before.clone().fields().map(|field| *field));
        for (field, before) in fields {
            *field = field.saturating_sub(before);
        }
        for (mine, theirs) in [(&mut since.drops, &before.drops), (&mut since.refused_drops, &before.refused_drops)] {
            for (reason, why, before) in theirs {
                let known = mine.iter_mut().find(|known| (known.0, known.1) == (*reason, *why));
                known.into_iter().for_each(|known| known.2 = known.2.saturating_sub(*before));
            }
        }
        since
    }

    fn add(&mut self, other: &Self) {
        let mut other = other.clone();
        let others = other.fields().map(|field| *field);
        for (field, more) in self.fields().into_iter().zip(others) {
            *field += more;
        }
        other.drops.iter().for_each(|(reason, why, more)| count(&mut self.drops, *reason, *why, *more));
        let refused = &mut self.refused_drops;
        other.refused_drops.iter().for_each(|(reason, why, more)| count(refused, *reason, *why, *more));
    }

    fn fields(&mut self) -> [&mut u64; 20] {
        [
            &mut self.entered,
            &mut self.letters,
            &mut self.delivered,
            &mut self.acked,
            &mut self.requeued,
            &mut self.rejected,
            &mut self.expired,
            &mut self.max_length,
            &mut self.delivery_limit,
            &mut self.dead_lettered,
            &mut self.purged,
            &mut self.lost_ready,
            &mut self.lost_unacked,
            &mut self.lost_transient,
            &mut self.overflow,
            &mut self.full,
            &mut self.refused_else,
            &mut self.letters_refused,
            &mut self.cut,
            &mut self.refused_dead_lettered,
        ]
    }

    fn ledger(&self, problems: &mut Vec<String>, of: &str) -> QueueLedger {
        let [ready, unacked, dying] = self.held();
        for (count, what) in [(ready, "ready"), (unacked, "unacknowledged"), (dying, "dying")] {
            if count < 0 {
                problems.push(format!("{of}: {} more left the {what} ones than came", -count));
            }
        }
        let held = |count: i128| u64::try_from(count).unwrap_or(0);
        let drops = self.drops.iter().filter(|(.., count)| *count > 0);
        let drops = drops.map(|(reason, why, count)| DropCount { reason: *reason, why: *why, count: *count });
        QueueLedger {
            queue: of.to_owned(),
            exists: false,
            durable: false,
            entered: self.entered,
            ready: held(ready),
            unacked: held(unacked),
            dying: held(dying),
            acked: self.acked,
            dead_lettered: self.dead_lettered,
            dropped: self.dropped(),
            purged: self.purged,
            lost: self.lost_ready + self.lost_unacked,
            lost_transient: self.lost_transient,
            refused: self.refused(),
            cut: self.cut,
            drops: drops.collect(),
        }
    }
}

fn count(drops: &mut Vec<(Reason, Dropping, u64)>, reason: Reason, why: Dropping, more: u64) {
    match drops.iter_mut().find(|known| (known.0, known.1) == (reason, why)) {
        Some(known) => known.2 += more,
        None => drops.push((reason, why, more)),
    }
}
