//! Values of the traces: JSON to tables, properties and bodies, and back.
//!
//! JSON that went there and back is *canonical*: it has one form for each wire value, so that two of them may be
//! compared as JSON. What the format does not know is an error that says where it stands.

use crate::message::{Properties, ShortStr, Table, Value};
use serde_json::{Map, Number, Value as Json, json};

/// The key under which the time of a death stands for any time.
const ANY_TIME: &str = "*";

/// A text repeated to more than this is no body: twice what RabbitMQ takes, so that one too large can still be said.
const MOST_BODY_BYTES: usize = 32 << 20;

/// The properties that are short strings, by the names that traces use.
const TEXTS: [&str; 10] = [
    "content_type",
    "content_encoding",
    "correlation_id",
    "reply_to",
    "expiration",
    "message_id",
    "type",
    "user_id",
    "app_id",
    "cluster_id",
];

/// Reads a table; absent entries are not invented.
pub(crate) fn table_from_json(json: &Json) -> Result<Table, String> {
    let entries = json.as_object().ok_or_else(|| format!("a table is an object, not {json}"))?;
    let mut table = Table::new();
    for (name, entry) in entries {
        table.insert(name, value_from_json(entry).map_err(|why| format!("{name}: {why}"))?);
    }
    Ok(table)
}

/// Writes a table in its canonical form.
pub(crate) fn table_to_json(table: &Table) -> Json {
    Json::Object(table.iter().map(|(name, value)| (name.to_owned(), value_to_json(value))).collect())
}

/// Reads one value with its wire type.
pub(crate) fn value_from_json(json: &Json) -> Result<Value, String> {
    Ok(match json {
        Json::Null => Value::Void,
        Json::Bool(value) => Value::Bool(*value),
        Json::String(text) => Value::text(text),
        Json::Number(number) => {
            Value::I64(number.as_i64().ok_or_else(|| format!("{number} is no signed 64 bit integer"))?)
        }
        Json::Array(items) => Value::Array(items.iter().map(value_from_json).collect::<Result<_, _>>()?),
        Json::Object(entries) => match typed_form(entries) {
            Some((form, inner)) => typed_from_json(form, inner)?,
            None => Value::Table(table_from_json(json)?),
        },
    })
}

/// Writes one value in its canonical form.
pub(crate) fn value_to_json(value: &Value) -> Json {
    match value {
        Value::Void => Json::Null,
        Value::Bool(value) => json!(value),
        Value::I8(n) => json!({ "$i8": n }),
        Value::U8(n) => json!({ "$u8": n }),
        Value::I16(n) => json!({ "$i16": n }),
        Value::U16(n) => json!({ "$u16": n }),
        Value::I32(n) => json!({ "$i32": n }),
        Value::U32(n) => json!({ "$u32": n }),
        Value::I64(n) => json!(n),
        Value::F32(x) => json!({ "$f32": float(f64::from(*x)) }),
        Value::F64(x) => json!({ "$f64": float(*x) }),
        Value::Decimal(scale, digits) => json!({ "$decimal": [scale, digits] }),
        Value::LongString(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => json!(text),
            // The format has no form for it, so it equals nothing that a trace can hold.
            Err(_) => json!({ "$string-not-utf8": base64_encode(bytes) }),
        },
        Value::ByteArray(bytes) => json!({ "$bytes": base64_encode(bytes) }),
        Value::Timestamp(seconds) => json!({ "$timestamp": seconds }),
        Value::Array(items) => Json::Array(items.iter().map(value_to_json).collect()),
        Value::Table(table) => table_to_json(table),
        #[allow(unreachable_patterns)]
        other => json!({ "$unknown": format!("{other:?}") }),
    }
}

/// The canonical form of a value that was expected, where `any_time` says whether a time may stand for any.
fn canonical_value(json: &Json, any_time: bool) -> Result<Json, String> {
    match json {
        Json::Array(items) => {
            Ok(Json::Array(items.iter().map(|item| canonical_value(item, any_time)).collect::<Result<_, _>>()?))
        }
        Json::Object(entries) => match typed_form(entries) {
            Some(("$timestamp", Json::String(text))) if any_time && text == ANY_TIME => Ok(json.clone()),
            Some(_) => Ok(value_to_json(&value_from_json(json)?)),
            None => {
                let canonical = entries.iter().map(|(name, entry)| {
                    let entry = canonical_value(entry, any_time).map_err(|why| format!("{name}: {why}"))?;
                    Ok((name.clone(), entry))
                });
                Ok(Json::Object(canonical.collect::<Result<_, String>>()?))
            }
        },
        _ => Ok(value_to_json(&value_from_json(json)?)),
    }
}

/// Whether this is the form of a time that stands for any.
#[allow(dead_code)] // For the replay, which is a feature of its own.
pub(crate) fn is_any_time(json: &Json) -> bool {
    json.as_object().and_then(typed_form).is_some_and(|form| form.0 == "$timestamp" && form.1 == ANY_TIME)
}

/// Lets every time in a value stand for any.
pub(crate) fn any_times(json: &mut Json) {
    if is_time(json) {
        *json = json!({ "$timestamp": ANY_TIME });
        return;
    }
    match json {
        Json::Array(items) => items.iter_mut().for_each(any_times),
        Json::Object(entries) => entries.values_mut().for_each(any_times),
        _ => {}
    }
}

/// Whether this is the canonical form of a time.
pub(crate) fn is_time(json: &Json) -> bool {
    json.as_object().and_then(typed_form).is_some_and(|form| form.0 == "$timestamp" && form.1.is_u64())
}

/// Reads properties: those that are named are set, the others are not.
pub(crate) fn properties_from_json(json: &Json) -> Result<Properties, String> {
    let entries = json.as_object().ok_or_else(|| format!("properties are an object, not {json}"))?;
    let mut properties = Properties::default();
    for (name, entry) in entries {
        set_property(&mut properties, name, entry).map_err(|why| format!("property {name}: {why}"))?;
    }
    Ok(properties)
}

/// Writes the properties that are set, in their canonical form.
pub(crate) fn properties_to_json(properties: &Properties) -> Json {
    let mut entries = Map::new();
    let mut source = properties.clone();
    for name in TEXTS {
        if let Some(text) = text_property(&mut source, name) {
            entries.insert(name.to_owned(), json!(**text));
        }
    }
    if let Some(headers) = &properties.headers {
        entries.insert("headers".to_owned(), table_to_json(headers));
    }
    let numbers = [
        ("delivery_mode", properties.delivery_mode.map(u64::from)),
        ("priority", properties.priority.map(u64::from)),
        ("timestamp", properties.timestamp),
    ];
    for (name, number) in numbers {
        if let Some(number) = number {
            entries.insert(name.to_owned(), json!(number));
        }
    }
    Json::Object(entries)
}

/// The canonical form of properties that were expected: in an `x-death`, a time may stand for any.
pub(crate) fn canonical_properties(json: &Json) -> Result<Json, String> {
    let mut plain = json.clone();
    let headers = plain.as_object_mut().and_then(|entries| entries.remove("headers"));
    let mut canonical = properties_to_json(&properties_from_json(&plain)?);
    if let (Some(headers), Some(entries)) = (headers, canonical.as_object_mut()) {
        let headers = headers.as_object().ok_or("property headers: a table is an object")?;
        let headers = headers.iter().map(|(name, header)| {
            let header = canonical_value(header, name == "x-death").map_err(|why| format!("header {name}: {why}"))?;
            Ok((name.clone(), header))
        });
        entries.insert("headers".to_owned(), Json::Object(headers.collect::<Result<_, String>>()?));
    }
    Ok(canonical)
}

/// Reads a body: text, base64, or a text so many times over.
pub(crate) fn body_from_json(json: &Json) -> Result<Vec<u8>, String> {
    let unknown = || format!("a body is a string, {{\"$base64\": …}} or {{\"$repeat\": [text, n]}}, not {json}");
    match json {
        Json::String(text) => Ok(text.as_bytes().to_vec()),
        Json::Object(entries) => match typed_form(entries) {
            Some(("$base64", Json::String(text))) => base64_decode(text),
            Some(("$repeat", Json::Array(parts))) => match parts.as_slice() {
                [Json::String(text), Json::Number(times)] => {
                    let times = times.as_u64().and_then(|times| usize::try_from(times).ok()).ok_or_else(unknown)?;
                    match text.len().checked_mul(times) {
                        Some(bytes) if bytes <= MOST_BODY_BYTES => Ok(text.as_bytes().repeat(times)),
                        _ => Err(format!("{json} is more than the {MOST_BODY_BYTES} bytes that a body may have")),
                    }
                }
                _ => Err(unknown()),
            },
            _ => Err(unknown()),
        },
        _ => Err(unknown()),
    }
}

/// Writes a body in its canonical form: a string where it is UTF-8, else base64.
pub(crate) fn body_to_json(body: &[u8]) -> Json {
    match std::str::from_utf8(body) {
        Ok(text) => json!(text),
        Err(_) => json!({ "$base64": base64_encode(body) }),
    }
}

/// The one entry of an object that gives a wire type, such as `{"$i8": 1}`.
fn typed_form(entries: &Map<String, Json>) -> Option<(&str, &Json)> {
    let (form, inner) = entries.iter().next().filter(|_| entries.len() == 1)?;
    form.starts_with('$').then_some((form.as_str(), inner))
}

fn typed_from_json(form: &str, inner: &Json) -> Result<Value, String> {
    let wrong = || format!("{inner} is no value for {form}");
    let number = || inner.as_f64().ok_or_else(wrong);
    Ok(match form {
        "$i8" => Value::I8(integer(inner).ok_or_else(wrong)?),
        "$u8" => Value::U8(integer(inner).ok_or_else(wrong)?),
        "$i16" => Value::I16(integer(inner).ok_or_else(wrong)?),
        "$u16" => Value::U16(integer(inner).ok_or_else(wrong)?),
        "$i32" => Value::I32(integer(inner).ok_or_else(wrong)?),
        "$u32" => Value::U32(integer(inner).ok_or_else(wrong)?),
        #[allow(clippy::cast_possible_truncation)]
        "$f32" => Value::F32(number()? as f32),
        "$f64" => Value::F64(number()?),
        "$timestamp" => Value::Timestamp(inner.as_u64().ok_or_else(wrong)?),
        "$bytes" => Value::ByteArray(base64_decode(inner.as_str().ok_or_else(wrong)?)?.into()),
        "$decimal" => match inner.as_array().map(Vec::as_slice) {
            Some([scale, digits]) => {
                Value::Decimal(integer(scale).ok_or_else(wrong)?, integer(digits).ok_or_else(wrong)?)
            }
            _ => return Err(wrong()),
        },
        _ => return Err(format!("{form} is no type of value")),
    })
}

/// An integer of the width that is asked for.
fn integer<T: TryFrom<i64>>(json: &Json) -> Option<T> {
    json.as_i64().and_then(|number| T::try_from(number).ok())
}

/// A float as JSON; what JSON cannot hold becomes text, which equals nothing that a trace can hold.
fn float(x: f64) -> Json {
    Number::from_f64(x).map_or_else(|| json!(x.to_string()), Json::Number)
}

fn set_property(properties: &mut Properties, name: &str, entry: &Json) -> Result<(), String> {
    let wrong = || format!("{entry} is no value for it");
    match name {
        "headers" => properties.headers = Some(table_from_json(entry)?),
        "delivery_mode" => properties.delivery_mode = Some(integer(entry).ok_or_else(wrong)?),
        "priority" => properties.priority = Some(integer(entry).ok_or_else(wrong)?),
        "timestamp" => properties.timestamp = Some(entry.as_u64().ok_or_else(wrong)?),
        _ if TEXTS.contains(&name) => {
            *text_property(properties, name) = Some(entry.as_str().ok_or_else(wrong)?.into());
        }
        _ => return Err("there is no such property".to_owned()),
    }
    Ok(())
}

/// The place of one of `TEXTS`.
fn text_property<'a>(properties: &'a mut Properties, name: &str) -> &'a mut Option<ShortStr> {
    match name {
        "content_type" => &mut properties.content_type,
        "content_encoding" => &mut properties.content_encoding,
        "correlation_id" => &mut properties.correlation_id,
        "reply_to" => &mut properties.reply_to,
        "expiration" => &mut properties.expiration,
        "message_id" => &mut properties.message_id,
        "type" => &mut properties.kind,
        "user_id" => &mut properties.user_id,
        "app_id" => &mut properties.app_id,
        "cluster_id" => &mut properties.cluster_id,
        _ => unreachable!("{name} is not one of the short strings"),
    }
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 with padding, as RFC 4648 has it.
pub(crate) fn base64_encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = (group >> (18 - 6 * place) & 63) as usize;
            let digit = BASE64.get(digit).filter(|_| place <= chunk.len());
            text.push(digit.map_or('=', |digit| char::from(*digit)));
        }
    }
    text
}

/// Reads base64 with padding; anything else in it is an error.
pub(crate) fn base64_decode(text: &str) -> Result<Vec<u8>, String> {
    let wrong = || format!("'{text}' is no base64");
    let digits = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - digits.len() > 2 {
        return Err(wrong());
    }
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    for chunk in digits.as_bytes().chunks(4) {
        let mut group = 0_u32;
        for byte in chunk {
            let digit = BASE64.iter().position(|known| known == byte).ok_or_else(wrong)?;
            group = group << 6 | u32::try_from(digit).map_err(|_| wrong())?;
        }
        let group = group << (6 * (4 - chunk.len()));
        bytes.extend(group.to_be_bytes().iter().skip(1).take(chunk.len() * 3 / 4));
    }
    Ok(bytes)
}
