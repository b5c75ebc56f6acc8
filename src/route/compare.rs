//! How values are compared: strictly, to tell bindings apart, and as a headers exchange does.

use super::hash::TextHash;
use crate::message::{Table, Value};
use std::hash::Hasher;

/// Whether a header fits the value that a binding asks for.
///
/// RabbitMQ drops the outermost type and compares what is left exactly. So integers of all widths are one kind, the
/// two floats are one kind, strings and byte arrays are one kind. A timestamp is an integer here too: in a binding its
/// number as it stands, in a message the thousandfold, since RabbitMQ keeps times in milliseconds. Void in a
/// binding asks only that the header is there; void in a message fits nothing else.
pub(super) fn fits(wanted: &Value, header: &Value) -> bool {
    if let Value::Void = wanted {
        return true;
    }
    if let (Some(wanted), Some(header)) = (integer(wanted, 1), integer(header, 1000)) {
        return wanted == header;
    }
    if let (Some(wanted), Some(header)) = (float(wanted), float(header)) {
        return wanted.to_bits() == header.to_bits();
    }
    match (wanted, header) {
        (Value::LongString(a) | Value::ByteArray(a), Value::LongString(b) | Value::ByteArray(b)) => a == b,
        // Both are lists to RabbitMQ, and one empty list is like the other.
        (Value::Array(a), Value::Table(b)) | (Value::Table(b), Value::Array(a)) => a.is_empty() && b.is_empty(),
        _ => identical(wanted, header),
    }
}

/// Whether type and content are the same, down to the order of nested tables and the sign of a zero.
pub(super) fn identical(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::F32(a), Value::F32(b)) => a.to_bits() == b.to_bits(),
        (Value::F64(a), Value::F64(b)) => a.to_bits() == b.to_bits(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| identical(a, b)),
        (Value::Table(a), Value::Table(b)) => {
            a.len() == b.len() && a.iter().zip(b.iter()).all(|((n, a), (m, b))| n == m && identical(a, b))
        }
        (one, other) => one == other,
    }
}

/// Whether two argument tables hold the same entries, in whatever order.
pub(crate) fn same_arguments(one: &Table, other: &Table) -> bool {
    one.len() == other.len() && one.iter().all(|(name, value)| other.get(name).is_some_and(|v| identical(value, v)))
}

/// A hash that is equal wherever [`same_arguments`] holds.
pub(super) fn hash_arguments(hash: &TextHash, arguments: &Table) -> u64 {
    let entries = arguments.iter().map(|(name, value)| {
        let mut hasher = hash.begin();
        hasher.write(name.as_bytes());
        hash_value(value, &mut hasher);
        hasher.finish()
    });
    entries.fold(0, u64::wrapping_add)
}

/// The number behind an integer or a timestamp, whose seconds are multiplied by `scale`.
fn integer(value: &Value, scale: i128) -> Option<i128> {
    match value {
        Value::Timestamp(seconds) => Some(i128::from(*seconds) * scale),
        other => other.as_integer().map(i128::from),
    }
}

/// The number behind a float of either width.
fn float(value: &Value) -> Option<f64> {
    match value {
        Value::F32(x) => Some(f64::from(*x)),
        Value::F64(x) => Some(*x),
        _ => None,
    }
}

fn hash_value(value: &Value, hasher: &mut impl Hasher) {
    hasher.write(value.type_name().as_bytes());
    match value {
        Value::Void => {}
        Value::Bool(b) => hasher.write_u8(u8::from(*b)),
        Value::F32(x) => hasher.write_u32(x.to_bits()),
        Value::F64(x) => hasher.write_u64(x.to_bits()),
        Value::Decimal(scale, digits) => {
            hasher.write_u8(*scale);
            hasher.write_u32(*digits);
        }
        Value::LongString(bytes) | Value::ByteArray(bytes) => {
            hasher.write_usize(bytes.len());
            hasher.write(bytes);
        }
        Value::Timestamp(seconds) => hasher.write_u64(*seconds),
        Value::Array(values) => {
            hasher.write_usize(values.len());
            values.iter().for_each(|value| hash_value(value, hasher));
        }
        Value::Table(table) => {
            hasher.write_usize(table.len());
            for (name, value) in table.iter() {
                hasher.write(name.as_bytes());
                hash_value(value, hasher);
            }
        }
        number => hasher.write_i64(number.as_integer().unwrap_or_default()),
    }
}
