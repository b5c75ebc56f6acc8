//! Whether headers fit the arguments of a binding, restated over Erlang's terms, which is how RabbitMQ sees them.

use leveret::{Table, Value};

/// A value without its outermost type.
#[derive(PartialEq)]
enum Term {
    Integer(i128),
    Float(u64),
    Bytes(Vec<u8>),
    Atom(&'static str),
    Decimal(u8, u32),
    /// Entries with their names (arrays have none), their types, their terms.
    List(Vec<(Option<String>, &'static str, Term)>),
}

/// Whether the headers fit. A bad `x-match` is the caller's business.
pub fn fits(arguments: &Table, headers: &Table) -> bool {
    let mode = arguments.get("x-match").and_then(Value::as_str).unwrap_or("all");
    let with_x = mode.ends_with("-with-x");
    let results: Vec<bool> = arguments
        .iter()
        .filter(|(name, _)| *name != "x-match" && (with_x || !name.starts_with("x-")))
        .map(|(name, wanted)| match headers.get(name) {
            None => false,
            Some(_) if *wanted == Value::Void => true,
            Some(header) => term(wanted, 1) == term(header, 1000),
        })
        .collect();
    if mode.starts_with("any") { results.contains(&true) } else { !results.contains(&false) }
}

/// The term of a value. Times are kept in a unit of which `scale` make a second, but only outermost.
fn term(value: &Value, scale: i128) -> Term {
    match value {
        Value::Void => Term::Atom("undefined"),
        Value::Bool(true) => Term::Atom("true"),
        Value::Bool(false) => Term::Atom("false"),
        Value::F32(x) => Term::Float(f64::from(*x).to_bits()),
        Value::F64(x) => Term::Float(x.to_bits()),
        Value::Decimal(scale, digits) => Term::Decimal(*scale, *digits),
        Value::LongString(bytes) | Value::ByteArray(bytes) => Term::Bytes(bytes.to_vec()),
        Value::Timestamp(seconds) => Term::Integer(i128::from(*seconds) * scale),
        Value::Array(values) => Term::List(values.iter().map(|v| (None, v.type_name(), term(v, 1))).collect()),
        Value::Table(table) => {
            Term::List(table.iter().map(|(n, v)| (Some(n.to_owned()), v.type_name(), term(v, 1))).collect())
        }
        integer => Term::Integer(integer.as_integer().expect("all else is an integer").into()),
    }
}
