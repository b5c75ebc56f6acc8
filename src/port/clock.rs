//! Clocks: the one place where time comes from.

use crate::base::Moment;
use crate::base::sync::atomic::{AtomicU64, Ordering};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where a broker's time comes from. It never goes back.
///
/// A clock of one's own ties the broker to a simulation or to a runtime's time; [`SystemClock`] and [`ManualClock`]
/// serve everybody else.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The moment it is now.
    fn now(&self) -> Moment;

    /// The seconds since 1970 at `moment`, for the times that messages carry (`x-death`).
    fn unix_seconds(&self, moment: Moment) -> u64;
}

/// The machine's monotonic clock: the default.
///
/// ```
/// use leveret::{Clock, SystemClock};
///
/// let clock = SystemClock::new();
/// assert!(clock.now() <= clock.now());
/// ```
#[derive(Debug)]
pub struct SystemClock {
    began: Instant,
    began_unix: Duration,
}

impl SystemClock {
    /// A clock whose moments count from now on.
    #[must_use]
    pub fn new() -> Self {
        let began_unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { began: Instant::now(), began_unix }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        Moment::ZERO + self.began.elapsed()
    }

    fn unix_seconds(&self, moment: Moment) -> u64 {
        (self.began_unix + Duration::from_nanos(moment.as_nanos())).as_secs()
    }
}

/// A clock that stands still until it is moved: for tests, and for hosts with a time of their own.
///
/// Clones are the same clock. Move it through [`Broker::advance`](crate::Broker::advance), so that deadlines fire in
/// their order on the way.
///
/// ```
/// use std::time::Duration;
/// use leveret::{Clock, ManualClock, Moment};
///
/// let clock = ManualClock::new();
/// assert_eq!(clock.now(), Moment::ZERO);
/// clock.set(Moment::from_millis(5));
/// assert_eq!(clock.now(), Moment::from_millis(5));
/// ```
#[derive(Clone, Debug, Default)]
pub struct ManualClock {
    /// Sequentially consistent, as the alarms are: who moves the clock looks at them afterwards, and who sets one looks at
    /// the clock afterwards, so one of the two sees what the other did (`engine/deadlines.rs`). With less, both could see
    /// what was before, and who waits would not be woken.
    now: Arc<AtomicU64>,
    began_unix: u64,
}

impl ManualClock {
    /// A clock that stands at [`Moment::ZERO`], which is the beginning of 1970 to the messages.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A clock whose beginning is this many seconds after 1970 to the messages.
    #[must_use]
    pub fn starting_at(unix_seconds: u64) -> Self {
        Self { now: Arc::default(), began_unix: unix_seconds }
    }

    /// Moves the clock to `moment`, if that is later than it stands. Nothing fires by this alone.
    pub fn set(&self, moment: Moment) {
        self.now.fetch_max(moment.as_nanos(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Moment {
        Moment::from_nanos(self.now.load(Ordering::SeqCst))
    }

    fn unix_seconds(&self, moment: Moment) -> u64 {
        self.began_unix.saturating_add(moment.as_nanos() / 1_000_000_000)
    }
}
