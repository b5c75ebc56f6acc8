//! The analytics service: counts events and money.

use super::{Desk, Job, Service};
use crate::names::ANALYTICS;
use crate::retry::{Failure, Handled};
use crate::shop::lock;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Mutex;

/// The analytics service.
#[derive(Debug, Default)]
pub(crate) struct Analytics {
    figures: Mutex<Figures>,
}

#[derive(Debug, Default)]
struct Figures {
    /// Events that were counted.
    seen: HashSet<(u32, String)>,
    /// How many of which.
    events: BTreeMap<String, u64>,
    /// Money taken, in cents.
    captured_cents: u64,
}

impl Service for Analytics {
    fn name(&self) -> &'static str {
        ANALYTICS
    }

    fn threads(&self) -> usize {
        1
    }

    fn prefetch(&self) -> u32 {
        64
    }

    fn handle(&self, _desk: &mut Desk, job: &Job) -> Result<Handled, Failure> {
        let counted = job.key.clone();
        let mut figures = lock(&self.figures);
        if !figures.seen.insert((job.line, counted.clone())) {
            return Ok(Handled::Duplicate);
        }
        if counted == "payment.captured" {
            figures.captured_cents += job.order()?.cents;
        }
        *figures.events.entry(counted).or_default() += 1;
        Ok(Handled::Done)
    }

    /// A copy that cannot be counted is nobody's order.
    fn give_up(&self, _desk: &mut Desk, _job: &Job, _reason: &str) -> Result<(), Failure> {
        Ok(())
    }
}

impl fmt::Display for Analytics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figures = lock(&self.figures);
        for (event, count) in &figures.events {
            writeln!(f, "{count:>8}  {event}")?;
        }
        let (whole, rest) = (figures.captured_cents / 100, figures.captured_cents % 100);
        write!(f, "{:>8}  taken in: {whole}.{rest:02}", "")
    }
}
