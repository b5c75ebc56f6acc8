//! Freezing: what publishing reads in the properties of a message, and what it writes plainly there.
//!
//! `expiration` is read once, for every queue. `CC` and `BCC` become further routing keys, and `BCC` is taken out, for
//! nobody but the publisher sees it. What that changed is kept, for giving the message back as it was given.

use super::{InvalidMessage, Properties, ShortStr, Value};
use crate::base::{Limits, Name};

/// What freezing changed, as its publisher gave it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Given {
    /// The expiration, where it was not written plainly.
    expiration: Option<ShortStr>,
    /// The header `BCC`, which nobody but the publisher sees.
    blind: Option<Value>,
}

/// Further routing keys: those of `CC` and `BCC`, and which of them are blind.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Carbon {
    /// Keys beside the routing key by which the message routes now.
    pub(super) keys: Vec<Name>,
    /// Those of `BCC`, kept out of every death record.
    pub(super) blind: Vec<Name>,
}

impl Given {
    /// Undoes what freezing changed.
    pub(super) fn put_back(self, properties: &mut Properties) {
        properties.expiration = self.expiration.or(properties.expiration.take());
        if let Some(blind) = self.blind {
            properties.headers.get_or_insert_default().insert("BCC", blind);
        }
    }
}

/// Writes the expiration plainly and takes out `BCC`; returns what that changed, if anything.
pub(super) fn normalise(properties: &mut Properties, has_carbon: bool) -> Option<Box<Given>> {
    let mut given = Given::default();
    if let Some(plain) = properties.expiration.as_deref().and_then(plain_number).map(ShortStr::from) {
        given.expiration = properties.expiration.replace(plain);
    }
    if let Some(headers) = properties.headers.as_mut().filter(|_| has_carbon) {
        given.blind = headers.remove("BCC");
    }
    (given != Given::default()).then(|| Box::new(given))
}

/// The digits of a number as RabbitMQ prints it again, where that differs: no sign, no leading zero.
fn plain_number(text: &str) -> Option<&str> {
    let digits = text.trim_start_matches(['+', '-']);
    let plain = digits.trim_start_matches('0');
    let plain = if plain.is_empty() { digits.get(digits.len() - 1..)? } else { plain };
    (plain != text).then_some(plain)
}

/// Reads `expiration` as RabbitMQ does: decimal digits, an optional sign, nothing else.
pub(super) fn parse_expiration(text: Option<&str>) -> Result<Option<u64>, InvalidMessage> {
    let Some(text) = text else { return Ok(None) };
    let refuse = |reason: String| Err(InvalidMessage::Expiration { given: text.to_owned(), reason });
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, text.get(1..).unwrap_or("")),
        Some(b'+') => (false, text.get(1..).unwrap_or("")),
        _ => (false, text),
    };
    let end = digits.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
    let (number, rest) = digits.split_at(end);
    if number.is_empty() {
        return refuse("no_integer".to_owned());
    }
    if !rest.is_empty() {
        return refuse(format!("{{leftover_string,\"{rest}\"}}"));
    }
    let millis = number.parse::<u64>().unwrap_or(u64::MAX);
    if sign && millis > 0 {
        return refuse(format!("{{value_negative,-{number}}}"));
    }
    Ok(Some(millis))
}

/// Reads `CC` and `BCC`, where there are such headers.
pub(super) fn read_carbon(properties: &Properties, limits: &Limits) -> Result<Option<Box<Carbon>>, InvalidMessage> {
    let Some(headers) = &properties.headers else { return Ok(None) };
    let mut carbon = Carbon::default();
    let mut found = false;
    for header in ["CC", "BCC"] {
        let Some(value) = headers.get(header) else { continue };
        found = true;
        let refuse = |reason: String| Err(InvalidMessage::CarbonCopy { header, reason });
        let Value::Array(items) = value else {
            return refuse(format!("{{unacceptable_type_in_header,\"{header}\",{}}}", value.type_name()));
        };
        // RabbitMQ passes over what is no text.
        for key in items.iter().filter_map(Value::as_str) {
            let Ok(key) = Name::new(key) else {
                return refuse("a key has more than 255 bytes".to_owned());
            };
            if header == "BCC" {
                carbon.blind.push(key.clone());
            }
            carbon.keys.push(key);
        }
    }
    if carbon.keys.len() > limits.carbon_copies {
        return Err(InvalidMessage::CarbonCopy {
            header: "CC",
            reason: format!("{} keys; at most {} are taken", carbon.keys.len(), limits.carbon_copies),
        });
    }
    Ok(found.then(|| Box::new(carbon)))
}
