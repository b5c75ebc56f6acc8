//! Journeys, histories and fates as serde data: read by programs, in the words that people see.

use super::fate::Fate;
use super::history::History;
use super::journey::Journey;
use crate::base::Name;
use crate::port::Fact;
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};
use std::fmt::Display;

#[derive(Serialize)]
struct JourneyForm<'a> {
    number: u64,
    message_id: Option<&'a str>,
    correlation_id: Option<&'a str>,
    exchange: &'a str,
    routing_key: &'a str,
    begun_ns: u64,
    body_bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<OriginForm<'a>>,
    facts: Vec<FactForm<'a>>,
    #[serde(skip_serializing_if = "is_zero")]
    omitted: u64,
    fates: Vec<FateForm<'a>>,
}

#[derive(Serialize)]
struct OriginForm<'a> {
    journey: Option<u64>,
    queue: &'a str,
    reason: &'static str,
}

#[derive(Serialize)]
struct FactForm<'a> {
    number: u64,
    at_ns: u64,
    what: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<&'a str>,
    text: String,
}

#[derive(Serialize)]
struct FateForm<'a> {
    queue: Option<&'a str>,
    fate: &'static str,
    text: String,
    is_final: bool,
    is_loss: bool,
}

impl<'a> FactForm<'a> {
    fn of(fact: &'a Fact) -> Self {
        let queue = fact.queue.as_ref().map(Name::as_str);
        Self { number: fact.number, at_ns: fact.at.as_nanos(), what: fact.what.name(), queue, text: fact.to_string() }
    }
}

impl<'a> FateForm<'a> {
    fn of((queue, fate): (Option<&'a Name>, &Fate)) -> Self {
        let (queue, text) = (queue.map(Name::as_str), fate.to_string());
        Self { queue, fate: fate.name(), text, is_final: fate.is_final(), is_loss: fate.is_loss() }
    }
}

/// Its message, its facts and its fates, in words.
impl Serialize for Journey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let origin = self.origin().map(|origin| OriginForm {
            journey: origin.journey,
            queue: &origin.queue,
            reason: origin.reason.as_str(),
        });
        let form = JourneyForm {
            number: self.number(),
            message_id: self.message_id(),
            correlation_id: self.correlation_id(),
            exchange: self.exchange(),
            routing_key: self.routing_key(),
            begun_ns: self.begun().as_nanos(),
            body_bytes: self.message().body().len(),
            origin,
            facts: self.facts().iter().map(FactForm::of).collect(),
            omitted: self.omitted(),
            fates: self.fates().into_iter().map(FateForm::of).collect(),
        };
        form.serialize(serializer)
    }
}

/// What it is about, its journeys, and what was lost.
impl Serialize for History {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut form = serializer.serialize_struct("History", 3)?;
        form.serialize_field("about", self.about())?;
        form.serialize_field("journeys", self.journeys())?;
        form.serialize_field("losses", &self.losses())?;
        form.end()
    }
}

/// A value as its text.
pub(super) fn as_text<S: Serializer>(value: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}
