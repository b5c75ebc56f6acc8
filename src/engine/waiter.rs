//! Waiters: a blocked thread or a pending task, and the place where one or many of them wait.
//!
//! A waiter is taken out of its place under the lock of whoever owns the place, and woken after the lock is free: a
//! waker may run foreign code. Blocking is parking; before it, whoever may be served soon stays awake for a few
//! microseconds ([`soon`]), since waking a parked thread costs a hundred times that of one that spins.
//!
//! A waker or the owner of a body that panics is no business of whoever publishes or acknowledges at that moment: the panic
//! hook has told of it, and it goes no further ([`contained`]). Else it would keep others from being woken, and end the
//! process where it meets another panic.

use super::facts::Ear;
use crate::base::Moment;
use crate::base::sync::thread::{self, Thread, ThreadId};
use crate::base::sync::{Backoff, thread_local};
use crate::port::Clock;
use smallvec::SmallVec;
use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

/// Somebody who waits: woken by [`Waiter::wake`], once or more often, with or without reason.
#[derive(Clone, Debug)]
pub(crate) enum Waiter {
    /// A parked thread.
    Thread(Thread),
    /// A pending task.
    Task(Waker),
}

/// A thread, to be told from others.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Me(ThreadId);

impl Me {
    /// The calling thread.
    pub(crate) fn this() -> Self {
        Self(thread::current().id())
    }

    /// Whether it is the calling thread.
    pub(crate) fn is_this(&self) -> bool {
        *self == Self::this()
    }

    /// Whether the calling thread panics.
    pub(crate) fn is_panicking() -> bool {
        thread::panicking()
    }
}

/// Waiters taken under a lock, to be woken after it.
pub(crate) type Wakes = SmallVec<[Waiter; 2]>;

impl Waiter {
    /// The calling thread.
    pub(crate) fn this_thread() -> Self {
        Self::Thread(thread::current())
    }

    /// Wakes it. Never under a lock.
    pub(crate) fn wake(self) {
        match self {
            Self::Thread(thread) => thread.unpark(),
            Self::Task(waker) => contained(|| waker.wake()),
        }
    }
}

/// Wakes one, as [`wake_all`].
pub(crate) fn wake_one(waiter: Waiter) {
    let mut waiter = Some(waiter);
    let _ = DEFERRED.try_with(|deferred| {
        if let Some(later) = &mut *deferred.borrow_mut() {
            later.wakes.extend(waiter.take());
        }
    });
    if let Some(waiter) = waiter {
        waiter.wake();
    }
}

/// Wakes all of them: at once, or where this thread is [`Deferred`], at the end of that. Never under another lock.
pub(crate) fn wake_all(wakes: Wakes) {
    if wakes.is_empty() {
        return;
    }
    for waiter in keep_for_later(wakes) {
        waiter.wake();
    }
}

/// Frees what is given, which may run foreign code: at once, or where this thread is [`Deferred`], at the end of that.
/// Never under another lock.
pub(crate) fn free<T: 'static>(freed: T) {
    let mut freed = Some(freed);
    let _ = DEFERRED.try_with(|deferred| {
        if let Some(later) = &mut *deferred.borrow_mut() {
            later.freed.push(Box::new(freed.take()));
        }
    });
    contained(|| drop(freed));
}

/// Frees all of them, as [`free`]: none of them keeps another one from being freed.
pub(crate) fn free_each<T: 'static>(freed: impl IntoIterator<Item = T>) {
    let mut freed = freed.into_iter();
    let _ = DEFERRED.try_with(|deferred| {
        if let Some(later) = &mut *deferred.borrow_mut() {
            later.freed.extend(freed.by_ref().map(|one| Box::new(one) as Box<dyn Any>));
        }
    });
    // Once around all of them; again for what is left by one that panicked.
    let mut is_done = false;
    while !is_done {
        contained(|| {
            freed.by_ref().for_each(drop);
            is_done = true;
        });
    }
}

/// Runs foreign code, whose panic ends here: the panic hook has told of it.
pub(crate) fn contained(foreign: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(foreign)) {
        // What it panicked with is foreign too, and may panic when it is dropped.
        std::mem::forget(panic);
    }
}

#[cfg(not(leveret_loom))]
thread_local! {
    /// What this thread is to do later; `None` where it does it at once.
    static DEFERRED: RefCell<Option<Later>> = const { RefCell::new(None) };
}

#[cfg(leveret_loom)]
thread_local! {
    static DEFERRED: RefCell<Option<Later>> = RefCell::new(None);
}

/// What a thread has put off.
#[derive(Debug, Default)]
struct Later {
    wakes: Wakes,
    freed: Vec<Box<dyn Any>>,
    /// Whose facts are to be handed over.
    ears: Vec<Arc<Ear>>,
}

/// Has facts handed over at the end, where this thread is [`Deferred`]. False where it is not.
pub(crate) fn tell_later(ear: &Arc<Ear>) -> bool {
    let kept = DEFERRED.try_with(|deferred| {
        let mut deferred = deferred.borrow_mut();
        let Some(later) = &mut *deferred else { return false };
        if !later.ears.iter().any(|known| Arc::ptr_eq(known, ear)) {
            later.ears.push(Arc::clone(ear));
        }
        true
    });
    kept.unwrap_or(false)
}

/// Keeps them where this thread is [`Deferred`], else gives them back.
fn keep_for_later(wakes: Wakes) -> Wakes {
    let mut wakes = Some(wakes);
    // A thread that is ending has no such place any more, and defers nothing.
    let _ = DEFERRED.try_with(|deferred| {
        if let Some(later) = &mut *deferred.borrow_mut() {
            later.wakes.extend(wakes.take().into_iter().flatten());
        }
    });
    wakes.unwrap_or_default()
}

/// While it lives, this thread wakes nobody and frees nothing foreign; when it is dropped, it does all it should have
/// done. For whoever calls the engine under a lock of his own, which he drops first.
#[derive(Debug)]
pub(crate) struct Deferred {
    outermost: bool,
}

impl Deferred {
    /// From now on.
    pub(crate) fn begin() -> Self {
        let begun = DEFERRED.try_with(|deferred| {
            let mut deferred = deferred.borrow_mut();
            deferred.is_none() && deferred.replace(Later::default()).is_none()
        });
        Self { outermost: begun.unwrap_or(false) }
    }
}

impl Drop for Deferred {
    fn drop(&mut self) {
        if self.outermost {
            let kept = DEFERRED.try_with(|deferred| deferred.borrow_mut().take());
            // What they run may call the engine, and is not deferred any more.
            let Later { wakes, freed, ears } = kept.ok().flatten().unwrap_or_default();
            wake_all(wakes);
            freed.into_iter().for_each(|freed| contained(|| drop(freed)));
            ears.iter().for_each(Ear::tell);
        }
    }
}

/// Many who wait for the same thing, each with a number by which it leaves.
#[derive(Debug, Default)]
pub(crate) struct WaitList {
    /// Behind a pointer: every queue has a list, and in most nobody ever waits.
    list: Option<Box<Waiting>>,
}

#[derive(Debug, Default)]
struct Waiting {
    waiters: Vec<(u64, Waiter)>,
    next: u64,
}

impl WaitList {
    /// Whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.list.as_ref().is_none_or(|list| list.waiters.is_empty())
    }

    /// Puts a waiter in, in the place of the one with this number if there is one. Returns the number and the waiter
    /// that was replaced, which is to be dropped without a lock.
    pub(crate) fn put(&mut self, number: Option<u64>, waiter: Waiter) -> (u64, Option<Waiter>) {
        let list = self.list.get_or_insert_default();
        if let Some(number) = number
            && let Some((_, known)) = list.waiters.iter_mut().find(|(known, _)| *known == number)
        {
            return (number, Some(std::mem::replace(known, waiter)));
        }
        let number = number.unwrap_or(list.next);
        list.next = list.next.max(number + 1);
        list.waiters.push((number, waiter));
        (number, None)
    }

    /// Takes a waiter out that gave up.
    pub(crate) fn leave(&mut self, number: u64) -> Option<Waiter> {
        let waiters = &mut self.list.as_mut()?.waiters;
        let at = waiters.iter().position(|(known, _)| *known == number)?;
        Some(waiters.remove(at).1)
    }

    /// Takes out whoever has waited longest, to be woken.
    pub(crate) fn take_first(&mut self) -> Option<Waiter> {
        let waiters = &mut self.list.as_mut()?.waiters;
        if waiters.is_empty() { None } else { Some(waiters.remove(0).1) }
    }

    /// Takes all out, to be woken.
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = Waiter> {
        let waiters = self.list.as_mut().map(|list| std::mem::take(&mut list.waiters));
        waiters.into_iter().flatten().map(|(_, waiter)| waiter)
    }
}

/// Tries a few times, spinning longer and longer in between and then yielding: what is about to happen anyway needs nobody
/// to be woken.
pub(crate) fn soon<T>(mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    let backoff = Backoff::new();
    loop {
        if let Some(value) = attempt() {
            return Some(value);
        }
        if backoff.is_completed() {
            return None;
        }
        backoff.snooze();
    }
}

/// Blocks the calling thread until `attempt` gives something, or until `deadline` (`None` is never).
///
/// `attempt` registers the thread as a waiter before it says `None`; it is asked again after every wake.
pub(crate) fn block_until<T>(
    clock: &dyn Clock,
    deadline: Option<Moment>,
    mut attempt: impl FnMut() -> Option<T>,
) -> Option<T> {
    loop {
        if let Some(value) = attempt() {
            return Some(value);
        }
        let left: Option<Duration> = match deadline {
            None => None,
            Some(deadline) => {
                let now = clock.now();
                if now >= deadline {
                    return None;
                }
                Some(deadline - now)
            }
        };
        match left {
            None => thread::park(),
            Some(left) => thread::park_timeout(left),
        }
    }
}
