//! The replay of a trace, and what it says.

use super::run::{self, Stopped};
use crate::api::Builder;
use crate::trace::Trace;
use std::fmt;

/// What a replay that went as recorded has compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplayReport {
    /// Steps that were done.
    pub steps: usize,
    /// Events that were the same.
    pub events: usize,
    /// Closes of channels and connections whose text differed; everything else of them was the same. Texts are for people
    /// and not compared.
    pub other_texts: usize,
}

/// The first step of a replay that went otherwise than recorded.
///
/// Its `Display` shows the step and both lists of events, line by line: `-` was expected, `+` was seen.
#[derive(Clone, Debug)]
pub struct Divergence {
    // Behind a pointer, so that a result is small.
    inner: Box<Inner>,
}

#[derive(Clone, Debug)]
struct Inner {
    stopped: Stopped,
    omitted: Vec<String>,
}

impl Trace {
    /// Does the steps of the trace on a new broker with a clock that only `clock.advance` moves, and compares all that
    /// follows from each with what followed when it was recorded.
    ///
    /// The broker is made by `builder`, whose clock is replaced; its limits should be those of the broker that was recorded.
    /// Names that the broker made may differ, each standing for its own; the times of deaths and the texts of closes are not
    /// compared.
    ///
    /// # Errors
    ///
    /// [`Divergence`] at the first step from which something else followed.
    ///
    /// ```
    /// use leveret::{Broker, Message, Overflow, Queue, Topology, TraceLog};
    ///
    /// let log = TraceLog::new(1 << 20);
    /// let production = Broker::builder().trace(&log).build();
    /// production.declare(&Topology::new().queue(Queue::new("orders").max_length(1, Overflow::RejectPublish)))?;
    /// production.publish("", "orders", Message::new("one"))?;
    /// assert!(production.publish("", "orders", Message::new("two")).is_err());
    ///
    /// let report = log.trace().replay(Broker::builder())?;
    /// assert_eq!(report.steps, log.trace().len());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn replay(&self, builder: Builder) -> Result<ReplayReport, Divergence> {
        let replayed = run::replay(builder.manual_time().build(), self.steps());
        let report = replayed.map_err(|stopped| Divergence::new(self, *stopped))?;
        Ok(ReplayReport { steps: self.len(), events: report.events, other_texts: report.texts.len() })
    }
}

impl Divergence {
    fn new(trace: &Trace, stopped: Stopped) -> Self {
        let omitted = trace.omitted().iter().map(ToString::to_string).collect();
        Self { inner: Box::new(Inner { stopped, omitted }) }
    }

    /// The step that went otherwise, counted from 1.
    #[must_use]
    pub fn step(&self) -> usize {
        self.inner.stopped.step
    }

    /// How many steps the trace has.
    #[must_use]
    pub fn of(&self) -> usize {
        self.inner.stopped.of
    }

    /// What was done, as JSON.
    #[must_use]
    pub fn operation(&self) -> &str {
        &self.inner.stopped.operation
    }

    /// What was otherwise, in words.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.inner.stopped.why
    }

    /// The events that were expected, each as JSON.
    #[must_use]
    pub fn expected(&self) -> &[String] {
        &self.inner.stopped.expected
    }

    /// The events that were seen, each as JSON. Empty where the step could not be done.
    #[must_use]
    pub fn seen(&self) -> &[String] {
        &self.inner.stopped.seen
    }
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { stopped, omitted } = &*self.inner;
        stopped.fmt(f)?;
        if !omitted.is_empty() {
            writeln!(f, "  the trace has no words for all that was done, which may be why:")?;
        }
        omitted.iter().try_for_each(|omitted| writeln!(f, "    {omitted}"))
    }
}

impl std::error::Error for Divergence {}
