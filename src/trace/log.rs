//! The log: takes down what is done and what follows, step by step.
//!
//! A step is opened, events come in, the step is closed. What comes while no step is open belongs to the last one, which
//! lasts until the broker has come to rest. Names that the broker made become placeholders; the times of deaths stand for
//! any time. What the format cannot say is taken out and listed.
//!
//! The log is bounded. When it is full it stops, rather than forget its beginning: without the declarations there the rest
//! could not be replayed.

use super::document::{Omitted, Trace};
use super::form::{WEIGHT, any_times, fault, readable, weigh_event, weigh_table};
use super::names::Made;
use super::order::normalise;
use super::proxy::Proxies;
use super::step::{Event, On, Step};
use crate::base::Moment;
use serde_json::{Map, Value as Json};
use std::collections::BTreeSet;

/// What was done to one broker.
#[derive(Debug)]
pub(crate) struct Log {
    most_bytes: usize,
    bytes: usize,
    state: State,
    steps: Vec<Step>,
    omitted: Vec<Omitted>,
    /// Steps that are under way: one, but for what is done by foreign code from within one.
    open: Vec<Open>,
    /// What came since the last step was closed.
    late: Vec<Event>,
    /// Whether somebody is receiving, and that alone.
    is_receiving: bool,
    /// Channels to which deliveries came by that.
    delayed: BTreeSet<String>,
    /// The milliseconds on the clock when the last step began.
    millis: u64,
    /// Whether the clock has stood between two milliseconds.
    has_fraction: bool,
    made: Made,
    connections: u64,
    pub(super) proxies: Proxies,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Of no broker yet.
    New,
    On,
    /// Full.
    Cut,
    /// The broker has ended.
    Ended,
}

/// A step that is under way.
#[derive(Debug, Default)]
struct Open {
    on: String,
    operation: &'static str,
    with: Map<String, Json>,
    reply: Option<Event>,
    arrived: Vec<Event>,
}

impl Log {
    /// A log of at most about so many bytes.
    pub(crate) fn new(most_bytes: usize) -> Self {
        Self {
            most_bytes,
            bytes: 0,
            state: State::New,
            steps: Vec::new(),
            omitted: Vec::new(),
            open: Vec::new(),
            late: Vec::new(),
            is_receiving: false,
            delayed: BTreeSet::new(),
            millis: 0,
            has_fraction: false,
            made: Made::default(),
            connections: 0,
            proxies: Proxies::default(),
        }
    }

    /// A broker begins to write. False where another has begun before: a log is of one broker.
    pub(crate) fn begin(&mut self, millis: u64) -> bool {
        let is_new = self.state == State::New;
        if is_new {
            (self.state, self.millis) = (State::On, millis);
        }
        is_new
    }

    /// The broker has ended: what follows is no client's doing.
    pub(crate) fn end(&mut self) {
        if self.state == State::On {
            self.settle_late();
            self.state = State::Ended;
        }
    }

    /// Whether it stopped because it was full.
    pub(crate) fn is_cut(&self) -> bool {
        self.state == State::Cut
    }

    /// The label of a new connection.
    pub(crate) fn next_connection(&mut self) -> String {
        self.connections += 1;
        format!("c{}", self.connections)
    }

    /// Opens a step.
    pub(crate) fn open(&mut self, on: &str, operation: &'static str, with: Map<String, Json>) {
        if self.open.is_empty() {
            self.settle_late();
        }
        self.open.push(Open { on: on.to_owned(), operation, with, ..Open::default() });
    }

    /// Says where the open step is, where that was not known.
    pub(crate) fn place(&mut self, on: &str) {
        if let Some(open) = self.open.last_mut() {
            on.clone_into(&mut open.on);
        }
    }

    /// The reply to the open step.
    pub(crate) fn reply(&mut self, event: &str, fields: Map<String, Json>) {
        if let Some(open) = self.open.last_mut() {
            open.reply = Some(Event::new(open.on.clone(), event, fields));
        }
    }

    /// Something happened.
    pub(crate) fn event(&mut self, on: &str, event: &str, fields: Map<String, Json>) {
        if self.state != State::On {
            return;
        }
        let event = Event::new(on, event, fields);
        match self.open.last_mut() {
            Some(open) => open.arrived.push(event),
            None => {
                if self.is_receiving {
                    self.delayed.insert(event.on.clone());
                }
                self.late.push(event);
            }
        }
    }

    /// Deliveries of the open step that a channel will not see.
    pub(crate) fn drop_deliveries(&mut self, on: &str) {
        if let Some(open) = self.open.last_mut() {
            open.arrived.retain(|event| event.on != on || event.event != "basic.deliver");
        }
    }

    /// Whether the open step has an event of this kind there.
    pub(crate) fn has_seen(&self, on: &str, event: &str) -> bool {
        self.open.last().is_some_and(|open| open.arrived.iter().any(|seen| seen.on == on && seen.event == event))
    }

    /// Closes the open step.
    pub(crate) fn close(&mut self) {
        let Some(open) = self.open.pop() else { return };
        if self.state != State::On {
            return;
        }
        let with = self.made.replace_table(&open.with);
        if let Some(why) = fault(open.operation, &with) {
            let what = format!("{} on {}: {why}", open.operation, open.on);
            return self.omit_with(what, open.reply, open.arrived);
        }
        let then = self.settled(open.reply, open.arrived);
        let on = On::parse(&open.on).ok();
        self.push(Step { on, operation: open.operation.to_owned(), with, then });
    }

    /// Closes the open step as one that the format cannot say.
    pub(crate) fn omit_step(&mut self, why: &str) {
        let Some(open) = self.open.pop() else { return };
        let what = format!("{} on {}: {why}", open.operation, open.on);
        self.omit_with(what, open.reply, open.arrived);
    }

    /// Forgets the open step: nothing was done. What came meanwhile belongs to the step before.
    pub(crate) fn forget_step(&mut self) {
        let Some(open) = self.open.pop() else { return };
        match self.open.last_mut() {
            Some(outer) => outer.arrived.extend(open.arrived),
            None => self.late.extend(open.arrived),
        }
    }

    /// Notes something that is no step at all.
    pub(crate) fn omit(&mut self, what: impl Into<String>) {
        if self.open.is_empty() {
            self.settle_late();
        }
        self.omit_with(what.into(), None, Vec::new());
    }

    /// Time begins to pass; what happens by it belongs to it.
    pub(crate) fn begin_time(&mut self) {
        self.open("", "clock.advance", Map::new());
    }

    /// Time has passed, until now.
    pub(crate) fn end_time(&mut self, now: Moment) {
        let millis = now.as_millis();
        if now != Moment::from_millis(millis) && !self.has_fraction {
            self.has_fraction = true;
            let what = "the clock was moved by a part of a millisecond; in a trace it moves by whole ones";
            self.note(what.to_owned(), Vec::new());
        }
        let passed = millis.saturating_sub(self.millis);
        if passed == 0 {
            return self.forget_step();
        }
        self.millis = millis;
        if let Some(open) = self.open.last_mut() {
            open.with.insert("ms".to_owned(), Json::from(passed));
        }
        self.close();
    }

    /// The trace so far.
    pub(crate) fn trace(&mut self) -> Trace {
        if self.open.is_empty() {
            self.settle_late();
        }
        Trace {
            name: "recorded".to_owned(),
            about: "Recorded from a running broker".to_owned(),
            recorded_on: concat!("leveret ", env!("CARGO_PKG_VERSION")).to_owned(),
            steps: self.steps.clone(),
            omitted: self.omitted.clone(),
            is_cut: self.is_cut(),
        }
    }

    /// Somebody receives, from which more may come, or does so no more.
    pub(crate) fn receiving(&mut self, is_receiving: bool) {
        self.is_receiving = is_receiving;
    }

    /// Notes channels whose deliveries waited, over more than one step, for earlier ones to be received. A replay receives at
    /// once.
    fn note_delayed(&mut self) {
        let last = self.steps.last().map_or(&[][..], |step| &step.then);
        let is_delayed =
            |label: &String| !last.iter().any(|event| event.on == *label && event.event == "basic.deliver");
        let delayed: Vec<String> = std::mem::take(&mut self.delayed).into_iter().filter(is_delayed).collect();
        for label in delayed {
            let what = format!("deliveries to {label} waited until earlier ones were received");
            self.note(what, Vec::new());
        }
    }

    /// Adds what came late to the step that it followed from.
    fn settle_late(&mut self) {
        if self.late.is_empty() {
            return;
        }
        self.note_delayed();
        let late = std::mem::take(&mut self.late);
        let late = self.settled(None, late);
        self.bytes += late.iter().map(weigh_event).sum::<usize>();
        match self.steps.last_mut() {
            Some(last) => last.then = normalise(None, std::mem::take(&mut last.then).into_iter().chain(late).collect()),
            None => self.omit_with("before the first step".to_owned(), None, late),
        }
    }

    /// Events in their order and form. Those that the format cannot say are listed as omitted.
    fn settled(&mut self, reply: Option<Event>, arrived: Vec<Event>) -> Vec<Event> {
        let mut then = Vec::new();
        for mut event in normalise(reply, arrived) {
            any_times(&mut event);
            self.made.bind(&mut event.fields);
            match readable(&event) {
                Ok(()) => then.push(event),
                Err(why) => {
                    let what = format!("{} on {}: {why}", event.event, event.on);
                    self.note(what, Vec::new());
                }
            }
        }
        then
    }

    fn omit_with(&mut self, what: String, reply: Option<Event>, arrived: Vec<Event>) {
        if self.state != State::On {
            return;
        }
        let then = self.settled(reply, arrived);
        self.note(what, then);
    }

    /// Lists something as omitted.
    fn note(&mut self, what: String, then: Vec<Event>) {
        let bytes = WEIGHT + what.len() + then.iter().map(weigh_event).sum::<usize>();
        if self.state == State::On && self.fits(bytes) {
            self.omitted.push(Omitted { step: self.steps.len(), what, then });
        }
    }

    fn push(&mut self, step: Step) {
        let with = weigh_table(&step.with);
        let bytes = WEIGHT + step.operation.len() + with + step.then.iter().map(weigh_event).sum::<usize>();
        if self.fits(bytes) {
            self.steps.push(step);
        }
    }

    /// Takes so many bytes more, or stops for ever.
    fn fits(&mut self, bytes: usize) -> bool {
        let fits = bytes <= self.most_bytes.saturating_sub(self.bytes);
        if fits {
            self.bytes += bytes;
        } else {
            self.state = State::Cut;
            self.open = Vec::new();
            self.late = Vec::new();
        }
        fits
    }
}
