//! The small ones at the end of the line: three notifiers, and the desk for the dearest customers. They only count.

use super::audit::listen;
use crate::shop::Shop;
use std::sync::atomic::{AtomicU64, Ordering};

/// One of them: its queue, and how many messages it had.
#[derive(Debug)]
pub(crate) struct Listener {
    /// Its queue.
    pub(crate) queue: &'static str,
    /// How many messages it had.
    pub(crate) heard: AtomicU64,
}

impl Listener {
    /// A listener to this queue.
    pub(crate) fn new(queue: &'static str) -> Self {
        Self { queue, heard: AtomicU64::new(0) }
    }

    /// Listens until the broker ends.
    ///
    /// # Errors
    ///
    /// What the broker says where it cannot listen.
    pub(crate) fn run(&self, shop: &Shop) -> Result<(), String> {
        listen(shop, self.queue, |_| {
            self.heard.fetch_add(1, Ordering::Relaxed);
        })
    }
}
