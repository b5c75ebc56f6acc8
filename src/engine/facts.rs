//! Facts: how what happens comes to a tap.
//!
//! Facts are noted into one list, whose lock is a leaf: it is taken under the lock of the queue that a fact is about, so
//! the list has facts of one queue in their order, and the place in the list is the fact's number. The tap is foreign code,
//! so it is called when the thread holds no lock ([`Ear::tell`], at the end of every act, or where the thread is
//! [`Deferred`](super::waiter::Deferred), at the end of that). One thread calls it at a time. Who finds another one there,
//! or himself, leaves his facts to it; but with very many of them he waits, so that a slow tap slows the broker down
//! instead of filling the memory.
//!
//! A queue has an ear of its own (`listening.rs`), through which its facts come here.

use super::cell::QueueCell;
use super::waiter::{Deferred, Me, WaitList, Waiter, block_until, contained, tell_later, wake_all};
use super::{Engine, NoRoute};
use crate::base::sync::{Mutex, Rank};
use crate::base::{Name, SessionId};
use crate::message::SharedEnvelope;
use crate::port::{Clock, Fact, MessageRef, Refusing, Tap, What};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

/// So many facts may be on their way to the tap before those who cause more wait for it.
const ON_THEIR_WAY: usize = 65_536;

/// Whoever listens to a broker, and what was not told yet.
#[derive(Debug)]
pub(crate) struct Ear {
    taps: Vec<Arc<dyn Tap>>,
    clock: Arc<dyn Clock>,
    list: Mutex<List>,
}

/// Facts that are on their way.
#[derive(Debug, Default)]
struct List {
    facts: Vec<Fact>,
    /// The number of the next one.
    next: u64,
    /// All before this number were told.
    told: u64,
    /// Who is telling.
    teller: Option<Me>,
    /// Those who wait for that.
    waiting: WaitList,
}

/// What somebody finds who wants to tell.
enum Turn<'a> {
    /// He tells these.
    Mine(Telling<'a>, Vec<Fact>),
    /// Nothing is to be told, or another one does it, or he himself further down.
    None,
    /// Another one does it, and has very much to tell.
    Wait,
}

/// A thread that tells; when it is dropped, another one may.
struct Telling<'a> {
    ear: &'a Ear,
    until: u64,
}

impl Ear {
    /// For these taps, on this clock.
    pub(crate) fn new(taps: Vec<Arc<dyn Tap>>, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { taps, clock, list: Mutex::new(Rank::Leaf, List::default()) })
    }

    /// Something happened.
    pub(crate) fn note(&self, queue: Option<&Name>, envelope: Option<&SharedEnvelope>, what: What) {
        let (queue, message) = (queue.cloned(), envelope.map(MessageRef::new));
        let mut list = self.list.lock();
        // Read under the lock, so that time does not go back from one fact to the next.
        let at = self.clock.now();
        let number = list.next;
        list.next += 1;
        list.facts.push(Fact::new(number, at, queue, message, what));
    }

    /// Hands over what was noted: now, or where this thread may not run foreign code now, as soon as it may.
    pub(crate) fn tell(self: &Arc<Self>) {
        if tell_later(self) {
            return;
        }
        loop {
            match self.turn() {
                Turn::None => return,
                Turn::Wait => self.wait(|list| list.facts.len() < ON_THEIR_WAY),
                Turn::Mine(telling, facts) => {
                    let panicked = self.tell_all(&facts);
                    // The last hold on a body may be here.
                    facts.into_iter().for_each(|fact| contained(|| drop(fact)));
                    drop(telling);
                    if let Some(panic) = panicked.filter(|_| !Me::is_panicking()) {
                        resume_unwind(panic);
                    }
                }
            }
        }
    }

    /// How many facts there were, told or not.
    #[cfg(feature = "testing")]
    pub(crate) fn noted(&self) -> u64 {
        self.list.lock().next
    }

    /// Waits until everything that is noted now was told; not where it is this thread that tells.
    pub(crate) fn catch_up(self: &Arc<Self>) {
        self.tell();
        let until = self.list.lock().next;
        self.wait(|list| list.told >= until);
    }

    fn tell_all(&self, facts: &[Fact]) -> Option<Box<dyn Any + Send>> {
        let mut panicked = None;
        for tap in &self.taps {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| tap.saw(facts))) {
                panicked.get_or_insert(panic);
            }
        }
        panicked
    }

    fn turn(&self) -> Turn<'_> {
        let mut list = self.list.lock();
        match &list.teller {
            Some(teller) if list.facts.len() >= ON_THEIR_WAY && !teller.is_this() => Turn::Wait,
            Some(_) => Turn::None,
            None if list.facts.is_empty() => Turn::None,
            None => {
                list.teller = Some(Me::this());
                let facts = std::mem::take(&mut list.facts);
                Turn::Mine(Telling { ear: self, until: list.next }, facts)
            }
        }
    }

    /// Waits while another thread tells and it is not `enough`.
    fn wait(&self, enough: impl Fn(&List) -> bool) {
        let mut number = None;
        block_until(&*self.clock, None, || {
            let mut list = self.list.lock();
            let waits = list.teller.as_ref().is_some_and(|teller| !teller.is_this()) && !enough(&list);
            if !waits {
                return Some(());
            }
            let (new, _same) = list.waiting.put(number, Waiter::this_thread());
            number = Some(new);
            None
        });
        if let Some(number) = number {
            let left = self.list.lock().waiting.leave(number);
            drop(left);
        }
    }
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        let wakes = {
            let mut list = self.ear.list.lock();
            list.teller = None;
            list.told = self.until;
            list.waiting.take_all().collect()
        };
        wake_all(wakes);
    }
}

impl Engine {
    /// Whether somebody listens.
    #[inline]
    pub(crate) fn is_heard(&self) -> bool {
        self.ear.is_some()
    }

    /// While what this gives lives, nothing is handed over by this thread, where somebody listens: a tap that panics then
    /// finds everything in its place.
    #[inline]
    pub(crate) fn quietly(&self) -> Option<Deferred> {
        self.is_heard().then(Deferred::begin)
    }

    /// Whether taps have seen everything before the fact of this number, and there is none of this number yet.
    pub(crate) fn is_told_up_to(&self, number: u64) -> bool {
        self.ear.as_ref().is_none_or(|ear| ear.list.lock().next == number)
    }

    /// Hands over what was noted. For what ends with no act on a queue.
    #[inline]
    pub(crate) fn tell(&self) {
        if let Some(ear) = &self.ear {
            ear.tell();
        }
    }

    /// Something happened that is about no queue.
    pub(crate) fn say(&self, what: impl FnOnce() -> What) {
        if let Some(ear) = &self.ear {
            ear.note(None, None, what());
        }
    }

    /// Something happened to a message that is in no queue.
    pub(crate) fn say_of(&self, envelope: &SharedEnvelope, what: impl FnOnce() -> What) {
        if let Some(ear) = &self.ear {
            ear.note(None, Some(envelope), what());
        }
    }

    /// Something happened to a message with a queue whose lock is not held.
    pub(crate) fn say_with(&self, cell: &QueueCell, envelope: &SharedEnvelope, what: impl FnOnce() -> What) {
        if let Some(ear) = &self.ear {
            ear.note(Some(&cell.spec.name), Some(envelope), what());
        }
    }

    /// A message is published, to these queues.
    pub(crate) fn announce(&self, session: Option<SessionId>, envelope: &SharedEnvelope, cells: &[Arc<QueueCell>]) {
        self.say_of(envelope, || What::Published { queues: names(cells), session: session.map(|session| session.0) });
    }

    /// A message was published and no queue is bound for it.
    pub(crate) fn unroutable(&self, envelope: &SharedEnvelope, mandatory: bool) {
        self.say_of(envelope, || if mandatory { What::Returned } else { What::Unroutable });
        self.tell();
    }

    /// A message was not published.
    pub(crate) fn unpublished(&self, envelope: &SharedEnvelope, why: NoRoute) {
        if !self.is_closed() {
            self.say_of(envelope, || What::Unpublished { internal: why == NoRoute::Internal });
            self.tell();
        }
    }

    /// Queues do not take a message.
    pub(crate) fn refused(&self, envelope: &SharedEnvelope, cells: &[Arc<QueueCell>], why: Refusing) {
        if self.is_heard() && !cells.is_empty() {
            cells.iter().for_each(|cell| self.say_with(cell, envelope, || What::Refused { why }));
            self.tell();
        }
    }
}

/// The names of queues.
pub(crate) fn names(cells: &[Arc<QueueCell>]) -> Vec<Name> {
    cells.iter().map(|cell| cell.spec.name.clone()).collect()
}
