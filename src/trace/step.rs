//! Steps and events: what is done, and what is seen of it. Read from JSON with nothing unknown let through, and written.

use super::schema::{Place, canonical, check, event_fields, parameters};
use serde_json::{Map, Value as Json};

/// One thing that is done, and all that follows from it.
#[derive(Clone, Debug, PartialEq)]
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

    /// Reads a list of steps that is not empty.
    pub(crate) fn parse_all(steps: &Json) -> Result<Vec<Self>, String> {
        let steps = steps.as_array().ok_or("`steps` is a list")?;
        if steps.is_empty() {
            return Err("`steps` is empty: nothing would be replayed".to_owned());
        }
        let numbered = steps.iter().enumerate();
        numbered.map(|(at, step)| Self::parse(step).map_err(|why| format!("step {}: {why}", at + 1))).collect()
    }

    fn parse(json: &Json) -> Result<Self, String> {
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
        let then = Event::parse_all(entries.get("then").ok_or("a step has `then`")?)?;
        Ok(Self { on, operation: operation.to_owned(), with, then })
    }
}

impl On {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
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
    /// An event as it was seen; the fields must be canonical.
    pub(crate) fn new(on: impl Into<String>, event: impl Into<String>, fields: Map<String, Json>) -> Self {
        Self { on: on.into(), event: event.into(), fields }
    }

    /// As JSON, for people.
    pub(crate) fn describe(&self) -> String {
        self.to_json().to_string()
    }

    /// As it stands in the file.
    pub(crate) fn to_json(&self) -> Json {
        let mut entries = Map::new();
        entries.insert("on".to_owned(), Json::from(self.on.as_str()));
        entries.insert("event".to_owned(), Json::from(self.event.as_str()));
        entries.extend(self.fields.clone());
        Json::Object(entries)
    }

    /// Reads a list of events.
    pub(crate) fn parse_all(then: &Json) -> Result<Vec<Self>, String> {
        let then = then.as_array().ok_or("`then` is a list")?.iter().enumerate();
        then.map(|(at, event)| Self::parse(event).map_err(|why| format!("event {}: {why}", at + 1))).collect()
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

/// The string of this name, which must be there.
pub(crate) fn text_of<'a>(entries: &'a Map<String, Json>, name: &str) -> Result<&'a str, String> {
    entries.get(name).and_then(Json::as_str).ok_or_else(|| format!("it lacks '{name}', a string"))
}
