//! Placeholders: `$q1`, `$t1`, `$r1` and so on stand for names that the broker made.
//!
//! A log gives each such name the next placeholder of its kind when an event first shows it; from then on it stands for that
//! name, in events and in parameters.

use serde_json::{Map, Value as Json};
use std::collections::{BTreeMap, BTreeSet};

/// The kinds of placeholders and how the names begin that they may stand for.
pub(crate) const KINDS: [(char, &str); 3] = [('q', "amq.gen-"), ('t', "amq.ctag-"), ('r', "amq.rabbitmq.reply-to.")];

/// The names that a broker made, as a log saw them, with their placeholders.
#[derive(Clone, Debug, Default)]
pub(crate) struct Made {
    bound: BTreeMap<String, String>,
    /// How many of each kind.
    counts: [u64; KINDS.len()],
    /// Names of such kinds that a client came up with itself.
    given: BTreeSet<String>,
}

impl Made {
    /// Puts placeholders into the fields of an event, new ones for names that were not seen before. A body is one only
    /// where it is a known name.
    pub(crate) fn bind(&mut self, fields: &mut Map<String, Json>) {
        for (name, field) in fields {
            if name != "body" {
                self.bind_value(field);
            } else if let Some(known) = self.known(field) {
                *field = known;
            }
        }
    }

    /// The parameters with placeholders for the names that are known. A name that no event has shown before is the
    /// client's own, and stays what it is.
    pub(crate) fn replace_table(&mut self, with: &Map<String, Json>) -> Map<String, Json> {
        with.iter().map(|(name, parameter)| (name.clone(), self.replace(parameter))).collect()
    }

    fn replace(&mut self, json: &Json) -> Json {
        match json {
            Json::String(text) => self.known(json).unwrap_or_else(|| {
                if KINDS.iter().any(|(_, prefix)| text.starts_with(prefix)) {
                    self.given.insert(text.clone());
                }
                json.clone()
            }),
            Json::Array(items) => items.iter().map(|item| self.replace(item)).collect(),
            Json::Object(entries) => Json::Object(self.replace_table(entries)),
            _ => json.clone(),
        }
    }

    fn known(&self, json: &Json) -> Option<Json> {
        self.bound.get(json.as_str()?).map(|placeholder| Json::from(placeholder.as_str()))
    }

    /// The placeholder of a name, if the broker makes such names.
    fn placeholder(&mut self, name: &str) -> Option<&str> {
        if self.given.contains(name) {
            return None;
        }
        let mut kinds = KINDS.iter().zip(&mut self.counts);
        let ((kind, _), count) = kinds.find(|((_, prefix), _)| name.starts_with(prefix))?;
        let placeholder = self.bound.entry(name.to_owned()).or_insert_with(|| {
            *count += 1;
            format!("${kind}{count}")
        });
        Some(placeholder)
    }

    fn bind_value(&mut self, json: &mut Json) {
        match json {
            Json::String(name) => {
                if let Some(placeholder) = self.placeholder(name) {
                    *json = Json::from(placeholder);
                }
            }
            Json::Array(items) => items.iter_mut().for_each(|item| self.bind_value(item)),
            Json::Object(entries) => entries.values_mut().for_each(|entry| self.bind_value(entry)),
            _ => {}
        }
    }
}
