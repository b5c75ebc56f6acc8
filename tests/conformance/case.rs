//! A case file, read into types: a scenario, whose steps are those of the library's traces, or a matrix. Whatever the format does not know is an error that says where it is.

use crate::trace::step::{Step, text_of};
use crate::trace::value;
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
            (Some(steps), None) => Body::Scenario(Step::parse_all(steps)?),
            (None, Some(kind)) => Body::Matrix(parse_matrix(kind, entries)?),
            (Some(_), Some(_)) => return Err("a case has `steps` or `matrix`, not both".to_owned()),
            (None, None) => return Err("a case has `steps` or `matrix`; this has neither".to_owned()),
        };
        Ok(Self { name, about, body })
    }
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
