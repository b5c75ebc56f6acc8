//! Moments: nanoseconds since the broker began.
//!
//! The crate's own type instead of `std::time::Instant`: a test can write one down, a trace can hold one, and nobody can
//! read the system's clock by accident.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// A point in broker time, in nanoseconds since the broker was made.
///
/// Arithmetic saturates: a deadline too far to be represented is [`Moment::MAX`] and never comes.
///
/// ```
/// use std::time::Duration;
/// use leveret::Moment;
///
/// let later = Moment::ZERO + Duration::from_millis(2);
/// assert_eq!(later.as_millis(), 2);
/// assert_eq!(later - Moment::ZERO, Duration::from_millis(2));
/// assert_eq!(Moment::MAX + Duration::from_secs(1), Moment::MAX);
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Moment(u64);

impl Moment {
    /// The moment at which the broker was made.
    pub const ZERO: Self = Self(0);
    /// The end of time: a deadline here never comes.
    pub const MAX: Self = Self(u64::MAX);

    /// The moment this many nanoseconds after the beginning.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The moment this many milliseconds after the beginning; [`Moment::MAX`] where that cannot be represented.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds since the beginning.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole milliseconds since the beginning.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// The moment `millis` milliseconds later, saturating.
    #[must_use]
    pub const fn plus_millis(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis.saturating_mul(1_000_000)))
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

impl Sub for Moment {
    type Output = Duration;

    /// The span from `earlier` to this moment; zero where `earlier` is later.
    fn sub(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Moment({:?})", Duration::from_nanos(self.0))
    }
}
