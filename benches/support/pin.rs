//! Threads on CPUs: producers on the first, consumers on the second, so that where they run is no chance.

use core_affinity::CoreId;
use std::sync::OnceLock;

/// Puts the calling thread on the CPU of this number, where the machine has at least two and lets it.
pub(crate) fn pin(number: usize) {
    // Read once, before any thread is pinned: a pinned thread sees its own CPU only.
    static CPUS: OnceLock<Vec<CoreId>> = OnceLock::new();
    let cpus = CPUS.get_or_init(|| core_affinity::get_core_ids().unwrap_or_default());
    if cpus.len() > 1 {
        core_affinity::set_for_current(cpus[number % cpus.len()]);
    }
}

/// Does this on a thread of its own on the first CPU, so that the caller's thread stays free.
pub(crate) fn on_first_cpu<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            pin(0);
            work()
        });
        worker.join().expect("the work does not panic")
    })
}
