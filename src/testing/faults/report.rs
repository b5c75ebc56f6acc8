//! What the rules did.

use std::fmt;

/// What all rules did so far; made by [`Faults::report`](super::Faults::report). Its text is the same for the same history.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct FaultReport {
    /// The rules, in the order in which they were made.
    pub rules: Vec<RuleReport>,
}

/// What one rule did.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct RuleReport {
    /// Its number.
    pub number: u32,
    /// The rule in words.
    pub rule: String,
    /// How many publishes, offers or deliveries its selectors fitted.
    pub seen: u64,
    /// How often the fault happened.
    pub fired: u64,
    /// Whether it was removed.
    pub removed: bool,
}

impl FaultReport {
    /// How many faults there were.
    #[must_use]
    pub fn fired(&self) -> u64 {
        self.rules.iter().map(|rule| rule.fired).sum()
    }
}

impl fmt::Display for FaultReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rules.is_empty() {
            return f.write_str("faults: none asked for");
        }
        f.write_str("faults:")?;
        self.rules.iter().try_for_each(|rule| write!(f, "\n  {rule}"))
    }
}

impl fmt::Display for RuleReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, rule, seen, fired, removed } = self;
        let removed = if *removed { ", removed" } else { "" };
        write!(f, "rule {number}, {rule}; fired {fired} of {seen}{removed}")
    }
}
