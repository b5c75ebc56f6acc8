//! How large a table is: fields, bytes and levels, counted without recursion, since its depth is the user's.

use super::message::InvalidMessage;
use super::value::{Table, Value};
use crate::base::{Limits, Name};

/// Refuses a table that has more fields, bytes or levels than it may.
pub(crate) fn check_table(table: &Table, limits: &Limits) -> Result<(), InvalidMessage> {
    let too_many = |what, limit| Err(InvalidMessage::Headers { what, limit });
    let (mut fields, mut bytes) = (0_usize, 0_usize);
    let levels = limits.header_depth.min(MOST_LEVELS);
    let mut open = vec![(1, Nested::Table(table))];
    while let Some((depth, nested)) = open.pop() {
        if depth > levels {
            return too_many("levels", levels);
        }
        for (name, value) in nested.entries() {
            if name.len() > Name::MAX_BYTES {
                return too_many("bytes in a name", Name::MAX_BYTES);
            }
            fields += 1;
            bytes = bytes.saturating_add(field_bytes(name, value));
            open.extend(Nested::within(value).map(|inner| (depth + 1, inner)));
        }
        if fields > limits.header_fields {
            return too_many("fields", limits.header_fields);
        }
        if bytes > limits.header_bytes {
            return too_many("bytes", limits.header_bytes);
        }
    }
    Ok(())
}

/// How many bytes of names and values a table has, as [`Limits::header_bytes`] counts them.
pub(crate) fn table_bytes(table: &Table) -> usize {
    let mut bytes = 0_usize;
    let mut open = vec![Nested::Table(table)];
    while let Some(nested) = open.pop() {
        for (name, value) in nested.entries() {
            bytes = bytes.saturating_add(field_bytes(name, value));
            open.extend(Nested::within(value));
        }
    }
    bytes
}

/// A field without what it holds in turn.
fn field_bytes(name: &str, value: &Value) -> usize {
    let text = match value {
        Value::LongString(text) | Value::ByteArray(text) => text.len(),
        _ => 8,
    };
    name.len().saturating_add(text)
}

/// The most levels whatever the limit is: comparing bindings and writing definitions recurse.
const MOST_LEVELS: usize = 128;

/// A value that holds values.
enum Nested<'a> {
    Table(&'a Table),
    Array(&'a [Value]),
}

impl<'a> Nested<'a> {
    /// This value, where it holds values.
    fn within(value: &'a Value) -> Option<Self> {
        match value {
            Value::Array(items) => Some(Self::Array(items)),
            Value::Table(table) => Some(Self::Table(table)),
            _ => None,
        }
    }

    /// What it holds, with its names where it has names.
    fn entries(&self) -> Box<dyn Iterator<Item = (&'a str, &'a Value)> + 'a> {
        match *self {
            Self::Table(table) => Box::new(table.iter()),
            Self::Array(items) => Box::new(items.iter().map(|item| ("", item))),
        }
    }
}
