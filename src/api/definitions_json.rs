//! A JSON tree that knows where it stands, so that every error can say so; and what arguments are in JSON.

use super::definitions_error::{DefinitionsError, shown};
use crate::base::Name;
use crate::message::{Table, Value};
use serde_json::Value as Json;
use std::fmt;

/// The most entries one table of arguments may have: RabbitMQ's own files have a handful.
const MOST_ARGUMENTS: usize = 1_024;

/// A value in a file, and its path.
#[derive(Clone)]
pub(super) struct Node<'a> {
    json: &'a Json,
    path: String,
}

/// What reading gives.
pub(super) type Read<T> = Result<T, DefinitionsError>;

impl<'a> Node<'a> {
    pub(super) const fn root(json: &'a Json) -> Self {
        Self { json, path: String::new() }
    }

    /// Where it stands.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    fn below(&self, name: &str) -> String {
        match self.path.as_str() {
            "" => shown(name),
            path => format!("{path}.{}", shown(name)),
        }
    }

    /// The entries of an object, in the file's order.
    pub(super) fn entries(&self) -> Read<impl Iterator<Item = (&'a str, Self)>> {
        let Json::Object(map) = self.json else { return Err(self.not("an object")) };
        Ok(map.iter().map(|(name, json)| (name.as_str(), Self { json, path: self.below(name) })))
    }

    /// An entry of an object, if it is there and not null.
    pub(super) fn find(&self, name: &str) -> Read<Option<Self>> {
        let Json::Object(map) = self.json else { return Err(self.not("an object")) };
        let found = map.get(name).filter(|json| !json.is_null());
        Ok(found.map(|json| Self { json, path: self.below(name) }))
    }

    /// An entry of an object that must be there.
    pub(super) fn get(&self, name: &str) -> Read<Self> {
        self.find(name)?.ok_or_else(|| DefinitionsError::Missing { path: self.below(name) })
    }

    /// The elements of a list.
    pub(super) fn items(&self) -> Read<Vec<Self>> {
        let Json::Array(list) = self.json else { return Err(self.not("a list")) };
        let item = |(at, json)| Self { json, path: format!("{}[{at}]", self.path) };
        Ok(list.iter().enumerate().map(item).collect())
    }

    /// Whether there is nothing in it: an empty list or object, or null.
    pub(super) fn is_empty(&self) -> bool {
        match self.json {
            Json::Null => true,
            Json::Array(list) => list.is_empty(),
            Json::Object(map) => map.is_empty(),
            _ => false,
        }
    }

    /// How many elements or entries it has.
    pub(super) fn len(&self) -> usize {
        match self.json {
            Json::Array(list) => list.len(),
            Json::Object(map) => map.len(),
            _ => 1,
        }
    }

    pub(super) fn text(&self) -> Read<&'a str> {
        self.json.as_str().ok_or_else(|| self.not("text"))
    }

    /// Text that is short enough for a name or key.
    pub(super) fn name(&self) -> Read<Name> {
        Name::new(self.text()?).map_err(|error| DefinitionsError::Name { path: self.path.clone(), error })
    }

    pub(super) fn boolean(&self) -> Read<bool> {
        self.json.as_bool().ok_or_else(|| self.not("true or false"))
    }

    pub(super) fn integer(&self) -> Read<i64> {
        match self.json {
            Json::Number(number) => number.as_i64().ok_or_else(|| self.no_integer(number)),
            _ => Err(self.not("a whole number")),
        }
    }

    /// A table of arguments. An empty list stands for an empty table, as Erlang writes one.
    pub(super) fn table(&self) -> Read<Table> {
        if matches!(self.json, Json::Array(list) if list.is_empty()) {
            return Ok(Table::new());
        }
        if self.len() > MOST_ARGUMENTS {
            return Err(DefinitionsError::TooMany { path: self.path.clone(), limit: MOST_ARGUMENTS });
        }
        let mut table = Table::new();
        for (name, node) in self.entries()? {
            table.insert(name, node.value()?);
        }
        Ok(table)
    }

    /// A field value, by RabbitMQ's own translation from JSON.
    fn value(&self) -> Read<Value> {
        Ok(match self.json {
            Json::Null => Value::Void,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(number) => match number.as_i64() {
                Some(whole) => Value::I64(whole),
                None if number.is_u64() => return Err(self.no_integer(number)),
                None => Value::F64(number.as_f64().ok_or_else(|| self.no_integer(number))?),
            },
            Json::String(text) => Value::text(text),
            Json::Array(_) => Value::Array(self.items()?.iter().map(Self::value).collect::<Read<_>>()?),
            Json::Object(_) => Value::Table(self.table()?),
        })
    }

    fn no_integer(&self, number: &serde_json::Number) -> DefinitionsError {
        DefinitionsError::Number { path: self.path.clone(), number: shown(&number.to_string()) }
    }

    /// The error of what stands here not being what must.
    pub(super) fn not(&self, expected: &'static str) -> DefinitionsError {
        let found = match self.json {
            Json::Null => "null",
            Json::Bool(_) => "a boolean",
            Json::Number(_) => "a number",
            Json::String(_) => "text",
            Json::Array(_) => "a list",
            Json::Object(_) => "an object",
        };
        let path = if self.path.is_empty() { "the file".into() } else { self.path.clone() };
        DefinitionsError::Type { path, expected, found }
    }
}

/// The JSON text of what stands here.
impl fmt::Display for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.json, f)
    }
}

/// A table of arguments in JSON, by RabbitMQ's own translation.
pub(super) fn table_to_json(table: &Table) -> Json {
    table_below(table, MOST_LEVELS)
}

/// How many levels of a value are written; what lies deeper is null. A reader takes 128, those of the file included.
const MOST_LEVELS: usize = 100;

fn table_below(table: &Table, left: usize) -> Json {
    Json::Object(table.iter().map(|(name, value)| (name.to_owned(), value_below(value, left))).collect())
}

/// A field value in JSON. What JSON cannot say becomes what is nearest to it.
pub(super) fn to_json(value: &Value) -> Json {
    value_below(value, MOST_LEVELS)
}

fn value_below(value: &Value, left: usize) -> Json {
    match value {
        Value::Array(_) | Value::Table(_) if left == 0 => Json::Null,
        Value::Void => Json::Null,
        Value::Bool(value) => (*value).into(),
        Value::I8(number) => (*number).into(),
        Value::U8(number) => (*number).into(),
        Value::I16(number) => (*number).into(),
        Value::U16(number) => (*number).into(),
        Value::I32(number) => (*number).into(),
        Value::U32(number) => (*number).into(),
        Value::I64(number) => (*number).into(),
        Value::Timestamp(seconds) => (*seconds).into(),
        // No JSON number: null.
        Value::F32(number) => f64::from(*number).into(),
        Value::F64(number) => (*number).into(),
        Value::Decimal(scale, digits) => (f64::from(*digits) / 10_f64.powi(i32::from(*scale))).into(),
        Value::LongString(bytes) | Value::ByteArray(bytes) => String::from_utf8_lossy(bytes).into_owned().into(),
        Value::Array(values) => Json::Array(values.iter().map(|value| value_below(value, left - 1)).collect()),
        Value::Table(table) => table_below(table, left - 1),
    }
}
