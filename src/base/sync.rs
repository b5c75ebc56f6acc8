//! The locks of the crate: parking_lot's, with ranks that debug builds check.
//!
//! A thread may take a lock only when every lock it holds has a lower rank. So no two threads can wait for each other,
//! and no queue's lock is ever held while another queue's is taken. Release builds carry no check.
//!
//! Atomics and parking are named here, too, so that tests which explore interleavings can put their own in the place of
//! all three (`explored.rs`).

#[cfg(any(leveret_loom, leveret_shuttle))]
use super::explored as parking_lot;
#[cfg(any(leveret_loom, leveret_shuttle))]
pub(crate) use super::explored::{Backoff, atomic, thread, thread_local};
#[cfg(not(any(leveret_loom, leveret_shuttle)))]
pub(crate) use crossbeam_utils::Backoff;
use parking_lot::{MutexGuard, RwLockReadGuard, RwLockWriteGuard};
#[cfg(not(any(leveret_loom, leveret_shuttle)))]
pub(crate) use std::{sync::atomic, thread, thread_local};

/// The order in which locks may be taken: from low to high, never two of one rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// Whose turn it is, on a broker that is recorded.
    #[cfg_attr(not(feature = "serde"), allow(dead_code))]
    Turn = 0,
    /// Open connections and what they own.
    Connection = 1,
    /// A channel's own modes and transaction.
    Channel = 2,
    /// Exchanges, bindings, names and policies.
    Topology = 3,
    /// One queue.
    Queue = 4,
    /// One inbox: what a channel or consumer has not received yet, and its ledger.
    Inbox = 5,
    /// Small leaves: the backlog, the timer's hand, lists of waiters.
    Leaf = 6,
}

/// How often a taken lock is looked at before its taker is waited for: some microseconds. Locks are held for a fraction of
/// one; to sleep and be woken takes fifty.
const SPINS: u32 = 200;

/// What a writer holds.
pub(crate) type Writing<'a, T> = Ranked<RwLockWriteGuard<'a, T>>;

/// A mutex with a rank.
#[derive(Debug)]
pub(crate) struct Mutex<T> {
    rank: Rank,
    inner: parking_lot::Mutex<T>,
}

/// A readers-writer lock with a rank.
#[derive(Debug)]
pub(crate) struct RwLock<T> {
    rank: Rank,
    inner: parking_lot::RwLock<T>,
}

/// A lock that the thread which has it may take again.
#[cfg(feature = "serde")]
#[derive(Debug)]
pub(crate) struct Turnstile {
    inner: ::parking_lot::ReentrantMutex<std::cell::Cell<usize>>,
}

/// The hold of a [`Turnstile`].
#[cfg(feature = "serde")]
pub(crate) struct Through<'a> {
    guard: ::parking_lot::ReentrantMutexGuard<'a, std::cell::Cell<usize>>,
    held: Option<held::Held>,
}

#[cfg(feature = "serde")]
impl Turnstile {
    pub(crate) const fn new() -> Self {
        Self { inner: ::parking_lot::ReentrantMutex::new(std::cell::Cell::new(0)) }
    }

    pub(crate) fn pass(&self) -> Through<'_> {
        // Ranked as what is taken first; but whoever is through already may hold anything.
        let held = (!self.inner.is_owned_by_current_thread()).then(|| held::Held::take(Rank::Turn));
        let guard = self.inner.lock();
        guard.set(guard.get() + 1);
        Through { guard, held }
    }
}

#[cfg(feature = "serde")]
impl Through<'_> {
    /// Whether this thread was not through before.
    pub(crate) fn is_first(&self) -> bool {
        self.guard.get() == 1
    }
}

#[cfg(feature = "serde")]
impl Drop for Through<'_> {
    fn drop(&mut self) {
        self.guard.set(self.guard.get() - 1);
        drop(self.held.take());
    }
}

/// A guard that gives its rank back when it is dropped.
pub(crate) struct Ranked<G> {
    // Dropped in this order: the lock is free before the rank is.
    guard: G,
    _held: held::Held,
}

impl<T> Mutex<T> {
    pub(crate) fn new(rank: Rank, value: T) -> Self {
        Self { rank, inner: parking_lot::Mutex::new(value) }
    }

    #[inline]
    pub(crate) fn lock(&self) -> Ranked<MutexGuard<'_, T>> {
        let held = held::Held::take(self.rank);
        let guard = self.inner.try_lock().unwrap_or_else(|| self.lock_busy());
        Ranked { guard, _held: held }
    }

    /// The value, without a lock: whoever has all of it needs none.
    #[inline]
    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.inner.get_mut()
    }

    /// Waits a few microseconds awake, then asleep. parking_lot would yield sooner, which costs a whole slice of time where
    /// other programs want the CPU.
    #[cold]
    fn lock_busy(&self) -> MutexGuard<'_, T> {
        for _ in 0..SPINS {
            std::hint::spin_loop();
            if !self.inner.is_locked()
                && let Some(guard) = self.inner.try_lock()
            {
                return guard;
            }
        }
        self.inner.lock()
    }
}

impl<T> RwLock<T> {
    pub(crate) fn new(rank: Rank, value: T) -> Self {
        Self { rank, inner: parking_lot::RwLock::new(value) }
    }

    /// Waits a few microseconds awake, then asleep.
    pub(crate) fn read(&self) -> Ranked<RwLockReadGuard<'_, T>> {
        let held = held::Held::take(self.rank);
        let free = self.inner.try_read().or_else(|| {
            (0..SPINS).find_map(|_| {
                std::hint::spin_loop();
                self.inner.try_read()
            })
        });
        Ranked { guard: free.unwrap_or_else(|| self.inner.read()), _held: held }
    }

    pub(crate) fn write(&self) -> Ranked<RwLockWriteGuard<'_, T>> {
        let held = held::Held::take(self.rank);
        Ranked { guard: self.inner.write(), _held: held }
    }
}

impl<G: std::ops::Deref> std::ops::Deref for Ranked<G> {
    type Target = G::Target;

    fn deref(&self) -> &G::Target {
        &self.guard
    }
}

impl<G: std::ops::DerefMut> std::ops::DerefMut for Ranked<G> {
    fn deref_mut(&mut self) -> &mut G::Target {
        &mut self.guard
    }
}

#[cfg(debug_assertions)]
mod held {
    use super::Rank;
    use std::cell::RefCell;

    #[cfg(not(leveret_loom))]
    super::thread_local! {
        static HELD: RefCell<Vec<Rank>> = const { RefCell::new(Vec::new()) };
    }
    #[cfg(leveret_loom)]
    super::thread_local! {
        static HELD: RefCell<Vec<Rank>> = RefCell::new(Vec::new());
    }

    pub(crate) struct Held(Rank);

    impl Held {
        pub(crate) fn take(rank: Rank) -> Self {
            HELD.with(|held| {
                let mut held = held.borrow_mut();
                let highest = held.iter().max();
                assert!(highest.is_none_or(|h| *h < rank), "lock {rank:?} taken while {held:?} are held");
                held.push(rank);
            });
            Self(rank)
        }
    }

    impl Drop for Held {
        fn drop(&mut self) {
            HELD.with(|held| {
                let mut held = held.borrow_mut();
                if let Some(at) = held.iter().rposition(|rank| *rank == self.0) {
                    held.remove(at);
                }
            });
        }
    }
}

#[cfg(not(debug_assertions))]
mod held {
    use super::Rank;

    pub(crate) struct Held;

    impl Held {
        #[inline(always)]
        pub(crate) fn take(_rank: Rank) -> Self {
            Self
        }
    }
}

/// Only debug builds check.
#[cfg(all(test, debug_assertions))]
mod tests {
    use super::{Mutex, Rank, RwLock};
    use std::panic::{AssertUnwindSafe, catch_unwind};

    fn panics(work: impl FnOnce()) -> bool {
        catch_unwind(AssertUnwindSafe(work)).is_err()
    }

    #[test]
    fn locks_are_taken_from_low_to_high() {
        let (topology, queue, inbox) =
            (RwLock::new(Rank::Topology, ()), Mutex::new(Rank::Queue, ()), Mutex::new(Rank::Inbox, ()));
        let _first = topology.read();
        let _second = queue.lock();
        let _third = inbox.lock();
    }

    #[test]
    fn a_wrong_order_panics() {
        let (topology, queue) = (RwLock::new(Rank::Topology, ()), Mutex::new(Rank::Queue, ()));
        let held = queue.lock();
        assert!(panics(|| drop(topology.read())));
        assert!(panics(|| drop(topology.write())));
        drop(held);
        // The rank is free again with the lock.
        drop(topology.write());
    }

    #[test]
    fn two_of_one_rank_panic() {
        let (one, other) = (Mutex::new(Rank::Queue, ()), Mutex::new(Rank::Queue, ()));
        let _held = one.lock();
        assert!(panics(|| drop(other.lock())));
    }

    #[test]
    fn another_thread_has_ranks_of_its_own() {
        let (queue, leaf) = (Mutex::new(Rank::Queue, ()), Mutex::new(Rank::Leaf, ()));
        let _held = leaf.lock();
        std::thread::scope(|scope| scope.spawn(|| drop(queue.lock())).join()).unwrap();
    }

    #[cfg(feature = "serde")]
    #[test]
    fn who_is_through_a_turnstile_may_pass_again_under_any_lock_and_nobody_else_may() {
        let (turnstile, other, queue) = (super::Turnstile::new(), super::Turnstile::new(), Mutex::new(Rank::Queue, ()));
        let through = turnstile.pass();
        let held = queue.lock();
        assert!(!turnstile.pass().is_first());
        assert!(panics(|| drop(other.pass())));
        drop(held);
        assert!(through.is_first());
    }
}
