//! Memory, counted: how much a piece of work may allocate, and how much may be alive after it.
//!
//! Whoever includes this sets the counting allocator (`COUNTING`) as its global one; that it is set is checked.

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

/// The allocator to set as the global one.
pub(crate) type Counting = &'static StatsAlloc<System>;

/// Work whose allocations are counted from when it was made.
pub(crate) struct Watch(Region<'static, System>);

impl Watch {
    pub(crate) fn new() -> Self {
        let watch = Self(Region::new(&INSTRUMENTED_SYSTEM));
        drop(std::hint::black_box(Box::new([0_u8; 64])));
        assert!(watch.allocated() >= 64, "the counting allocator is not the global one");
        watch
    }

    /// Bytes that were asked for since then, given back or not.
    pub(crate) fn allocated(&self) -> usize {
        self.0.change().bytes_allocated
    }

    /// Bytes that were asked for since then and are still held.
    pub(crate) fn alive(&self) -> usize {
        let change = self.0.change();
        change.bytes_allocated.saturating_sub(change.bytes_deallocated)
    }

    /// No more than that is held.
    pub(crate) fn assert_alive_at_most(&self, bytes: usize, what: &str) {
        assert!(self.alive() <= bytes, "{what}: {} bytes are held, and {bytes} may be", self.alive());
    }

    /// No more than that was ever asked for, and so never held either.
    pub(crate) fn assert_allocated_at_most(&self, bytes: usize, what: &str) {
        assert!(self.allocated() <= bytes, "{what}: {} bytes were allocated, and {bytes} may be", self.allocated());
    }
}
