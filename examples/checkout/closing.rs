//! The sums of an account, and how they are printed.

use crate::names::DECIDING;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The sums.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Closing {
    /// Lines of the input.
    pub(crate) orders: u32,
    /// Orders that were completed.
    pub(crate) completed: u32,
    /// Orders that were cancelled, by reason.
    pub(crate) cancelled: BTreeMap<Arc<str>, u32>,
    /// Orders in dead-letter queues, by queue (its place in `DECIDING`) and reason.
    pub(crate) dead: BTreeMap<(usize, Arc<str>), u32>,
    /// Letters that decide nothing, by queue and reason.
    pub(crate) aside: BTreeMap<(&'static str, Arc<str>), u64>,
    /// Lines that came to no end, and what was seen of them.
    pub(crate) missing: Vec<(u32, String)>,
    /// Lines of which something was seen that cannot be, and what.
    pub(crate) double: Vec<(u32, String)>,
}

impl Closing {
    /// Orders that were cancelled.
    pub(crate) fn cancelled_sum(&self) -> u32 {
        self.cancelled.values().sum()
    }

    /// Orders in dead-letter queues.
    pub(crate) fn dead_sum(&self) -> u32 {
        self.dead.values().sum()
    }

    /// Whether every order is exactly one of completed, cancelled, or in a dead-letter queue.
    pub(crate) fn closes(&self) -> bool {
        let sum = self.completed + self.cancelled_sum() + self.dead_sum();
        self.missing.is_empty() && self.double.is_empty() && sum == self.orders
    }
}

impl fmt::Display for Closing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>8}  completed", self.completed)?;
        for (reason, count) in &self.cancelled {
            writeln!(f, "{count:>8}  cancelled: {reason}")?;
        }
        for ((place, reason), count) in &self.dead {
            writeln!(f, "{count:>8}  in {}: {reason}", DECIDING.get(*place).unwrap_or(&""))?;
        }
        for ((queue, reason), count) in &self.aside {
            writeln!(f, "{:>8}  (and {count} copies in {queue}: {reason})", "")?;
        }
        let list = |f: &mut fmt::Formatter<'_>, what: &str, lines: &[(u32, String)]| {
            lines.iter().take(LISTED).try_for_each(|(line, why)| writeln!(f, "{what} line {line}: {why}"))?;
            match lines.len().checked_sub(LISTED + 1) {
                Some(more) => writeln!(f, "{what} {} more", more + 1),
                None => Ok(()),
            }
        };
        list(f, "missing:", &self.missing)?;
        list(f, "double:", &self.double)?;
        let (completed, cancelled, dead) = (self.completed, self.cancelled_sum(), self.dead_sum());
        if self.closes() {
            write!(f, "account closes: {} orders", self.orders)?;
        } else {
            let (missing, double) = (self.missing.len(), self.double.len());
            write!(f, "account does NOT close ({missing} missing, {double} double): {} orders", self.orders)?;
        }
        let sign = if self.closes() { '=' } else { '≠' };
        write!(f, " {sign} {completed} completed + {cancelled} cancelled + {dead} in dead-letter queues")
    }
}

/// How many lines of a kind are listed.
const LISTED: usize = 50;
