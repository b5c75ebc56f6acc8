//! Serde helpers: types that are RabbitMQ's words, and a flag that is set unless said.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};
use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

/// Writes a type as its word.
pub(super) fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// Reads a type from its word.
pub(super) fn deserialize<'de, T: FromStr, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    let word = Cow::<'de, str>::deserialize(deserializer)?;
    word.parse().map_err(|_| D::Error::custom(format_args!("'{word}' is not a word known here")))
}

/// The default of a flag that is set unless said.
pub(super) const fn yes() -> bool {
    true
}
