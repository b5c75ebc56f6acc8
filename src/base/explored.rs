//! Locks, atomics and parking for tests that explore how threads may interleave: shuttle's or loom's, under the names of
//! those that `sync.rs` has otherwise.
//!
//! Compiled only with `--cfg leveret_shuttle` or `--cfg leveret_loom`, which `tests/interleavings` sets; the crate as its
//! users build it has none of this. Both explorers run all threads of a test in one thread of the system, so nothing here
//! may spin or wait for the system.

#[cfg(leveret_loom)]
pub(crate) use loom::{sync::atomic, thread_local};
#[cfg(leveret_shuttle)]
pub(crate) use shuttle::{sync::atomic, thread_local};

#[cfg(leveret_loom)]
use loom::sync;
#[cfg(leveret_shuttle)]
use shuttle::sync;
pub(crate) use sync::{MutexGuard, RwLockReadGuard, RwLockWriteGuard};

/// Parking, and who one is.
pub(crate) mod thread {
    #[cfg(leveret_loom)]
    pub(crate) use loom::thread::{Thread, ThreadId, current, park};
    #[cfg(leveret_shuttle)]
    pub(crate) use shuttle::thread::{Thread, ThreadId, current, park, park_timeout};
    pub(crate) use std::thread::panicking;

    /// Time passes at once.
    #[cfg(leveret_loom)]
    pub(crate) fn park_timeout(_span: std::time::Duration) {
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
