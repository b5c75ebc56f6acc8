//! The format of a case file, read into types. Whatever the format does not know is an error that says where it is.

use super::schema::{Place, canonical, check, event_fields, parameters};
use super::value;
use serde_json::{Map, Value as Json};

/// A case: a name, what it is about, and what to replay.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) about: String,
    pub(crate) body: Body,
}

/// What a case has to replay.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Scenario(Vec<Step>),
    Matrix(Matrix),
}

/// One thing that is done, and all that follows from it.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// `None` for `clock.advance` only.
    pub(crate) on: Option<On>,
    pub(crate) operation: String,
    pub(crate) with: Map<String, Json>,
    pub(crate) then: Vec<Event>,
}

/// A connection (`c1`) or one of its channels (`c1/a`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct On {
    pub(crate) connection: String,
    pub(crate) channel: Option<String>,
}

/// Something that happened on a connection or channel. The fields are canonical.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) on: String,
    pub(crate) event: String,
    pub(crate) fields: Map<String, Json>,
}

/// One exchange, one binding to each of many queues, and which message matches which.
#[derive(Clone, Debug)]
pub(crate) struct Matrix {
    pub(crate) exchange_type: &'static str,
    /// Routing key and arguments of each binding.
    pub(crate) bindings: Vec<(String, Json)>,
    pub(crate) messages: Vec<Probe>,
}

/// One message of a matrix.
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    pub(crate) routing_key: String,
    pub(crate) headers: Option<Json>,
    pub(crate) matches: Vec<usize>,
}

impl Case {
    /// Reads a case file.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let json: Json = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
        let entries = json.as_object().ok_or("a case is an object")?;
        let (name, about) = (text_of(entries, "name")?.to_owned(), text_of(entries, "about")?.to_owned());
        text_of(entries, "recorded_on")?;
        let body = match (entries.get("steps"), entries.get("matrix")) {
            (Some(steps), None) => Body::Scenario(parse_steps(steps)?),
            (None, Some(kind)) => Body::Matrix(parse_matrix(kind, entries)?),
            (Some(_), Some(_)) => return Err("a case has `steps` or `matrix`, not both".to_owned()),
            (None, None) => return Err("a case has `steps` or `matrix`; this has neither".to_owned()),
        };
        Ok(Self { name, about, body })
    }
}

impl Step {
    /// The step without its events, as it stands in the file.
    pub(crate) fn describe(&self) -> String {
        let mut entries = Map::new();
        if let Some(on) = &self.on {
            entries.insert("on".to_owned(), Json::from(on.label()));
        }
        entries.insert("do".to_owned(), Json::from(self.operation.as_str()));
        if !self.with.is_empty() {
            entries.insert("with".to_owned(), Json::Object(self.with.clone()));
        }
        Json::Object(entries).to_string()
    }
}

impl On {
    fn parse(text: &str) -> Result<Self, String> {
        let (connection, channel) = match text.split_once('/') {
            Some((connection, channel)) => (connection, Some(channel)),
            None => (text, None),
        };
        if connection.is_empty() || channel.is_some_and(|channel| channel.is_empty() || channel.contains('/')) {
            return Err(format!("'{text}' names no connection or channel: `c1` or `c1/a`"));
        }
        Ok(Self { connection: connection.to_owned(), channel: channel.map(str::to_owned) })
    }

    /// As it stands in the file.
    pub(crate) fn label(&self) -> String {
        match &self.channel {
            Some(channel) => format!("{}/{channel}", self.connection),
            None => self.connection.clone(),
        }
    }

    fn place(&self) -> Place {
        if self.channel.is_some() { Place::Channel } else { Place::Connection }
    }
}

impl Event {
    /// An event as the runner saw it; the fields must be canonical.
    pub(crate) fn new(on: impl Into<String>, event: impl Into<String>, fields: Map<String, Json>) -> Self {
        Self { on: on.into(), event: event.into(), fields }
    }

    /// As JSON, for people.
    pub(crate) fn describe(&self) -> String {
        let mut entries = Map::new();
        entries.insert("on".to_owned(), Json::from(self.on.as_str()));
        entries.insert("event".to_owned(), Json::from(self.event.as_str()));
        entries.extend(self.fields.clone());
        Json::Object(entries).to_string()
    }

    fn parse(json: &Json) -> Result<Self, String> {
        let entries = json.as_object().ok_or("an event is an object")?;
        let on = On::parse(text_of(entries, "on")?)?;
        let event = text_of(entries, "event")?;
        let (place, known) = event_fields(event).ok_or_else(|| format!("there is no event '{event}'"))?;
        if on.place() != place {
            return Err(format!("'{event}' on '{}': not of that kind", on.label()));
        }
        let mut fields = Map::new();
        for (name, field) in entries.iter().filter(|(name, _)| *name != "on" && *name != "event") {
            let kind =
                known.iter().find(|(known, _)| known == name).ok_or_else(|| format!("{event} has no '{name}'"))?;
            let field = canonical(kind.1, field).map_err(|why| format!("{event}, {name}: {why}"))?;
            fields.insert(name.clone(), field);
        }
        match known.iter().find(|(name, _)| !fields.contains_key(*name)) {
            Some((missing, _)) => Err(format!("{event} lacks '{missing}'")),
            None => Ok(Self::new(on.label(), event, fields)),
        }
    }
}

fn parse_steps(steps: &Json) -> Result<Vec<Step>, String> {
    let steps = steps.as_array().ok_or("`steps` is a list")?;
    if steps.is_empty() {
        return Err("`steps` is empty: nothing would be replayed".to_owned());
    }
    let numbered = steps.iter().enumerate();
    numbered.map(|(at, step)| parse_step(step).map_err(|why| format!("step {}: {why}", at + 1))).collect()
}

fn parse_step(json: &Json) -> Result<Step, String> {
    let entries = json.as_object().ok_or("a step is an object")?;
    if let Some(name) = entries.keys().find(|name| !["on", "do", "with", "then"].contains(&name.as_str())) {
        return Err(format!("a step has no '{name}'"));
    }
    let operation = text_of(entries, "do")?;
    let (place, known) = parameters(operation).ok_or_else(|| format!("there is no operation '{operation}'"))?;
    let on = match entries.get("on") {
        Some(on) => Some(On::parse(on.as_str().ok_or("`on` is a string")?)?),
        None => None,
    };
    if on.as_ref().map_or(Place::Nowhere, On::place) != place {
        return Err(format!("'{operation}' on {:?}: that is not where it is done", on.map(|on| on.label())));
    }
    let with = match entries.get("with") {
        Some(with) => with.as_object().cloned().ok_or("`with` is an object")?,
        None => Map::new(),
    };
    for (name, parameter) in &with {
        let kind = known.iter().find(|(known, _)| known == name);
        let kind = kind.ok_or_else(|| format!("{operation} has no parameter '{name}'"))?;
        check(kind.1, parameter).map_err(|why| format!("{operation}, {name}: {why}"))?;
    }
    let then = entries.get("then").ok_or("a step has `then`")?.as_array().ok_or("`then` is a list")?;
    let then = then.iter().enumerate();
    let then = then.map(|(at, event)| Event::parse(event).map_err(|why| format!("event {}: {why}", at + 1)));
    Ok(Step { on, operation: operation.to_owned(), with, then: then.collect::<Result<_, _>>()? })
}

fn parse_matrix(kind: &Json, entries: &Map<String, Json>) -> Result<Matrix, String> {
    let list = |name: &str| {
        let list = entries.get(name).and_then(Json::as_array).filter(|list| !list.is_empty());
        list.ok_or_else(|| format!("a matrix of this kind has `{name}`, a list that is not empty"))
    };
    let (exchange_type, bindings) = match kind.as_str() {
        Some("topic") => {
            let key =
                |key: &Json| Ok((key.as_str().ok_or("a pattern is a string")?.to_owned(), Json::Object(Map::new())));
            ("topic", list("patterns")?.iter().map(key).collect::<Result<Vec<_>, String>>()?)
        }
        Some("headers") => {
            let arguments = |json: &Json| value::table_from_json(json).map(|_| (String::new(), json.clone()));
            ("headers", list("bindings")?.iter().map(arguments).collect::<Result<Vec<_>, String>>()?)
        }
        _ => return Err(format!("a matrix is of `topic` or `headers`, not {kind}")),
    };
    let numbered = list("messages")?.iter().enumerate();
    let messages = numbered.map(|(at, json)| {
        parse_probe(json, exchange_type, bindings.len()).map_err(|why| format!("message {}: {why}", at + 1))
    });
    let messages = messages.collect::<Result<_, _>>()?;
    Ok(Matrix { exchange_type, bindings, messages })
}

fn parse_probe(json: &Json, exchange_type: &str, bindings: usize) -> Result<Probe, String> {
    let entries = json.as_object().ok_or("a message is an object")?;
    let (routing_key, headers) = if exchange_type == "topic" {
        (text_of(entries, "key")?.to_owned(), None)
    } else {
        let headers = entries.get("headers").ok_or("it lacks 'headers'")?;
        value::table_from_json(headers)?;
        (String::new(), Some(headers.clone()))
    };
    let matches = entries.get("matches").and_then(Json::as_array).ok_or("it lacks 'matches', a list")?;
    let number = |json: &Json| json.as_u64().and_then(|n| usize::try_from(n).ok()).filter(|n| *n < bindings);
    let matches = matches.iter().map(|json| number(json).ok_or_else(|| format!("{json} is no number of a binding")));
    let matches = matches.collect::<Result<Vec<_>, _>>()?;
    if !matches.is_sorted_by(|a, b| a < b) {
        return Err("'matches' is not sorted".to_owned());
    }
    Ok(Probe { routing_key, headers, matches })
}

fn text_of<'a>(entries: &'a Map<String, Json>, name: &str) -> Result<&'a str, String> {
    entries.get(name).and_then(Json::as_str).ok_or_else(|| format!("it lacks '{name}', a string"))
}
