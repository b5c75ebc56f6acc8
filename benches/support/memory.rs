//! Memory: what is allocated, counted by stats_alloc's global allocator where a bench installs it.
//!
//! Counting costs two atomic additions for each allocation, so a bench of pure speed does not install it.

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, Stats};

/// What `work` made, and how many bytes more are alive after it than before.
pub(crate) fn bytes_of<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let (made, change) = change_of(work);
    (made, change.bytes_allocated as f64 - change.bytes_deallocated as f64)
}

/// How often memory was asked for: allocations, and reallocations, which are as dear.
pub(crate) fn allocations_of(work: impl FnOnce()) -> u64 {
    let ((), change) = change_of(work);
    (change.allocations + change.reallocations) as u64
}

fn change_of<T>(work: impl FnOnce() -> T) -> (T, Stats) {
    let region = Region::new(&INSTRUMENTED_SYSTEM);
    let made = work();
    let change = region.change();
    (made, change)
}
