//! Credit that several queues share: what one channel or consumer may hold over all its queues.
//!
//! Two gates. The *limit* is `basic.qos` with `global` (RabbitMQ: "Consumer Prefetch"): how many unsettled deliveries
//! a channel may have in all. The *window* is how many deliveries may wait for it undrained; it keeps a consumer
//! without prefetch from swallowing a whole queue under one lock. Queues take from both while they decide; whoever
//! gives back learns whether the gate opened and then resumes the queues.

use super::sync::atomic::{AtomicU32, Ordering};

/// The two gates of a session, shared by its queues. A limit of 0 is no limit.
#[derive(Debug)]
pub struct Credit {
    limit: AtomicU32,
    used: AtomicU32,
    window: u32,
    undrained: AtomicU32,
}

impl Credit {
    /// No limit, and a window of `window` undrained deliveries (at least 1).
    #[must_use]
    pub fn new(window: usize) -> Self {
        let window = u32::try_from(window).unwrap_or(u32::MAX).max(1);
        Self { limit: AtomicU32::new(0), used: AtomicU32::new(0), window, undrained: AtomicU32::new(0) }
    }

    /// No limit and no window: for whoever cannot have more undrained than its prefetch allows.
    #[must_use]
    pub fn unbounded() -> Self {
        Self { window: u32::MAX, ..Self::new(1) }
    }

    /// Whether there is a window.
    #[must_use]
    pub fn has_window(&self) -> bool {
        self.window != u32::MAX
    }

    /// The channel-wide limit; 0 is none.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit.load(Ordering::Acquire)
    }

    /// Sets the channel-wide limit. Where there was none, `unsettled` is what the channel holds already; later changes
    /// leave the count alone.
    pub fn set_limit(&self, limit: u32, unsettled: usize) {
        if self.limit.swap(limit, Ordering::AcqRel) == 0 {
            self.used.store(u32::try_from(unsettled).unwrap_or(u32::MAX), Ordering::Release);
        }
    }

    /// Takes one from the limit, or says that it is reached. Without a limit nothing is counted. What needs no
    /// acknowledgement is not `counted`, yet is held back by a limit that is reached.
    #[must_use]
    pub fn try_take(&self, counted: bool) -> bool {
        let limit = self.limit();
        let take = |used: u32| (used < limit).then(|| used + u32::from(counted));
        limit == 0 || self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, take).is_ok()
    }

    /// Whether [`try_take`](Credit::try_take) would take.
    #[must_use]
    pub fn has_room(&self) -> bool {
        let limit = self.limit();
        limit == 0 || self.used.load(Ordering::Acquire) < limit
    }

    /// Gives back `count` to the limit. True where that opened the gate: queues may be waiting.
    #[must_use]
    pub fn give(&self, count: u32) -> bool {
        let limit = self.limit();
        if limit == 0 || count == 0 {
            return false;
        }
        let give = |used: u32| Some(used.saturating_sub(count));
        let before = self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, give).unwrap_or(0);
        before >= limit && before.saturating_sub(count) < limit
    }

    /// Whether the window of undrained deliveries is full.
    #[must_use]
    pub fn is_window_full(&self) -> bool {
        self.window != u32::MAX && self.undrained.load(Ordering::Acquire) >= self.window
    }

    /// Counts a delivery that waits to be drained.
    pub fn enter_window(&self) {
        if self.window != u32::MAX {
            self.undrained.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Counts `count` deliveries as drained. True where the window was full and is now at most half full: a queue may
    /// be waiting. (Half, so that queues are not locked again for each single delivery.)
    #[must_use]
    pub fn leave_window(&self, count: u32) -> bool {
        if self.window == u32::MAX {
            return false;
        }
        let leave = |undrained: u32| Some(undrained.saturating_sub(count));
        let before = self.undrained.fetch_update(Ordering::AcqRel, Ordering::Acquire, leave).unwrap_or(0);
        let half = self.window / 2;
        before > half && before.saturating_sub(count) <= half
    }
}
