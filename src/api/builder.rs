//! How a broker is made: its clock, its limits, and who drives time.

use super::broker::Broker;
use super::recorder::Recorder;
use crate::base::Limits;
use crate::engine::Engine;
use crate::engine::facts::Ear;
use crate::port::{Clock, ManualClock, SystemClock, Tap};
use std::sync::Arc;

/// Makes a [`Broker`].
///
/// ```
/// use leveret::{Broker, Limits};
///
/// let mut limits = Limits::default();
/// limits.ready_messages = 10_000;
/// let broker = Broker::builder().limits(limits).manual_time().build();
/// assert_eq!(broker.limits().ready_messages, 10_000);
/// ```
#[derive(Debug)]
#[must_use]
pub struct Builder {
    limits: Limits,
    clock: Option<Arc<dyn Clock>>,
    manual: Option<ManualClock>,
    threaded: bool,
    taps: Vec<Arc<dyn Tap>>,
    recorder: Option<Recorder>,
}

impl Builder {
    pub(super) fn new() -> Self {
        let (limits, taps) = (Limits::default(), Vec::new());
        Self { limits, clock: None, manual: None, threaded: true, taps, recorder: None }
    }

    /// Sets the bounds.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Takes a manual clock of its own, which [`Broker::advance`] moves. No thread is ever started.
    pub fn manual_time(self) -> Self {
        self.manual_clock(ManualClock::new())
    }

    /// Takes this manual clock, which [`Broker::advance`] moves. No thread is ever started.
    pub fn manual_clock(mut self, clock: ManualClock) -> Self {
        self.clock = Some(Arc::new(clock.clone()));
        self.manual = Some(clock);
        self.threaded = false;
        self
    }

    /// Takes a clock of the caller's. No thread is started, since only the caller knows how to wait on this clock: call
    /// [`Broker::run_due`] when [`Broker::next_deadline`] has come.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Some(Arc::new(clock));
        self.manual = None;
        self.threaded = false;
        self
    }

    /// Starts no thread: the caller drives time with [`Broker::next_deadline`] and [`Broker::run_due`].
    pub fn drive_manually(mut self) -> Self {
        self.threaded = false;
        self
    }

    /// Has this tap hear of everything that the broker does. Several are told one after the other.
    ///
    /// A broker with a tap does the same as one without, more slowly: it carries out every acknowledgement at once.
    pub fn tap(mut self, tap: impl Tap + 'static) -> Self {
        self.taps.push(Arc::new(tap));
        self
    }

    /// Has this recorder remember where every message goes; [`Broker::history`] asks it. The last one given counts. A
    /// recorder records one broker, the first that is built with it; a later one goes unrecorded.
    pub fn record(mut self, recorder: Recorder) -> Self {
        self.recorder = Some(recorder);
        self
    }

    /// Makes the broker.
    #[must_use]
    pub fn build(mut self) -> Broker {
        let recorder = self.recorder.take().filter(Recorder::claim);
        // Before all others, which may ask it.
        self.taps.splice(0..0, recorder.clone().map(|recorder| Arc::new(recorder) as Arc<dyn Tap>));
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock::new()));
        let ear = (!self.taps.is_empty()).then(|| Ear::new(self.taps, Arc::clone(&clock)));
        let engine = Engine::new(self.limits, clock, self.manual, self.threaded, ear);
        if let Some(recorder) = &recorder {
            recorder.attach(&engine);
        }
        Broker::of(engine, recorder)
    }
}
