//! Findings: one thing that is wrong, where, and what to do; and the report that holds them.

use super::super::place::Place;
use std::fmt;

/// How bad a finding is. Ordered: an error is greater than a warning, a warning greater than a hint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Severity {
    /// Worth a look; it may well be meant so.
    Hint,
    /// It will go wrong under load, in a restart, or when something fails.
    Warning,
    /// It is refused, or messages are lost or go round as soon as this is used.
    Error,
}

/// One thing that is wrong with a topology.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Lint {
    /// How bad it is.
    pub severity: Severity,
    /// Which rule found it, such as `missing-dead-letter-exchange`. Codes do not change from version to version.
    pub code: &'static str,
    /// Where it is.
    pub place: Place,
    /// What is wrong, and what follows from it.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

/// What [`Topology::lint`](crate::Topology::lint) found.
///
/// Displayed, it is a paragraph for each finding and a line that counts them.
///
/// ```
/// use leveret::{Exchange, Topology};
///
/// let report = Topology::new().exchange(Exchange::fanout("events").alternate("unrouted")).lint();
/// assert_eq!(report.to_string(), "\
/// error[missing-alternate-exchange] exchange 'events': its alternate exchange 'unrouted' does not exist, so what finds \
/// no binding here is dropped
///   remedy: declare the exchange 'unrouted' and bind a queue to it
/// 1 error");
/// assert_eq!(Topology::new().lint().to_string(), "nothing found");
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct LintReport {
    /// The findings, the worst first.
    pub findings: Vec<Lint>,
}

impl LintReport {
    /// Whether nothing was found.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }

    /// The severity of the worst finding; `None` if there is none.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }

    /// How many findings of this severity there are.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}

impl Severity {
    /// A word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hint => "hint",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { severity, code, place, problem, remedy } = self;
        write!(f, "{severity}[{code}] {place}: {problem}\n  remedy: {remedy}")
    }
}

impl fmt::Display for LintReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("nothing found");
        }
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        let mut comma = "";
        for severity in [Severity::Error, Severity::Warning, Severity::Hint] {
            let count = self.count(severity);
            if count > 0 {
                let plural = if count == 1 { "" } else { "s" };
                write!(f, "{comma}{count} {severity}{plural}")?;
                comma = ", ";
            }
        }
        Ok(())
    }
}

/// Findings as the rules make them.
#[derive(Default)]
pub(super) struct Findings {
    list: Vec<Lint>,
}

impl Findings {
    pub(super) fn error(&mut self, code: &'static str, place: Place, problem: String, remedy: impl Into<String>) {
        self.add(Severity::Error, code, place, problem, remedy.into());
    }

    pub(super) fn warning(&mut self, code: &'static str, place: Place, problem: String, remedy: impl Into<String>) {
        self.add(Severity::Warning, code, place, problem, remedy.into());
    }

    pub(super) fn hint(&mut self, code: &'static str, place: Place, problem: String, remedy: impl Into<String>) {
        self.add(Severity::Hint, code, place, problem, remedy.into());
    }

    fn add(&mut self, severity: Severity, code: &'static str, place: Place, problem: String, remedy: String) {
        self.list.push(Lint { severity, code, place, problem, remedy });
    }

    /// The worst first; else in the order in which they were found.
    pub(super) fn report(mut self) -> LintReport {
        self.list.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        LintReport { findings: self.list }
    }
}
