//! Copying, comparing, showing and dropping values that hold values, without recursion.
//!
//! How deep a value is nested is the choice of whoever built it, and the stack is not. So what concerns all levels works
//! from a list of what is still to be done. A flat value costs no more than it would without: the list takes memory only
//! once there is something in it.

use super::value::{List, Table, Value};
use std::fmt;
use std::sync::Arc;

/// How many levels of a value are shown.
const SHOWN_LEVELS: usize = 32;

/// An entry of a table.
pub(super) type Entry = (Arc<str>, Value);

/// What is to be copied, and where to.
enum Copy<'a> {
    List(&'a [Value], &'a mut Vec<Value>),
    Table(&'a [Entry], &'a mut Vec<Entry>),
}

/// Copies the values of a list.
pub(super) fn copy_list(values: &[Value]) -> Vec<Value> {
    let mut copied = Vec::with_capacity(values.len());
    let mut open = Vec::new();
    copy_one(Copy::List(values, &mut copied), &mut open);
    copy_all(open);
    copied
}

/// Copies the entries of a table.
pub(super) fn copy_table(entries: &[Entry]) -> Vec<Entry> {
    let mut copied = Vec::with_capacity(entries.len());
    let mut open = Vec::new();
    copy_one(Copy::Table(entries, &mut copied), &mut open);
    copy_all(open);
    copied
}

fn copy_all(mut open: Vec<Copy<'_>>) {
    while let Some(copy) = open.pop() {
        copy_one(copy, &mut open);
    }
}

/// Copies one level. What lies beneath is empty in the copy, and added to what is to be copied.
fn copy_one<'a>(copy: Copy<'a>, open: &mut Vec<Copy<'a>>) {
    match copy {
        Copy::List(from, to) => {
            to.extend(from.iter().map(without_nested));
            open.extend(from.iter().zip(to).filter_map(|(from, to)| beneath(from, to)));
        }
        Copy::Table(from, to) => {
            to.extend(from.iter().map(|(name, value)| (Arc::clone(name), without_nested(value))));
            open.extend(from.iter().zip(to).filter_map(|((_, from), (_, to))| beneath(from, to)));
        }
    }
}

fn without_nested(value: &Value) -> Value {
    match value {
        Value::Array(_) => Value::Array(List::new()),
        Value::Table(_) => Value::Table(Table::new()),
        plain => plain.clone(),
    }
}

fn beneath<'a>(from: &'a Value, to: &'a mut Value) -> Option<Copy<'a>> {
    match (from, to) {
        (Value::Array(from), Value::Array(to)) => Some(Copy::List(&from.values, &mut to.values)),
        (Value::Table(from), Value::Table(to)) => Some(Copy::Table(&from.entries, &mut to.entries)),
        _ => None,
    }
}

/// Two of a kind that are to be compared.
enum Pair<'a> {
    Lists(&'a [Value], &'a [Value]),
    Tables(&'a Table, &'a Table),
}

/// Whether two lists hold equal values.
pub(super) fn equal_lists(one: &[Value], other: &[Value]) -> bool {
    equal(Pair::Lists(one, other))
}

/// Whether two tables hold equal entries, in whatever order.
pub(super) fn equal_tables(one: &Table, other: &Table) -> bool {
    equal(Pair::Tables(one, other))
}

fn equal(pair: Pair<'_>) -> bool {
    let mut open = Vec::new();
    let mut next = Some(pair);
    while let Some(pair) = next {
        let same = match pair {
            Pair::Lists(one, other) => {
                one.len() == other.len() && one.iter().zip(other).all(|(one, other)| alike(one, other, &mut open))
            }
            Pair::Tables(one, other) => {
                one.len() == other.len()
                    && one.iter().all(|(name, one)| other.get(name).is_some_and(|other| alike(one, other, &mut open)))
            }
        };
        if !same {
            return false;
        }
        next = open.pop();
    }
    true
}

/// Whether two values are equal as far as can be said at once; what lies beneath is added to what is to be compared.
fn alike<'a>(one: &'a Value, other: &'a Value, open: &mut Vec<Pair<'a>>) -> bool {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => open.push(Pair::Lists(one, other)),
        (Value::Table(one), Value::Table(other)) => open.push(Pair::Tables(one, other)),
        (one, other) => return one == other,
    }
    true
}

/// Takes apart what lies beneath these values, so that dropping them does not recurse.
pub(super) fn take_apart<'a>(values: impl Iterator<Item = &'a mut Value>) {
    let mut open = Vec::new();
    open.extend(values.filter_map(take_nested));
    while let Some(mut value) = open.pop() {
        match &mut value {
            Value::Array(list) => open.extend(list.values.iter_mut().filter_map(take_nested)),
            Value::Table(table) => open.extend(table.entries.iter_mut().filter_map(|(_, value)| take_nested(value))),
            _ => {}
        }
    }
}

fn take_nested(value: &mut Value) -> Option<Value> {
    let nested = match &*value {
        Value::Array(list) => !list.is_empty(),
        Value::Table(table) => !table.is_empty(),
        _ => false,
    };
    nested.then(|| std::mem::replace(value, Value::Void))
}

/// A value to be shown down to so many levels; what lies deeper is `…`.
struct Shown<'a>(&'a Value, usize);

/// Shows a list.
pub(super) fn show_list(values: &[Value], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.debug_list().entries(values.iter().map(|value| Shown(value, SHOWN_LEVELS))).finish()
}

/// Shows a table.
pub(super) fn show_table(table: &Table, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.debug_map().entries(table.iter().map(|(name, value)| (name, Shown(value, SHOWN_LEVELS)))).finish()
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(value, left) = *self;
        match (value, left.checked_sub(1)) {
            (Value::Array(_) | Value::Table(_), None) => f.write_str("…"),
            (Value::Array(list), Some(left)) => {
                f.debug_list().entries(list.iter().map(|value| Shown(value, left))).finish()
            }
            (Value::Table(table), Some(left)) => {
                f.debug_map().entries(table.iter().map(|(name, value)| (name, Shown(value, left)))).finish()
            }
            (plain, _) => plain.fmt(f),
        }
    }
}
