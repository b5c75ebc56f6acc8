//! Histories: what became of some messages, as text, as data and as a drawing.

use super::draw;
use super::fate::Fate;
use super::journey::Journey;
use super::words;
use crate::base::{Moment, Name};
use crate::message::Envelope;
use crate::port::Fact;
use std::fmt;

/// The way of one message or several, across all their deaths: the journeys of those that match what was asked for, in
/// the order in which they began.
///
/// `Display` is the whole story as text, the same for the same broker calls; with feature `serde` it can be serialized;
/// [`to_mermaid`](History::to_mermaid) draws it.
///
/// ```
/// use leveret::{Broker, Exchange, Message, Queue, Recorder, Topology};
///
/// let recorder = Recorder::default();
/// let broker = Broker::builder().manual_time().record(recorder.clone()).build();
/// let orders = Queue::new("orders").dead_letter_exchange("dead");
/// broker.declare(&Topology::new().exchange(Exchange::fanout("dead")).queue(orders)
///     .queue(Queue::new("parked").bind("dead", "")))?;
/// broker.publish("", "orders", Message::new("{}").message_id("o-1"))?;
/// broker.get("orders")?.ok_or("one is ready")?.reject();
///
/// let history = recorder.history("o-1").ok_or("it was published")?;
/// assert_eq!(history.to_string(), "\
/// history of message id 'o-1': 1 message, 1 dead letter
/// #1 'o-1' published to '' with key 'orders'
///   0 ms: published to '' with key 'orders', for 'orders'
///   0 ms: enqueued in 'orders'
///   0 ms: delivered from 'orders' by get, attempt 1
///   0 ms: died in 'orders': rejected
///   0 ms: dead-lettered from 'orders' (rejected) to 'dead' with key 'orders', for 'parked'
///   fate in 'orders': dead-lettered (rejected) to 'dead' with key 'orders'
/// #2 'o-1' died as #1 in 'orders' (rejected)
///   0 ms: enqueued in 'parked'
///   fate in 'parked': ready
/// ");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct History {
    about: String,
    journeys: Vec<Journey>,
}

impl History {
    /// The history of these; `None` where there are none.
    pub(super) fn of(about: String, journeys: Vec<Journey>) -> Option<Self> {
        (!journeys.is_empty()).then_some(Self { about, journeys })
    }

    /// The journeys: one for each message, dead letters included.
    #[must_use]
    pub fn journeys(&self) -> &[Journey] {
        &self.journeys
    }

    /// Everything that happened to all of them, in the order in which it happened.
    #[must_use]
    pub fn facts(&self) -> Vec<Fact> {
        let mut facts: Vec<Fact> = self.journeys.iter().flat_map(Journey::facts).cloned().collect();
        facts.sort_by_key(|fact| fact.number);
        facts
    }

    /// What became of each: exactly one fate for each message and queue.
    pub fn fates(&self) -> impl Iterator<Item = (&Journey, Option<&Name>, &Fate)> {
        let fates = |journey| Journey::fates(journey).into_iter().map(move |(queue, fate)| (journey, queue, fate));
        self.journeys.iter().flat_map(fates)
    }

    /// Whether nothing more can happen to any of them.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.journeys.iter().all(Journey::is_finished)
    }

    /// What was lost, and why, in words. Empty where nothing was.
    #[must_use]
    pub fn losses(&self) -> Vec<String> {
        self.losses_with(|_| None)
    }

    /// As [`losses`](History::losses). Of a message that no queue is bound for, `nearest` may say a sentence on the binding
    /// that it just missed.
    pub fn losses_with(&self, nearest: impl Fn(&Envelope) -> Option<String>) -> Vec<String> {
        let losses = (1..).zip(&self.journeys).flat_map(|(at, journey)| {
            let nearest = &nearest;
            journey.fates().into_iter().filter_map(move |(queue, fate)| {
                let nearest = matches!(fate, Fate::Unroutable).then(|| nearest(journey.message())).flatten();
                let words = words::of_fate(journey, queue.map_or("", Name::as_str), fate, nearest.as_deref())?;
                Some(format!("#{at} is lost: {words}"))
            })
        });
        losses.collect()
    }

    /// The story as text, with a sentence of `nearest` as [`losses_with`](History::losses_with) has it.
    pub fn to_text_with(&self, nearest: impl Fn(&Envelope) -> Option<String>) -> String {
        let mut text = String::new();
        // Writing into a text does not fail.
        let _ = self.write(&mut text, nearest);
        text
    }

    /// The story as a sequence diagram for [Mermaid](https://mermaid.js.org): publishers, exchanges, queues and consumers,
    /// and what went between them, in order.
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        draw::sequence(self)
    }

    /// What it is the history of.
    #[must_use]
    pub fn about(&self) -> &str {
        &self.about
    }

    /// The place of a journey in the story, from 1, by its number.
    pub(super) fn place(&self, number: u64) -> Option<usize> {
        Some(self.journeys.iter().position(|journey| journey.number() == number)? + 1)
    }

    fn write(&self, f: &mut impl fmt::Write, nearest: impl Fn(&Envelope) -> Option<String>) -> fmt::Result {
        let letters = self.journeys.iter().filter(|journey| journey.origin().is_some()).count();
        let (messages, about) = (self.journeys.len() - letters, &self.about);
        write!(f, "history of {about}: {messages} {}", plural(messages, "message"))?;
        if letters > 0 {
            write!(f, ", {letters} {}", plural(letters, "dead letter"))?;
        }
        writeln!(f)?;
        for (at, journey) in (1..).zip(&self.journeys) {
            self.write_journey(f, at, journey)?;
        }
        self.losses_with(nearest).iter().try_for_each(|loss| writeln!(f, "{loss}"))
    }

    fn write_journey(&self, f: &mut impl fmt::Write, at: usize, journey: &Journey) -> fmt::Result {
        let id = journey.message_id().map(|id| format!(" '{id}'")).unwrap_or_default();
        match journey.origin() {
            None => {
                writeln!(f, "#{at}{id} published to '{}' with key '{}'", journey.exchange(), journey.routing_key())?;
            }
            Some(origin) => {
                let before = origin.journey.and_then(|number| self.place(number));
                let before = before.map(|before| format!(" as #{before}")).unwrap_or_default();
                writeln!(f, "#{at}{id} died{before} in '{}' ({})", origin.queue, origin.reason)?;
            }
        }
        let half = journey.facts().len() / 2;
        for (place, fact) in journey.facts().iter().enumerate() {
            if place == half && journey.omitted() > 0 {
                writeln!(f, "  ({} more)", journey.omitted())?;
            }
            writeln!(f, "  {} ms: {fact}", millis(fact.at))?;
        }
        for (queue, fate) in journey.fates() {
            match queue {
                Some(queue) => writeln!(f, "  fate in '{queue}': {fate}")?,
                None => writeln!(f, "  fate: {fate}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, |_| None)
    }
}

/// Milliseconds, with what is left of them where there is something.
fn millis(at: Moment) -> String {
    let rest = at.as_nanos() % 1_000_000;
    match rest {
        0 => at.as_millis().to_string(),
        _ => format!("{}.{rest:06}", at.as_millis()).trim_end_matches('0').to_owned(),
    }
}

fn plural(count: usize, what: &str) -> String {
    if count == 1 { what.to_owned() } else { format!("{what}s") }
}
