//! The normal form of a trace, in which two are compared that say the same in other words.
//!
//! What a trace may choose: the names of connections and channels, the numbers of placeholders, whether a parameter that is
//! empty is said, how a body is written, whether the time of a death stands for any (a log cannot tell a time that a
//! publisher forged from one of the broker's), and whether the first opening of a connection or channel is a step of its own. The
//! texts of closes are for people.

use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;

/// The steps of a trace, in the normal form.
pub(crate) fn normal(trace: &str) -> Vec<Json> {
    let json: Json = serde_json::from_str(trace).unwrap();
    let mut names = Names::default();
    let steps = json["steps"].as_array().unwrap();
    steps.iter().filter_map(|step| names.step(step)).collect()
}

#[derive(Default)]
struct Names {
    /// Open connections by the names that the trace gives them.
    connections: BTreeMap<String, Connection>,
    count: usize,
    placeholders: BTreeMap<String, String>,
}

#[derive(Default)]
struct Connection {
    number: usize,
    channels: Vec<String>,
}

impl Names {
    fn step(&mut self, step: &Json) -> Option<Json> {
        let operation = step["do"].as_str().unwrap();
        let mut on = Json::Null;
        if let Some(label) = step.get("on").and_then(Json::as_str) {
            let (connection, channel) = label.split_once('/').map_or((label, None), |(a, b)| (a, Some(b)));
            self.open(connection);
            let known = &mut self.connections.get_mut(connection).unwrap().channels;
            if operation == "connection.open" {
                return None;
            }
            if let Some(channel) = channel
                && !known.iter().any(|known| known == channel)
            {
                known.push(channel.to_owned());
                if operation == "channel.open" {
                    return None;
                }
            }
            on = json!(self.label(label));
        }
        let mut with = Map::new();
        for (name, parameter) in step.get("with").and_then(Json::as_object).into_iter().flatten() {
            let parameter = self.replaced(&body(parameter), name == "body");
            let is_empty = [json!(""), json!(false), json!(0), json!({})].contains(&parameter);
            if !is_empty {
                with.insert(name.clone(), parameter);
            }
        }
        let mut then: Vec<(String, Json)> = Vec::new();
        for event in step["then"].as_array().unwrap() {
            let mut event = event.as_object().unwrap().clone();
            let label = self.label(event["on"].as_str().unwrap());
            if event["event"].as_str().unwrap().ends_with(".close") {
                event.remove("text");
            }
            event.remove("on");
            then.push((label, Json::Object(event)));
        }
        then.sort_by(|a, b| a.0.cmp(&b.0));
        let ended = then.iter().filter(|(_, event)| event["event"].as_str().unwrap().starts_with("connection.close"));
        for (label, _) in ended {
            self.connections.retain(|_, connection| format!("C{}", connection.number) != *label);
        }
        let then: Vec<Json> = then
            .into_iter()
            .map(|(on, event)| {
                let fields = event.as_object().unwrap();
                let fields: Map<String, Json> =
                    sorted(fields).map(|(name, field)| (name.clone(), self.replaced(field, name == "body"))).collect();
                json!([on, fields])
            })
            .collect();
        Some(json!({ "on": on, "do": operation, "with": with, "then": then }))
    }

    fn open(&mut self, name: &str) {
        if !self.connections.contains_key(name) {
            self.count += 1;
            let connection = Connection { number: self.count, channels: Vec::new() };
            self.connections.insert(name.to_owned(), connection);
        }
    }

    fn label(&self, label: &str) -> String {
        let (connection, channel) = label.split_once('/').map_or((label, None), |(a, b)| (a, Some(b)));
        let Connection { number, channels } = &self.connections[connection];
        match channel {
            None => format!("C{number}"),
            Some(name) => format!("C{number}/{}", channels.iter().position(|known| known == name).unwrap()),
        }
    }

    /// A value with the placeholders' new numbers.
    fn replaced(&mut self, json: &Json, is_body: bool) -> Json {
        match json {
            Json::String(text) if is_placeholder(text) && (!is_body || self.placeholders.contains_key(text)) => {
                let next = format!("{}#{}", &text[..2], self.placeholders.len());
                json!(self.placeholders.entry(text.clone()).or_insert(next))
            }
            Json::Array(items) => items.iter().map(|item| self.replaced(item, false)).collect(),
            Json::Object(entries) => {
                let entry = |(name, entry): (&String, &Json)| {
                    let is_time = name == "time" && entry.get("$timestamp").is_some();
                    let entry = if is_time { json!({ "$timestamp": "*" }) } else { self.replaced(entry, false) };
                    (name.clone(), entry)
                };
                Json::Object(sorted(entries).map(entry).collect())
            }
            _ => json.clone(),
        }
    }
}

fn sorted(entries: &Map<String, Json>) -> impl Iterator<Item = (&String, &Json)> {
    let mut entries: Vec<_> = entries.iter().collect();
    entries.sort_by_key(|(name, _)| *name);
    entries.into_iter()
}

fn is_placeholder(text: &str) -> bool {
    let number = text.strip_prefix("$q").or(text.strip_prefix("$t")).or(text.strip_prefix("$r"));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A body that is repeated or a zero byte, written out.
fn body(json: &Json) -> Json {
    if json.get("$base64").is_some_and(|bytes| bytes == "AA==") {
        return json!("\0");
    }
    match json.get("$repeat").and_then(Json::as_array).map(Vec::as_slice) {
        Some([Json::String(text), times]) => json!(text.repeat(usize::try_from(times.as_u64().unwrap()).unwrap())),
        _ => json.clone(),
    }
}
