//! The trace as a document: its steps with a name, and what could not be said in it.

use super::step::{Event, Step, text_of};
use serde_json::{Map, Value as Json, json};
use std::fmt;

/// What was done to a broker, step by step, and what followed: recorded by a [`TraceLog`](crate::TraceLog), or read from
/// JSON.
///
/// The format is that of this crate's conformance traces (`tests/conformance/README.md` in its repository), so the same
/// file can be replayed here, by `Trace::replay` (feature `testing`), and by a runner that speaks to a RabbitMQ. It
/// holds what clients do and see; what it has no words for is listed by [`omitted`](Trace::omitted).
///
/// ```
/// use leveret::Trace;
///
/// let trace: Trace = Trace::parse(r#"{"name": "purge", "about": "an empty queue", "recorded_on": "RabbitMQ 4.0.5", "steps": [
///     {"on": "c1/a", "do": "queue.declare", "with": {"queue": "q"}, "then": [
///         {"on": "c1/a", "event": "queue.declare-ok", "queue": "q", "message_count": 0, "consumer_count": 0}]}]}"#)?;
/// assert_eq!((trace.name(), trace.len()), ("purge", 1));
/// assert!(trace.is_complete());
/// # Ok::<(), leveret::TraceError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    pub(super) name: String,
    pub(super) about: String,
    pub(super) recorded_on: String,
    pub(super) steps: Vec<Step>,
    pub(super) omitted: Vec<Omitted>,
    pub(super) is_cut: bool,
}

/// Something that was done and that the format of traces has no words for.
#[derive(Clone, Debug, PartialEq)]
pub struct Omitted {
    pub(super) step: usize,
    pub(super) what: String,
    pub(super) then: Vec<Event>,
}

/// Why a trace was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceError {
    what: String,
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this is no trace: {}", self.what)
    }
}

impl std::error::Error for TraceError {}

impl Trace {
    /// Reads a trace from JSON.
    ///
    /// # Errors
    ///
    /// [`TraceError`], which says what is wrong and where: what is not JSON, and everything that the format does not know.
    pub fn parse(text: &str) -> Result<Self, TraceError> {
        Self::read(text).map_err(|what| TraceError { what })
    }

    fn read(text: &str) -> Result<Self, String> {
        let json: Json = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
        let entries = json.as_object().ok_or("a trace is an object")?;
        let text = |name: &str| text_of(entries, name).map(str::to_owned);
        let steps = Step::parse_all(entries.get("steps").ok_or("a trace has `steps`")?)?;
        let omitted = match entries.get("omitted") {
            None => Vec::new(),
            Some(list) => {
                let list = list.as_array().ok_or("`omitted` is a list")?.iter();
                list.map(Omitted::parse).collect::<Result<_, _>>()?
            }
        };
        let is_cut = entries.get("cut").is_some_and(|cut| cut == true);
        let (name, about, recorded_on) = (text("name")?, text("about")?, text("recorded_on")?);
        Ok(Self { name, about, recorded_on, steps, omitted, is_cut })
    }

    /// The trace as JSON, one line for each step and event, in the very form of the conformance cases. Beside their fields
    /// it has `omitted` and `cut`, where there is such.
    #[must_use]
    pub fn to_json(&self) -> String {
        let head = |name: &str, text: &str| format!(" {}: {},\n", Json::from(name), Json::from(text));
        let mut out = String::from("{\n");
        out += &head("name", &self.name);
        out += &head("about", &self.about);
        out += &head("recorded_on", &self.recorded_on);
        if self.is_cut {
            out += " \"cut\": true,\n";
        }
        if !self.omitted.is_empty() {
            let lines: Vec<String> = self.omitted.iter().map(|omitted| format!("  {}", omitted.to_json())).collect();
            out += &format!(" \"omitted\": [\n{}\n ],\n", lines.join(",\n"));
        }
        let steps: Vec<String> = self.steps.iter().map(line).collect();
        out += &format!(" \"steps\": [\n{}\n ]\n}}\n", steps.join(",\n"));
        out
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is about.
    #[must_use]
    pub fn about(&self) -> &str {
        &self.about
    }

    /// What it was recorded on.
    #[must_use]
    pub fn recorded_on(&self) -> &str {
        &self.recorded_on
    }

    /// Names it, and says what it is about.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>, about: impl Into<String>) -> Self {
        (self.name, self.about) = (name.into(), about.into());
        self
    }

    /// How many steps it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether it has no step. Such a one is written, but not read again: it would show nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether the log was full: what came after the last step is not in it.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// What was done and is not among the steps, in its order.
    #[must_use]
    pub fn omitted(&self) -> &[Omitted] {
        &self.omitted
    }

    /// Whether everything that was done is in it.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        !self.is_cut && self.omitted.is_empty()
    }

    /// The steps.
    #[allow(dead_code)] // For the replay, which is a feature of its own.
    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }
}

impl Omitted {
    /// After how many steps it was done.
    #[must_use]
    pub fn after_step(&self) -> usize {
        self.step
    }

    /// What it was, in words.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    fn to_json(&self) -> Json {
        let mut entries = Map::new();
        entries.insert("after_step".to_owned(), json!(self.step));
        entries.insert("what".to_owned(), json!(self.what));
        if !self.then.is_empty() {
            entries.insert("then".to_owned(), self.then.iter().map(Event::to_json).collect());
        }
        Json::Object(entries)
    }

    fn parse(json: &Json) -> Result<Self, String> {
        let entries = json.as_object().ok_or("what is omitted is an object")?;
        let step = entries.get("after_step").and_then(Json::as_u64).and_then(|step| usize::try_from(step).ok());
        let then = entries.get("then").map_or_else(|| Ok(Vec::new()), Event::parse_all)?;
        let what = text_of(entries, "what")?.to_owned();
        Ok(Self { step: step.ok_or("what is omitted lacks `after_step`")?, what, then })
    }
}

impl fmt::Display for Omitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "after step {}: {}", self.step, self.what)
    }
}

/// A step as it stands in a file: its events on lines of their own.
fn line(step: &Step) -> String {
    let head = step.describe();
    let head = head.strip_suffix('}').unwrap_or(&head);
    if step.then.is_empty() {
        return format!("  {head},\"then\":[]}}");
    }
    let events: Vec<String> = step.then.iter().map(|event| format!("   {}", event.describe())).collect();
    format!("  {head},\"then\":[\n{}\n  ]}}", events.join(",\n"))
}
