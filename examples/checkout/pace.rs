//! Time as the shop simulates it: spans are written as a real shop would have them, and lived so many times faster.

use std::time::Duration;

/// How much faster than real everything takes place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    speed: f64,
}

impl Pace {
    /// As in a real shop.
    pub(crate) const SLOWEST: f64 = 1.0;
    /// So fast that simulated work takes no time at all.
    pub(crate) const FASTEST: f64 = 10_000.0;

    /// A shop this much faster.
    pub(crate) fn new(speed: f64) -> Self {
        Self { speed: speed.clamp(Self::SLOWEST, Self::FASTEST) }
    }

    /// How long `span` of a real shop takes here.
    pub(crate) fn scaled(self, span: Duration) -> Duration {
        span.div_f64(self.speed)
    }

    /// Works for `span` of a real shop. Nothing depends on how long it truly takes.
    pub(crate) fn work(self, span: Duration) {
        let span = self.scaled(span);
        // Below this a sleep takes many times longer than what was asked for.
        if span >= Duration::from_micros(50) {
            std::thread::sleep(span);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_scaled_within_bounds() {
        assert_eq!(Pace::new(10.0).scaled(Duration::from_secs(5)), Duration::from_millis(500));
        assert_eq!(Pace::new(0.0).scaled(Duration::from_secs(5)), Duration::from_secs(5));
    }
}
