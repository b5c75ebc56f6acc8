//! The runner: replays a scenario on a fresh broker with a clock that only `clock.advance` moves.
//!
//! Connections and channels open when they are first named. A channel that was closed keeps its closed handle, so that
//! whatever is done on it is that mistake; only `channel.open` puts a new one in its place. After each step all channels
//! are polled, round by round, until a whole round brings nothing.

use super::adapter::{self, Arrival, Outcome, Parameters};
use super::compare::{self, CloseText, Confirms};
use super::names::Names;
use crate::api::{Broker, Channel, Close, Connection};
use crate::trace::order::{confirms_event, normalise};
use crate::trace::step::{Event, On, Step};
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// More events than this in one step, and the broker is not coming to rest.
const MOST_EVENTS: usize = 1_000_000;

/// How far a scenario came.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// How many events were compared.
    pub(crate) events: usize,
    /// Texts of closes that were compared, equal or not.
    pub(crate) closes: usize,
    /// Where they differ: step, and both texts.
    pub(crate) texts: Vec<(usize, CloseText)>,
}

/// The first step that went otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Stopped {
    /// Counted from 1, and of how many.
    pub(crate) step: usize,
    pub(crate) of: usize,
    /// The step without its events.
    pub(crate) operation: String,
    pub(crate) why: String,
    /// What was expected and seen, where the step was carried out, and both side by side.
    pub(crate) expected: Vec<String>,
    pub(crate) seen: Vec<String>,
    pub(crate) diff: Option<String>,
}

/// A broker and the connections to it, under the names that the trace gives them.
struct Stage {
    broker: Broker,
    connections: BTreeMap<String, Line>,
}

/// One connection. Channels are dropped before it.
struct Line {
    channels: BTreeMap<String, Wire>,
    last_id: u16,
    connection: Connection,
}

/// One channel.
struct Wire {
    id: u16,
    channel: Channel,
    open: bool,
    confirms: Confirms,
}

/// What a poll of one channel gave.
enum Polled {
    Nothing,
    /// Something, which was noted.
    Seen,
    Closed(Close),
}

/// What one step brought.
#[derive(Default)]
struct Seen {
    reply: Option<Event>,
    arrived: Vec<Event>,
}

/// Replays a scenario on a broker that is new and whose clock is moved by it alone, up to the first difference.
pub(crate) fn replay(broker: Broker, steps: &[Step]) -> Result<Report, Box<Stopped>> {
    let mut stage = Stage { broker, connections: BTreeMap::new() };
    let mut names = Names::default();
    let mut report = Report::default();
    for (at, step) in steps.iter().enumerate() {
        let stopped = |why: String| {
            let (expected, operation) = (step.then.iter().map(Event::describe).collect(), step.describe());
            let (step, of) = (at + 1, steps.len());
            Box::new(Stopped { step, of, operation, why, expected, seen: Vec::new(), diff: None })
        };
        let seen = stage.perform(step, &names).map_err(stopped)?;
        let actual = normalise(seen.reply, seen.arrived);
        match compare::compare(&step.then, &actual, &mut names) {
            Ok(texts) => report.texts.extend(texts.into_iter().map(|text| (at + 1, text))),
            Err(difference) => {
                let mut stopped = stopped(format!("event {}: {}", difference.at + 1, difference.why));
                stopped.seen = actual.iter().map(Event::describe).collect();
                stopped.diff = Some(compare::diff(&step.then, &actual, &names));
                return Err(stopped);
            }
        }
        report.events += step.then.len();
        report.closes += step.then.iter().filter(|event| event.event.ends_with(".close")).count();
    }
    Ok(report)
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "step {} of {}: {}\n  {}", self.step, self.of, self.operation, self.why)?;
        match &self.diff {
            Some(diff) => write!(f, "  - expected, + actual:\n{diff}"),
            None => Ok(()),
        }
    }
}

impl Stage {
    /// Carries out one step and collects all that follows.
    fn perform(&mut self, step: &Step, names: &Names) -> Result<Seen, String> {
        let with = names.resolve(&step.with)?;
        let mut seen = Seen::default();
        match &step.on {
            None => {
                let millis = with.get("ms").and_then(Json::as_u64).ok_or("clock.advance without ms")?;
                self.broker.advance(Duration::from_millis(millis));
            }
            Some(On { connection, channel: None }) => self.on_connection(connection, &step.operation, &mut seen)?,
            Some(On { connection, channel: Some(channel) }) => {
                self.on_channel(connection, channel, step, &Parameters(&with), &mut seen)?;
            }
        }
        self.drain(&mut seen)?;
        Ok(seen)
    }

    fn on_connection(&mut self, name: &str, operation: &str, seen: &mut Seen) -> Result<(), String> {
        self.line(name)?;
        if operation == "connection.close"
            && let Some(line) = self.connections.remove(name)
        {
            line.connection.close();
            seen.reply = Some(Event::new(name, "connection.close-ok", Map::new()));
        }
        Ok(())
    }

    fn on_channel(
        &mut self,
        name: &str,
        channel: &str,
        step: &Step,
        with: &Parameters<'_>,
        seen: &mut Seen,
    ) -> Result<(), String> {
        let label = format!("{name}/{channel}");
        let line = self.line(name)?;
        if step.operation == "channel.open" {
            match line.reopen(channel) {
                Ok(()) => seen.reply = Some(Event::new(label, "channel.open-ok", Map::new())),
                Err(close) => self.closed(name, channel, &close, seen),
            }
            return Ok(());
        }
        if !line.channels.contains_key(channel) {
            line.reopen(channel).map_err(|close| format!("channel {label} does not open: {close}"))?;
        }
        let Some(wire) = line.channels.get_mut(channel) else {
            return Err(format!("channel {label} is lost"));
        };
        match adapter::perform(&wire.channel, &step.operation, with) {
            Outcome::Reply(event, fields) => {
                wire.replied(event);
                seen.reply = Some(Event::new(label, event, fields));
            }
            Outcome::Silent if step.operation == "basic.publish" => wire.confirms.published(),
            Outcome::Silent => {}
            Outcome::Closed(close) => self.closed(name, channel, &close, seen),
            Outcome::Refused(why) => return Err(format!("refused, which RabbitMQ does not do: {why}")),
        }
        Ok(())
    }

    /// The open connection of this name.
    fn line(&mut self, name: &str) -> Result<&mut Line, String> {
        if !self.connections.contains_key(name) {
            let connection = self.broker.connect().map_err(|close| format!("{name} does not connect: {close}"))?;
            let line = Line { channels: BTreeMap::new(), last_id: 0, connection };
            self.connections.insert(name.to_owned(), line);
        }
        self.connections.get_mut(name).ok_or_else(|| format!("connection {name} is lost"))
    }

    /// A channel or its connection was closed. What arrived on a channel before its close comes before it.
    fn closed(&mut self, name: &str, channel: &str, close: &Close, seen: &mut Seen) {
        if adapter::ends_connection(close) {
            self.last_words(name, seen);
            seen.arrived.push(Event::new(name, "connection.close", adapter::close_fields(close)));
            return;
        }
        let was_open = self.is_open(name, channel);
        while self.poll(name, channel, seen) {}
        // The poll tells of the close too, as the last thing; a channel that was closed already is polled no more.
        if !was_open || self.is_open(name, channel) {
            let label = format!("{name}/{channel}");
            seen.arrived.push(Event::new(label, "channel.close", adapter::close_fields(close)));
        }
        if let Some(wire) = self.wire(name, channel) {
            wire.open = false;
        }
    }

    /// Takes a connection away that has ended. What came to its channels before its end still counts.
    fn last_words(&mut self, name: &str, seen: &mut Seen) {
        let Some(mut line) = self.connections.remove(name) else { return };
        for (channel, wire) in line.channels.iter_mut().filter(|(_, wire)| wire.open) {
            while let Polled::Seen = wire.poll(&format!("{name}/{channel}"), seen) {}
        }
    }

    fn wire(&mut self, name: &str, channel: &str) -> Option<&mut Wire> {
        self.connections.get_mut(name)?.channels.get_mut(channel)
    }

    fn is_open(&mut self, name: &str, channel: &str) -> bool {
        self.wire(name, channel).is_some_and(|wire| wire.open)
    }

    /// Polls all open channels until a whole round brings nothing.
    fn drain(&mut self, seen: &mut Seen) -> Result<(), String> {
        loop {
            let mut quiet = true;
            for (name, channel) in self.open_channels() {
                while self.poll(&name, &channel, seen) {
                    quiet = false;
                    if seen.arrived.len() > MOST_EVENTS {
                        return Err(format!("more than {MOST_EVENTS} events: the broker does not come to rest"));
                    }
                }
            }
            self.notice_ended(seen);
            if quiet {
                return Ok(());
            }
        }
    }

    fn open_channels(&self) -> Vec<(String, String)> {
        let lines = self.connections.iter();
        let open = lines.flat_map(|(name, line)| {
            let channels = line.channels.iter().filter(|(_, wire)| wire.open);
            channels.map(move |(channel, _)| (name.clone(), channel.clone()))
        });
        open.collect()
    }

    /// Takes one event from a channel; `false` where it has none.
    fn poll(&mut self, name: &str, channel: &str, seen: &mut Seen) -> bool {
        let Some(wire) = self.wire(name, channel).filter(|wire| wire.open) else { return false };
        let label = format!("{name}/{channel}");
        match wire.poll(&label, seen) {
            Polled::Nothing => return false,
            Polled::Seen => {}
            Polled::Closed(close) if adapter::ends_connection(&close) => self.closed(name, channel, &close, seen),
            Polled::Closed(close) => {
                wire.open = false;
                seen.arrived.push(Event::new(label, "channel.close", adapter::close_fields(&close)));
            }
        }
        true
    }

    /// Connections that ended without a word on any of their channels.
    fn notice_ended(&mut self, seen: &mut Seen) {
        self.connections.retain(|name, line| {
            let Some(close) = line.connection.closed() else { return true };
            seen.arrived.push(Event::new(name, "connection.close", adapter::close_fields(&close)));
            false
        });
    }
}

impl Line {
    /// Opens a channel, anew or for the first time. On one that is open this is the mistake that it is.
    fn reopen(&mut self, channel: &str) -> Result<(), Close> {
        let id = self.channels.get(channel).map_or(self.last_id + 1, |wire| wire.id);
        let opened = self.connection.open_channel_with_id(id)?;
        self.last_id = self.last_id.max(id);
        let wire = Wire { id, channel: opened, open: true, confirms: Confirms::default() };
        self.channels.insert(channel.to_owned(), wire);
        Ok(())
    }
}

impl Wire {
    /// Takes one event and notes it, unless it is the end.
    fn poll(&mut self, label: &str, seen: &mut Seen) -> Polled {
        let Some(arrival) = adapter::poll(&self.channel) else { return Polled::Nothing };
        seen.arrived.push(match arrival {
            Arrival::Event(event, fields) => Event::new(label, event, fields),
            Arrival::Ack { tag, multiple } => confirms_event(label, &self.confirms.settle(tag, multiple), &[]),
            Arrival::Nack { tag, multiple } => confirms_event(label, &[], &self.confirms.settle(tag, multiple)),
            Arrival::Closed(close) => return Polled::Closed(close),
        });
        Polled::Seen
    }

    /// What a reply changes for the runner.
    fn replied(&mut self, event: &str) {
        match event {
            "confirm.select-ok" => self.confirms.select(),
            "channel.close-ok" => self.open = false,
            _ => {}
        }
    }
}
