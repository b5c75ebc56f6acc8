//! Recording: what clients do to this broker is written to a log, one thing at a time.
//!
//! With a log, operations take turns, so that every event belongs to the one that caused it. Nobody is woken and nothing
//! foreign is freed before the turn is over.
//!
//! Time stands still during a turn and between turns. A clock that runs by itself is followed by one that the broker moves:
//! each turn begins by moving it, from deadline to deadline, up to the whole millisecond that it is. So a replay, whose
//! clock is moved by the same milliseconds, sees every deadline at the very moment and in the very place where it was.

use super::Engine;
use super::waiter::Deferred;
use crate::base::Moment;
use crate::base::sync::{Mutex, Rank, Through, Turnstile};
use crate::message::{Properties, Table};
use crate::port::{Clock, ManualClock};
pub(crate) use crate::trace::Key;
use crate::trace::{Log, Trace, value};
use serde_json::{Map, Value as Json};
use std::fmt;
use std::sync::Arc;

/// Where a broker writes down what is done to it, up to a bound of memory; see [`Builder::trace`](crate::Builder::trace).
///
/// A log is of one broker: the first that is built with it. Clones are the same log. It holds about `most_bytes` at most,
/// bodies included; when that is reached it stops, for good, and the trace says that it is [cut](Trace::is_cut). What comes
/// first is kept, since without the first declarations nothing after them could be replayed.
///
/// # What is in a trace
///
/// Every method of a [`Connection`](crate::Connection) and [`Channel`](crate::Channel) is a step, on `c1`, `c2` and so on and
/// their channels `c1/a`, `c1/b`; with its reply, its close, and whatever came to any channel because of it, received or not.
///
/// The plain API is written down as the channels that would do the same, on the connection `plain`: each
/// [`Publisher`](crate::Publisher) as a channel in confirm mode (`plain/p1`), whose ack or nack is what the publish gave;
/// each [`Consumer`](crate::Consumer) as a channel with one consumer (`plain/k1`), whose deliveries are settled by their tags;
/// what the broker does once as `plain/calls`, and what it fetches as `plain/gets`. An error is a close of such a channel,
/// which is opened again before its next use. A topology is its declarations, one by one. A send that waits is written down
/// when it gets through.
///
/// Time that passes is `clock.advance`, in milliseconds. Names that the broker made are placeholders, and the times in
/// `x-death` stand for any time.
///
/// # What is not
///
/// [`Trace::omitted`] lists what was done and cannot be said: policies; a shutdown; users other than `guest`; what met the
/// broker's own bounds; names that are too long; header values that are not UTF-8; a manual clock between two milliseconds;
/// and deliveries that waited, over several steps, for a consumer that had `Limits::undrained_deliveries` to receive. A step
/// of the replay can go otherwise where such a thing mattered. `peek` and statistics change nothing and are not written.
///
/// ```
/// use leveret::{Broker, Message, QueueDeclare, TraceLog};
///
/// let log = TraceLog::new(16 << 20);
/// let broker = Broker::builder().trace(&log).build();
/// broker.declare_queue(&QueueDeclare::new("orders"))?;
/// broker.publish("", "orders", Message::new("one"))?;
///
/// let trace = log.trace();
/// assert!(trace.is_complete());
/// assert!(trace.to_json().contains("basic.publish"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TraceLog {
    log: Arc<Mutex<Log>>,
}

impl TraceLog {
    /// An empty log of at most about so many bytes.
    #[must_use]
    pub fn new(most_bytes: usize) -> Self {
        Self { log: Arc::new(Mutex::new(Rank::Leaf, Log::new(most_bytes))) }
    }

    /// What was done so far. The log goes on.
    #[must_use]
    pub fn trace(&self) -> Trace {
        self.log.lock().trace()
    }

    /// Whether the log is full: nothing is written any more.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.log.lock().is_cut()
    }
}

impl fmt::Debug for TraceLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceLog").field("is_cut", &self.is_cut()).finish_non_exhaustive()
    }
}

/// The log of a broker, and whose turn it is.
#[derive(Debug)]
pub(crate) struct Recording {
    log: TraceLog,
    turns: Turnstile,
    /// The clock that runs by itself, where the broker's own follows one.
    real: Option<Arc<dyn Clock>>,
}

/// A turn: nobody else does anything while it lasts.
pub(crate) struct Turn<'a> {
    // Dropped in this order: whoever is woken finds the turn over.
    _through: Through<'a>,
    _deferred: Deferred,
}

/// The clock of a broker that is recorded: it follows another, and stands still in between.
#[derive(Debug)]
struct Following {
    shown: ManualClock,
    real: Arc<dyn Clock>,
}

impl Clock for Following {
    fn now(&self) -> Moment {
        self.shown.now()
    }

    fn unix_seconds(&self, moment: Moment) -> u64 {
        self.real.unix_seconds(moment)
    }
}

/// The clock that a recorded broker goes by where `real` runs by itself, and the hand that moves it.
pub(crate) fn following(real: &Arc<dyn Clock>) -> (Arc<dyn Clock>, ManualClock) {
    let shown = ManualClock::new();
    shown.set(whole_millis(real.now()));
    (Arc::new(Following { shown: shown.clone(), real: Arc::clone(real) }), shown)
}

impl Recording {
    /// Begins to write into `log` for a broker that goes by `clock`; `None` where the log is another's.
    pub(crate) fn begin(log: &TraceLog, clock: &dyn Clock, real: Option<Arc<dyn Clock>>) -> Option<Arc<Self>> {
        let is_first = log.log.lock().begin(clock.now().as_millis());
        is_first.then(|| Arc::new(Self { log: log.clone(), turns: Turnstile::new(), real }))
    }

    /// Waits for a turn. What is due by then has happened.
    pub(crate) fn turn(&self, engine: &Engine) -> Turn<'_> {
        let _deferred = Deferred::begin();
        let turn = Turn { _through: self.turns.pass(), _deferred };
        if !turn._through.is_first() {
            // Foreign code that an operation of this thread has run.
            return turn;
        }
        self.with(Log::begin_time);
        match &self.real {
            Some(real) => drop(engine.advance_to(whole_millis(real.now()))),
            None => engine.run_due(),
        }
        self.with(|log| log.end_time(engine.clock.now()));
        turn
    }

    /// Does something that is no operation; what follows belongs to the last one.
    pub(crate) fn aside<T>(&self, engine: &Engine, work: impl FnOnce() -> T) -> T {
        let _turn = self.turn(engine);
        self.with(|log| log.receiving(true));
        let done = work();
        self.with(|log| log.receiving(false));
        done
    }

    /// Moves a manual clock in a turn of its own.
    pub(crate) fn advance_to(&self, engine: &Engine, target: Moment) -> bool {
        let _turn = self.turn(engine);
        self.with(Log::begin_time);
        let moved = self.real.is_none() && engine.advance_to(target);
        self.with(|log| log.end_time(engine.clock.now()));
        moved
    }

    /// The clock by which whoever waits is to wait.
    pub(crate) fn real(&self) -> Option<&Arc<dyn Clock>> {
        self.real.as_ref()
    }

    /// The broker ends.
    pub(crate) fn end(&self) {
        self.with(Log::end);
    }

    /// The label of a new connection.
    pub(crate) fn next_connection(&self) -> String {
        self.with(Log::next_connection)
    }

    /// Opens a step.
    pub(crate) fn open(&self, on: &str, operation: &'static str, with: With) {
        self.with(|log| log.open(on, operation, with.fields));
    }

    /// Says where the open step is.
    pub(crate) fn place(&self, on: &str) {
        self.with(|log| log.place(on));
    }

    /// The reply to the open step.
    pub(crate) fn reply(&self, event: &str, fields: With) {
        self.with(|log| log.reply(event, fields.fields));
    }

    /// Something happened.
    pub(crate) fn event(&self, on: &str, event: &str, fields: With) {
        self.with(|log| log.event(on, event, fields.fields));
    }

    /// Whether the open step has such an event already.
    pub(crate) fn has_seen(&self, on: &str, event: &str) -> bool {
        self.with(|log| log.has_seen(on, event))
    }

    /// Closes the open step.
    pub(crate) fn close(&self) {
        self.with(Log::close);
    }

    /// Closes the open step as one that cannot be said.
    pub(crate) fn omit_step(&self, why: &str) {
        self.with(|log| log.omit_step(why));
    }

    /// Forgets the open step.
    pub(crate) fn forget_step(&self) {
        self.with(Log::forget_step);
    }

    /// Notes something that cannot be said.
    pub(crate) fn omit(&self, what: &str) {
        self.with(|log| log.omit(what));
    }

    /// The label of a new proxy.
    pub(crate) fn next_proxy(&self, kind: char) -> String {
        self.with(|log| log.next_proxy(kind))
    }

    /// A proxy is about to be used.
    pub(crate) fn ready(&self, label: &str) {
        self.with(|log| log.ready(label));
    }

    /// A proxy is to be one that has not published yet.
    pub(crate) fn renew(&self, label: &str) {
        self.with(|log| log.renew(label));
    }

    /// A proxy is about to publish; gives the number of that.
    pub(crate) fn ready_to_publish(&self, label: &str) -> u64 {
        self.with(|log| log.ready_to_publish(label))
    }

    /// The publish that a proxy was about to make did not happen.
    pub(crate) fn take_back_publish(&self, label: &str) {
        self.with(|log| log.take_back_publish(label));
    }

    /// A mistake has closed a proxy.
    pub(crate) fn lost(&self, label: &str) {
        self.with(|log| log.lost(label));
    }

    /// The tag of a delivery to a proxy.
    pub(crate) fn delivered(&self, label: &str, key: Option<Key>) -> u64 {
        self.with(|log| log.delivered(label, key))
    }

    /// The tag of what a proxy settles.
    pub(crate) fn settled(&self, label: &str, key: Key) -> Option<u64> {
        self.with(|log| log.settled_tag(label, key))
    }

    /// The tag up to which a proxy settles all that it has, if these are that.
    pub(crate) fn settled_up_to(&self, label: &str, keys: &[Key]) -> Option<u64> {
        self.with(|log| log.settled_up_to(label, keys))
    }

    /// Nobody uses a proxy any more.
    pub(crate) fn forget(&self, label: &str) {
        self.with(|log| log.forget_proxy(label));
    }

    fn with<T>(&self, work: impl FnOnce(&mut Log) -> T) -> T {
        work(&mut self.log.log.lock())
    }
}

/// Whoever sees what comes to one channel.
#[derive(Clone, Debug)]
pub(crate) struct Witness {
    pub(crate) recording: Arc<Recording>,
    pub(crate) label: Arc<str>,
}

impl Witness {
    /// Something came.
    pub(crate) fn event(&self, event: &str, fields: With) {
        self.recording.event(&self.label, event, fields);
    }

    /// Deliveries of this step will not be received.
    pub(crate) fn drop_deliveries(&self) {
        self.recording.with(|log| log.drop_deliveries(&self.label));
    }
}

/// The parameters of an operation or the fields of an event, by their names in the format.
#[derive(Debug, Default)]
pub(crate) struct With {
    fields: Map<String, Json>,
    /// Whether what is empty by its kind is left out.
    brief: bool,
}

impl With {
    /// Parameters: what is empty is left out.
    pub(crate) fn parameters() -> Self {
        Self { fields: Map::new(), brief: true }
    }

    /// Fields: all are there.
    pub(crate) fn fields() -> Self {
        Self::default()
    }

    pub(crate) fn text(&mut self, name: &str, text: &str) -> &mut Self {
        self.put(name, text.into(), text.is_empty())
    }

    pub(crate) fn flag(&mut self, name: &str, flag: bool) -> &mut Self {
        self.put(name, flag.into(), !flag)
    }

    pub(crate) fn number(&mut self, name: &str, number: u64) -> &mut Self {
        self.put(name, number.into(), number == 0)
    }

    pub(crate) fn numbers(&mut self, name: &str, numbers: &[u64]) -> &mut Self {
        self.put(name, numbers.into(), numbers.is_empty())
    }

    pub(crate) fn arguments(&mut self, arguments: &Table) -> &mut Self {
        if self.brief && arguments.is_empty() {
            return self;
        }
        self.put("arguments", value::table_to_json(arguments), false)
    }

    pub(crate) fn message(&mut self, properties: &Properties, body: &[u8]) -> &mut Self {
        let json = value::properties_to_json(properties);
        let is_plain = json.as_object().is_some_and(Map::is_empty);
        self.put("properties", json, is_plain);
        self.put("body", value::body_to_json(body), body.is_empty())
    }

    /// Whether something of this name is said.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    fn put(&mut self, name: &str, json: Json, is_empty: bool) -> &mut Self {
        if !(self.brief && is_empty) {
            self.fields.insert(name.to_owned(), json);
        }
        self
    }
}

fn whole_millis(moment: Moment) -> Moment {
    Moment::from_millis(moment.as_millis())
}
