//! Locks, atomics and parking for tests that explore how threads may interleave: shuttle's or loom's, under the names of
//! those that `sync.rs` has otherwise.
//!
//! Compiled only with `--cfg leveret_shuttle` or `--cfg leveret_loom`, which `tests/interleavings` sets; the crate as its
//! users build it has none of this. Both explorers run all threads of a test in one thread of the system, so nothing here
//! may spin or wait for the system.

#[cfg(leveret_loom)]
pub(crate) use loom::thread_local;
#[cfg(leveret_shuttle)]
pub(crate) use shuttle::{sync::atomic, thread_local};

#[cfg(leveret_loom)]
use loom::sync;
#[cfg(leveret_shuttle)]
use shuttle::sync;
pub(crate) use sync::{MutexGuard, RwLockReadGuard, RwLockWriteGuard};

/// Loom takes a sequentially consistent access for one that acquires and releases, but knows fences. So such an access has
/// one before and one behind it; all others are loom's own.
#[cfg(leveret_loom)]
pub(crate) mod atomic {
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering};
    use loom::sync::atomic::{AtomicU64 as Plain, fence};

    #[derive(Debug, Default)]
    pub struct AtomicU64(Plain);

    impl AtomicU64 {
        pub(crate) fn new(value: u64) -> Self {
            Self(Plain::new(value))
        }

        pub(crate) fn load(&self, order: Ordering) -> u64 {
            fenced(order, || self.0.load(order))
        }

        pub(crate) fn store(&self, value: u64, order: Ordering) {
            fenced(order, || self.0.store(value, order));
        }

        pub(crate) fn swap(&self, value: u64, order: Ordering) -> u64 {
            fenced(order, || self.0.swap(value, order))
        }

        pub(crate) fn fetch_add(&self, value: u64, order: Ordering) -> u64 {
            fenced(order, || self.0.fetch_add(value, order))
        }

        pub(crate) fn fetch_sub(&self, value: u64, order: Ordering) -> u64 {
            fenced(order, || self.0.fetch_sub(value, order))
        }

        pub(crate) fn fetch_max(&self, value: u64, order: Ordering) -> u64 {
            fenced(order, || self.0.fetch_max(value, order))
        }
    }

    fn fenced<T>(order: Ordering, access: impl FnOnce() -> T) -> T {
        let fence_if = || {
            if order == Ordering::SeqCst {
                fence(order);
            }
        };
        fence_if();
        let value = access();
        fence_if();
        value
    }
}

/// Parking, and who one is.
#[cfg(leveret_shuttle)]
pub(crate) mod thread {
    pub(crate) use shuttle::thread::{Thread, ThreadId, current, park, park_timeout};
    pub(crate) use std::thread::panicking;
}

/// Parking, and who one is. Loom has both, but its `park` forgets that it was woken where its thread waits for a lock.
#[cfg(leveret_loom)]
pub(crate) mod thread {
    use loom::sync::Notify;
    pub(crate) use loom::thread::ThreadId;
    pub(crate) use std::thread::panicking;
    use std::{fmt, sync::Arc, time::Duration};

    loom::thread_local! {
        static PLACE: Arc<Notify> = Arc::new(Notify::new());
    }

    /// A thread, and where it parks.
    #[derive(Clone)]
    pub(crate) struct Thread(ThreadId, Arc<Notify>);

    impl Thread {
        pub(crate) fn id(&self) -> ThreadId {
            self.0
        }

        pub(crate) fn unpark(&self) {
            self.1.notify();
        }
    }

    impl fmt::Debug for Thread {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.fmt(f)
        }
    }

    pub(crate) fn current() -> Thread {
        Thread(loom::thread::current().id(), PLACE.with(Arc::clone))
    }

    pub(crate) fn park() {
        PLACE.with(Arc::clone).wait();
    }

    /// Time passes at once.
    pub(crate) fn park_timeout(_span: Duration) {
        loom::thread::yield_now();
    }
}

/// As `crossbeam_utils::Backoff`, but for the waiting.
pub(crate) struct Backoff;

impl Backoff {
    pub(crate) fn new() -> Self {
        Self
    }

    /// There is nothing to be won by looking again.
    pub(crate) fn is_completed(&self) -> bool {
        true
    }

    pub(crate) fn snooze(&self) {}
}

/// As parking_lot's: no poisoning.
#[derive(Debug)]
pub(crate) struct Mutex<T>(sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Takes the lock, for whoever tries waits next if he fails.
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        Some(self.lock())
    }

    pub(crate) fn is_locked(&self) -> bool {
        false
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// As parking_lot's: no poisoning.
#[derive(Debug)]
pub(crate) struct RwLock<T>(sync::RwLock<T>);

impl<T> RwLock<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(sync::RwLock::new(value))
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, T> {
        self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Takes the lock, for whoever tries waits next if he fails.
    pub(crate) fn try_read(&self) -> Option<RwLockReadGuard<'_, T>> {
        Some(self.read())
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, T> {
        self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
