//! Consumers of a quorum queue: who may take the next message.
//!
//! Each has a credit: its prefetch, less what it has out. Whoever has credit stands in turn once; whoever is served and
//! has credit left goes to the end of its priority; whoever gets credit back comes in at the end. A cancelled consumer
//! stays, without credit, until its last message is settled.
//!
//! With a single active consumer the others wait. A waiting one of strictly higher priority takes over: at once where
//! the active one has nothing out, else the active one *fades*, gets nothing more, and goes to wait when its last
//! message is settled.

use crate::base::{Name, SessionId};
use crate::queue::effect::{ConsumerId, ConsumerSpec};
use crate::queue::turns::Turns;
use std::num::NonZeroU64;

/// What RabbitMQ lets a consumer without prefetch have out.
const UNLIMITED: u32 = 2_000;

/// The consumers of a queue. Invariants: the list is in the order in which they came, and so of their serials; whoever
/// is `queued` stands in turn once; `cancelled` counts those that are.
#[derive(Debug, Default)]
pub(crate) struct Consumers {
    list: Vec<Consumer>,
    /// How many of them are cancelled.
    cancelled: usize,
    free: Vec<u32>,
    next_slot: u32,
    /// How many there ever were.
    serials: u64,
    turns: Turns,
    single_active: bool,
}

/// One consumer.
#[derive(Debug)]
struct Consumer {
    id: ConsumerId,
    spec: ConsumerSpec,
    prefetch: u32,
    credit: u32,
    out: u32,
    state: State,
    /// Whether it stands in turn.
    queued: bool,
}

/// Whether a consumer is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Up,
    /// Cancelled, with messages out.
    Cancelled,
    /// Active, and to be replaced when its last message is settled.
    Fading,
    /// Not the single active one.
    Waiting,
}

impl Consumers {
    /// No consumers.
    pub(crate) fn new(single_active: bool) -> Self {
        Self { single_active, ..Self::default() }
    }

    /// How many, as `queue.declare-ok` counts them: cancelled ones with messages out count, waiting ones do not.
    pub(crate) fn counted(&self) -> usize {
        self.list.iter().filter(|consumer| consumer.state != State::Waiting).count()
    }

    /// How many there are, waiting ones included and cancelled ones not.
    pub(crate) fn len(&self) -> usize {
        self.list.len() - self.cancelled
    }

    /// Whether one was cancelled and has messages out.
    pub(crate) fn has_cancelled(&self) -> bool {
        self.cancelled > 0
    }

    /// Whether there are none at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Lets a consumer in. One that was cancelled and has messages out comes to life under the same tag.
    pub(crate) fn insert(&mut self, spec: ConsumerSpec) -> ConsumerId {
        let prefetch = if spec.prefetch == 0 { UNLIMITED } else { spec.prefetch };
        let revived =
            |c: &&mut Consumer| c.state == State::Cancelled && c.spec.session == spec.session && c.spec.tag == spec.tag;
        let state = if self.single_active { State::Waiting } else { State::Up };
        let id = match self.list.iter_mut().find(revived) {
            Some(consumer) => {
                self.cancelled -= 1;
                consumer.spec = spec;
                consumer.prefetch = prefetch;
                consumer.credit = prefetch.saturating_sub(consumer.out);
                consumer.state = state;
                consumer.id
            }
            None => {
                let slot = self.free.pop().unwrap_or_else(|| {
                    self.next_slot += 1;
                    self.next_slot - 1
                });
                let serial = NonZeroU64::MIN.saturating_add(self.serials);
                self.serials += 1;
                let id = ConsumerId { slot, serial };
                let (credit, out, queued) = (prefetch, 0, false);
                self.list.push(Consumer { id, spec, prefetch, credit, out, state, queued });
                id
            }
        };
        self.enqueue(id);
        self.activate();
        id
    }

    /// Cancels a consumer. One with messages out stays until they are settled.
    pub(crate) fn cancel(&mut self, id: ConsumerId) -> bool {
        let Some(consumer) = self.get_mut(id).filter(|consumer| consumer.state != State::Cancelled) else {
            return false;
        };
        consumer.state = State::Cancelled;
        consumer.credit = 0;
        let is_done = consumer.out == 0;
        self.cancelled += 1;
        if is_done {
            self.forget(id);
        }
        self.activate();
        true
    }

    /// Forgets a consumer at once, whatever it has out.
    pub(crate) fn forget(&mut self, id: ConsumerId) {
        self.turns.remove(id);
        if let Some(at) = self.position(id) {
            let consumer = self.list.remove(at);
            self.cancelled -= usize::from(consumer.state == State::Cancelled);
            self.free.push(id.slot);
        }
    }

    /// All, in the order in which they came.
    #[cfg(feature = "testing")]
    pub(crate) fn ids(&self) -> Vec<ConsumerId> {
        self.list.iter().map(|consumer| consumer.id).collect()
    }

    /// The sessions of all.
    #[cfg(feature = "testing")]
    pub(crate) fn sessions(&self) -> impl Iterator<Item = SessionId> {
        self.list.iter().map(|consumer| consumer.spec.session)
    }

    /// The consumers of a session, in the order in which they came.
    pub(crate) fn of_session(&self, session: SessionId) -> Vec<ConsumerId> {
        self.list.iter().filter(|consumer| consumer.spec.session == session).map(|consumer| consumer.id).collect()
    }

    /// All that are not cancelled and their sessions, in the order of their tags: in which they are told that the queue
    /// is gone.
    pub(crate) fn all(&self) -> Vec<(ConsumerId, SessionId)> {
        let mut live: Vec<_> = self.list.iter().filter(|consumer| consumer.state != State::Cancelled).collect();
        live.sort_by(|a, b| a.spec.tag.cmp(&b.spec.tag));
        live.iter().map(|consumer| (consumer.id, consumer.spec.session)).collect()
    }

    /// Whoever takes the next message; it is counted. `None` where nobody has credit.
    pub(crate) fn serve(&mut self) -> Option<Served> {
        while let Some(id) = self.turns.pop() {
            let Some(consumer) = self.get_mut(id) else { continue };
            consumer.queued = false;
            if consumer.credit == 0 || consumer.state != State::Up || consumer.spec.credit.is_window_full() {
                continue;
            }
            consumer.spec.credit.enter_window();
            let served = Served { id, session: consumer.spec.session, no_ack: consumer.spec.no_ack };
            consumer.credit -= 1;
            consumer.out += 1;
            self.enqueue(id);
            return Some(served);
        }
        None
    }

    /// The tag of whoever `serve` would choose. Changes nothing.
    pub(crate) fn next_served(&self) -> Option<&Name> {
        let takes = |consumer: &&Consumer| {
            consumer.credit > 0 && consumer.state == State::Up && !consumer.spec.credit.is_window_full()
        };
        let in_turn = self.turns.iter().filter_map(|id| self.list.get(self.position(id)?));
        in_turn.filter(takes).map(|consumer| &consumer.spec.tag).next()
    }

    /// Counts `count` deliveries as settled and gives the credit back. `activates` says whether a settlement of this
    /// kind lets a waiting consumer become active. True where the consumer was cancelled and has now gone.
    pub(crate) fn settled(&mut self, id: ConsumerId, count: u32, activates: bool) -> bool {
        let Some(consumer) = self.get_mut(id) else { return false };
        consumer.out = consumer.out.saturating_sub(count);
        let has_gone = consumer.state == State::Cancelled && consumer.out == 0;
        match consumer.state {
            State::Cancelled if has_gone => self.forget(id),
            State::Cancelled => {}
            State::Up | State::Fading | State::Waiting => {
                consumer.credit = consumer.credit.saturating_add(count).min(consumer.prefetch);
                if consumer.state == State::Fading && consumer.out == 0 {
                    consumer.state = State::Waiting;
                }
                self.enqueue(id);
            }
        }
        if activates {
            self.activate();
        }
        has_gone
    }

    /// The session's shared credit has room again.
    pub(crate) fn resume(&mut self, session: SessionId) {
        for id in self.of_session(session) {
            self.enqueue(id);
        }
    }

    /// Puts a consumer in turn where it may be served and does not stand there.
    fn enqueue(&mut self, id: ConsumerId) {
        let Some(consumer) = self.get_mut(id) else { return };
        if consumer.state == State::Up && consumer.credit > 0 && !consumer.queued {
            consumer.queued = true;
            let priority = consumer.spec.priority;
            self.turns.push(priority, id);
        }
    }

    /// Makes the best waiting consumer the active one, where there is none or it outranks it.
    pub(crate) fn activate(&mut self) {
        if !self.single_active {
            return;
        }
        let best = |a: &&Consumer, b: &&Consumer| {
            let rank = |c: &Consumer| (c.spec.priority, c.credit);
            rank(a).cmp(&rank(b)).then(b.id.serial.cmp(&a.id.serial))
        };
        let waiting = self.list.iter().filter(|consumer| consumer.state == State::Waiting).max_by(best);
        let Some((next, priority)) = waiting.map(|consumer| (consumer.id, consumer.spec.priority)) else { return };
        let is_active = |consumer: &&mut Consumer| matches!(consumer.state, State::Up | State::Fading);
        if let Some(active) = self.list.iter_mut().find(is_active) {
            if priority <= active.spec.priority {
                return;
            }
            if active.out > 0 {
                active.state = State::Fading;
                return;
            }
            active.state = State::Waiting;
            active.queued = false;
            let old = active.id;
            self.turns.remove(old);
        }
        if let Some(consumer) = self.get_mut(next) {
            consumer.state = State::Up;
        }
        self.enqueue(next);
    }

    /// Its place in the list, which is in the order of serials.
    fn position(&self, id: ConsumerId) -> Option<usize> {
        self.list.binary_search_by_key(&id.serial, |consumer| consumer.id.serial).ok()
    }

    fn get_mut(&mut self, id: ConsumerId) -> Option<&mut Consumer> {
        let at = self.position(id)?;
        self.list.get_mut(at)
    }

    /// What is wrong, if anything is.
    pub(crate) fn check(&self, out: impl Fn(ConsumerId) -> usize, waiting: bool) -> Result<(), String> {
        if self.cancelled != self.list.iter().filter(|consumer| consumer.state == State::Cancelled).count() {
            return Err(format!("{} are counted as cancelled", self.cancelled));
        }
        for consumer in &self.list {
            let id = consumer.id;
            if consumer.out as usize != out(id) {
                return Err(format!("consumer {id:?} counts {} out, has {}", consumer.out, out(id)));
            }
            // With what is out it may be more: one that came to life with a smaller prefetch gets credit for old ones.
            if consumer.credit > consumer.prefetch {
                return Err(format!("consumer {id:?} has more credit than its prefetch"));
            }
            let turns = self.turns.iter().filter(|turn| *turn == id).count();
            if turns != usize::from(consumer.queued) {
                return Err(format!("consumer {id:?} stands {turns} times in turn"));
            }
            // One whose window was full is not in turn; it comes back when it is resumed.
            if waiting && consumer.queued {
                return Err(format!("a message waits while consumer {id:?} stands in turn"));
            }
        }
        Ok(())
    }
}

/// Who was served.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Served {
    /// Which consumer.
    pub(crate) id: ConsumerId,
    /// Whose it is.
    pub(crate) session: SessionId,
    /// Whether no acknowledgement is due.
    pub(crate) no_ack: bool,
}
