//! How a broker is made: its clock, its limits, and who drives time.

use super::broker::Broker;
use super::recorder::Recorder;
use crate::base::Limits;
use crate::engine::Engine;
use crate::engine::Recording;
#[cfg(feature = "serde")]
use crate::engine::TraceLog;
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
    #[cfg(feature = "serde")]
    log: Option<TraceLog>,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            limits: Limits::default(),
            clock: None,
            manual: None,
            threaded: true,
            taps: Vec::new(),
            recorder: None,
            #[cfg(feature = "serde")]
            log: None,
        }
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

    /// Has everything that is done to the broker written to `log`, with all that follows from it, so that it can be
    /// replayed as a test (feature `serde`; the replay is `Trace::replay`, feature `testing`).
    ///
    /// A broker without a log pays nothing for this. One with a log is slower: operations take turns, whatever thread they
    /// come from, and batches are carried out one message at a time. A clock that runs by itself counts in whole
    /// milliseconds, so that what expired between two operations expires there in the replay as well.
    ///
    /// A log of which another broker was built is not written to.
    ///
    /// ```
    /// use leveret::{Broker, QueueDeclare, TraceLog};
    ///
    /// let log = TraceLog::new(1 << 20);
    /// let broker = Broker::builder().trace(&log).build();
    /// broker.connect()?.open_channel()?.queue_declare(&QueueDeclare::new("orders"))?;
    /// std::fs::write(std::env::temp_dir().join("incident.json"), log.trace().to_json())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "serde")]
    pub fn trace(mut self, log: &TraceLog) -> Self {
        self.log = Some(log.clone());
        self
    }

    #[cfg(feature = "serde")]
    fn build_recorded(self, log: &TraceLog, clock: Arc<dyn Clock>) -> Broker {
        let (real, clock, manual) = match &self.manual {
            Some(manual) => (None, clock, manual.clone()),
            None => {
                let (shown, manual) = crate::engine::recording::following(&clock);
                (Some(clock), shown, manual)
            }
        };
        match Recording::begin(log, &*clock, real.clone()) {
            Some(recording) => self.build_with(clock, Some(manual), Some(recording)),
            None => {
                let (clock, manual) = (real.unwrap_or(clock), self.manual.clone());
                self.build_with(clock, manual, None)
            }
        }
    }

    /// Makes the broker.
    #[must_use]
    pub fn build(self) -> Broker {
        let clock = self.clock.clone().unwrap_or_else(|| Arc::new(SystemClock::new()));
        #[cfg(feature = "serde")]
        if let Some(log) = self.log.clone() {
            return self.build_recorded(&log, clock);
        }
        let manual = self.manual.clone();
        self.build_with(clock, manual, None)
    }

    fn build_with(
        mut self,
        clock: Arc<dyn Clock>,
        manual: Option<ManualClock>,
        recording: Option<Arc<Recording>>,
    ) -> Broker {
        let recorder = self.recorder.take().filter(Recorder::claim);
        // Before all others, which may ask it.
        self.taps.splice(0..0, recorder.clone().map(|recorder| Arc::new(recorder) as Arc<dyn Tap>));
        let ear = (!self.taps.is_empty()).then(|| Ear::new(self.taps, Arc::clone(&clock)));
        let engine = Engine::new(self.limits, clock, manual, self.threaded, ear, recording);
        if let Some(recorder) = &recorder {
            recorder.attach(&engine);
        }
        Broker::of(engine, recorder)
    }
}
