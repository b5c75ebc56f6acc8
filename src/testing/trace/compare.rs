//! Comparing what was seen with what was expected.
//!
//! Names that the broker made are compared through placeholders. The texts of closes are not compared, but differences are
//! told.

use super::names::Names;
use crate::trace::step::Event;
use crate::trace::value;
use serde_json::Value as Json;
use std::collections::BTreeSet;

/// The publishes of one channel in confirm mode that are not confirmed yet.
#[derive(Debug, Default)]
pub(crate) struct Confirms {
    on: bool,
    published: u64,
    outstanding: BTreeSet<u64>,
}

/// A first difference between what was expected and what was seen.
#[derive(Debug, PartialEq)]
pub(crate) struct Difference {
    /// The event that differs, counted from 0.
    pub(crate) at: usize,
    pub(crate) why: String,
}

/// The texts of a close, where they differ.
#[derive(Debug, PartialEq)]
pub(crate) struct CloseText {
    pub(crate) expected: String,
    pub(crate) actual: String,
}

impl Confirms {
    /// From now on publishes are counted; again is no change.
    pub(crate) fn select(&mut self) {
        self.on = true;
    }

    /// A message was published.
    pub(crate) fn published(&mut self) {
        if self.on {
            self.published += 1;
            self.outstanding.insert(self.published);
        }
    }

    /// The publish numbers that a confirm stands for: `tag`, or with `multiple` all outstanding up to it, where 0 is
    /// all there are. A confirm of nothing that is outstanding stays in, for that is a mistake to be seen.
    pub(crate) fn settle(&mut self, tag: u64, multiple: bool) -> Vec<u64> {
        let covered = |number: &u64| tag == 0 || *number <= tag;
        let mut numbers = Vec::new();
        if multiple {
            numbers.extend(self.outstanding.iter().copied().take_while(covered));
        }
        if numbers.is_empty() {
            numbers.push(tag);
        }
        for number in &numbers {
            self.outstanding.remove(number);
        }
        numbers
    }
}

/// Compares normalised events; binds placeholders that appear for the first time. Gives the texts of closes that
/// differ, or the first difference that counts.
pub(crate) fn compare(expected: &[Event], actual: &[Event], names: &mut Names) -> Result<Vec<CloseText>, Difference> {
    let mut texts = Vec::new();
    for (at, pair) in expected.iter().zip(actual).enumerate() {
        match compare_event(pair.0, pair.1, names) {
            Ok(text) => texts.extend(text),
            Err(why) => return Err(Difference { at, why }),
        }
    }
    if expected.len() == actual.len() {
        return Ok(texts);
    }
    let why = format!("{} events expected, {} seen", expected.len(), actual.len());
    Err(Difference { at: expected.len().min(actual.len()), why })
}

/// Compares one event with the one expected in its place.
pub(crate) fn compare_event(expected: &Event, actual: &Event, names: &mut Names) -> Result<Option<CloseText>, String> {
    if (&expected.on, &expected.event) != (&actual.on, &actual.event) {
        return Err(format!("{} on {}, not {} on {}", actual.event, actual.on, expected.event, expected.on));
    }
    let is_close = expected.event.ends_with(".close");
    let mut text = None;
    for (name, field) in &expected.fields {
        let Some(seen) = actual.fields.get(name) else {
            return Err(format!("{name} is missing"));
        };
        if is_close && name == "text" {
            let texts = (field.as_str().unwrap_or_default(), seen.as_str().unwrap_or_default());
            let differ = texts.0 != texts.1;
            text = differ.then(|| CloseText { expected: texts.0.to_owned(), actual: texts.1.to_owned() });
        } else {
            compare_value(name, field, seen, names)?;
        }
    }
    match actual.fields.keys().find(|name| !expected.fields.contains_key(*name)) {
        Some(name) => Err(format!("{name} was not expected")),
        None => Ok(text),
    }
}

fn compare_value(path: &str, expected: &Json, actual: &Json, names: &mut Names) -> Result<(), String> {
    let differ = || Err(format!("{path} is {}, not {}", brief(actual), brief(expected)));
    match (expected, actual) {
        (Json::Object(_), Json::Object(_)) if value::is_any_time(expected) => {
            if value::is_time(actual) {
                Ok(())
            } else {
                differ()
            }
        }
        (Json::Object(expected), Json::Object(actual)) => {
            for (name, entry) in expected {
                match actual.get(name) {
                    Some(seen) => compare_value(&format!("{path}.{name}"), entry, seen, names)?,
                    None => return Err(format!("{path}.{name} is missing")),
                }
            }
            match actual.keys().find(|name| !expected.contains_key(*name)) {
                Some(name) => Err(format!("{path}.{name} was not expected")),
                None => Ok(()),
            }
        }
        (Json::Array(expected), Json::Array(actual)) if expected.len() == actual.len() => {
            let mut pairs = expected.iter().zip(actual).enumerate();
            pairs.try_for_each(|(at, pair)| compare_value(&format!("{path}[{at}]"), pair.0, pair.1, names))
        }
        (Json::String(expected), Json::String(actual)) => match names.compare(expected, actual, path == "body") {
            Ok(true) => Ok(()),
            Ok(false) => differ(),
            Err(why) => Err(format!("{path}: {why}")),
        },
        _ if expected == actual => Ok(()),
        _ => differ(),
    }
}

/// A value for one line of a report: cut where it is long.
pub(crate) fn brief(json: &Json) -> String {
    cut(&json.to_string(), 400)
}

/// The first characters of a text, with a note of how much was cut.
pub(crate) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}… ({} bytes)", text.get(..end).unwrap_or(text), text.len()),
        None => text.to_owned(),
    }
}

/// Both lists of events, line by line: `-` expected, `+` seen, unmarked the same.
pub(crate) fn diff(expected: &[Event], actual: &[Event], names: &Names) -> String {
    let same = |pair: &(&Event, &Event)| compare_event(pair.0, pair.1, &mut names.clone()).is_ok();
    let start = expected.iter().zip(actual).take_while(same).count();
    let (old, new) = (expected.get(start..).unwrap_or(&[]), actual.get(start..).unwrap_or(&[]));
    let end = old.iter().rev().zip(new.iter().rev()).take_while(same).count();
    let (old, tail) = old.split_at(old.len() - end);
    let new = new.get(..new.len() - end).unwrap_or(&[]);
    let head = expected.get(..start).unwrap_or(&[]);
    let mut lines = String::new();
    for (mark, events) in [(' ', head), ('-', old), ('+', new), (' ', tail)] {
        for event in events {
            lines.push_str(&format!("    {mark} {}\n", cut(&event.describe(), 2_000)));
        }
    }
    if lines.is_empty() { "      (no events)\n".to_owned() } else { lines }
}
