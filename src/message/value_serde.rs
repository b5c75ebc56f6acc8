//! Values and tables as serde data.
//!
//! What JSON can say is said plainly: text, truth, whole numbers (`l`), fractions (`d`), nothing, lists and tables. A value
//! of another type is a map of one entry whose name begins with `$`: `{"$i32": 5}`, `{"$timestamp": 1700000000}`. A
//! table that could be taken for one of these is wrapped as `{"$table": …}`, so every value comes back as it was.

use super::value::{Table, Value};
use bytes::Bytes;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Level(self, MOST_LEVELS).serialize(serializer)
    }
}

/// How many levels are written; serializers recurse. It is as many as `serde_json` reads.
const MOST_LEVELS: usize = 128;

/// A value that may have so many levels beneath it.
struct Level<'a, T>(&'a T, usize);

impl<T> Level<'_, T> {
    fn left<E: serde::ser::Error>(&self) -> Result<usize, E> {
        self.1.checked_sub(1).ok_or_else(|| E::custom("the value has more than 128 levels"))
    }
}

impl Serialize for Level<'_, Value> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Void => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::I64(number) => serializer.serialize_i64(*number),
            Value::F64(number) if number.is_finite() => serializer.serialize_f64(*number),
            Value::F64(number) => tagged(serializer, "$f64", &number.to_bits()),
            Value::LongString(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => serializer.serialize_str(text),
                Err(_) => tagged(serializer, "$text", &bytes[..]),
            },
            Value::Array(values) => {
                let left = self.left()?;
                let mut list = serializer.serialize_seq(Some(values.len()))?;
                for value in values {
                    list.serialize_element(&Level(value, left))?;
                }
                list.end()
            }
            Value::Table(table) if looks_tagged(table) => tagged(serializer, "$table", &Level(table, self.left()?)),
            Value::Table(table) => Level(table, self.left()?).serialize(serializer),
            Value::I8(number) => tagged(serializer, "$i8", number),
            Value::U8(number) => tagged(serializer, "$u8", number),
            Value::I16(number) => tagged(serializer, "$i16", number),
            Value::U16(number) => tagged(serializer, "$u16", number),
            Value::I32(number) => tagged(serializer, "$i32", number),
            Value::U32(number) => tagged(serializer, "$u32", number),
            // The bits, so that what is no number comes back too.
            Value::F32(number) => tagged(serializer, "$f32", &number.to_bits()),
            Value::Decimal(scale, digits) => tagged(serializer, "$decimal", &(*scale, *digits)),
            Value::ByteArray(bytes) => tagged(serializer, "$bytes", &bytes[..]),
            Value::Timestamp(seconds) => tagged(serializer, "$timestamp", seconds),
        }
    }
}

impl Serialize for Level<'_, Table> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, Level(value, self.1))))
    }
}

/// A value under its tag.
fn tagged<S: Serializer, T: Serialize + ?Sized>(
    serializer: S,
    tag: &'static str,
    value: &T,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(tag, value)?;
    map.end()
}

/// Whether a table would be read as a tagged value.
fn looks_tagged(table: &Table) -> bool {
    table.len() == 1 && table.iter().all(|(name, _)| name.starts_with('$'))
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Void)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Void)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::I64(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        i64::try_from(number).map(Value::I64).map_err(|_| E::custom("the number does not fit into 64 bits with a sign"))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        Ok(Value::F64(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(Value::from(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut table = Table::new();
        while let Some(name) = map.next_key::<String>()? {
            if table.is_empty()
                && let Some(value) = read_tagged(&name, &mut map)?
            {
                return match map.next_key::<String>()? {
                    None => Ok(value),
                    Some(_) => Err(A::Error::custom(format_args!("'{name}' must stand alone"))),
                };
            }
            table.insert(name, map.next_value::<Value>()?);
        }
        Ok(Value::Table(table))
    }
}

/// The value under a tag; `None`, and nothing read, where the name is no tag.
fn read_tagged<'de, A: MapAccess<'de>>(tag: &str, map: &mut A) -> Result<Option<Value>, A::Error> {
    Ok(Some(match tag {
        "$i8" => Value::I8(map.next_value()?),
        "$u8" => Value::U8(map.next_value()?),
        "$i16" => Value::I16(map.next_value()?),
        "$u16" => Value::U16(map.next_value()?),
        "$i32" => Value::I32(map.next_value()?),
        "$u32" => Value::U32(map.next_value()?),
        "$f32" => Value::F32(f32::from_bits(map.next_value()?)),
        "$f64" => Value::F64(f64::from_bits(map.next_value()?)),
        "$decimal" => {
            let (scale, digits) = map.next_value()?;
            Value::Decimal(scale, digits)
        }
        "$text" => Value::LongString(Bytes::from(map.next_value::<Vec<u8>>()?)),
        "$bytes" => Value::ByteArray(Bytes::from(map.next_value::<Vec<u8>>()?)),
        "$timestamp" => Value::Timestamp(map.next_value()?),
        "$table" => Value::Table(map.next_value()?),
        _ => return Ok(None),
    }))
}

impl Serialize for Table {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Level(self, MOST_LEVELS).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Table {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TableVisitor;

        impl<'de> Visitor<'de> for TableVisitor {
            type Value = Table;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Table, A::Error> {
                let mut table = Table::new();
                while let Some(name) = map.next_key::<String>()? {
                    table.insert(name, map.next_value::<Value>()?);
                }
                Ok(table)
            }
        }

        deserializer.deserialize_map(TableVisitor)
    }
}
