//! Latencies: many single times, and what stands at their middle and their end.

use super::rounds::quantile;
use std::time::Duration;

/// Middle and end of many times, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tails {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
}

impl Tails {
    /// Of these times.
    pub(crate) fn of(times: &[Duration]) -> Self {
        let ns: Vec<f64> = times.iter().map(|time| time.as_nanos() as f64).collect();
        let at = |part| quantile(ns.clone(), part);
        Self { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: at(1.0) }
    }
}
