//! Whether AMQP, and this broker, can carry a name or a table of arguments at all. It is asked before everything else: on
//! the wire such a method could not even be written down.

use super::error::TopologyError;
use crate::base::{Limits, Name};
use crate::message::{InvalidMessage, Table, check_table};
use memchr::memchr2;
use std::borrow::Cow;

/// A name as topology methods take it: at most 255 bytes, and without its line breaks, which RabbitMQ takes out.
pub(crate) fn stripped(name: &str) -> Result<Cow<'_, str>, TopologyError> {
    Name::check(name)?;
    Ok(match memchr2(b'\r', b'\n', name.as_bytes()).is_some() {
        true => Cow::Owned(name.replace(['\r', '\n'], "")),
        false => Cow::Borrowed(name),
    })
}

/// Arguments within the limits that headers have as well.
pub(crate) fn check_arguments(arguments: &Table, limits: &Limits) -> Result<(), TopologyError> {
    if arguments.is_empty() {
        return Ok(());
    }
    match check_table(arguments, limits) {
        Err(InvalidMessage::Headers { what, limit }) => {
            let what = match what {
                "levels" => "levels in arguments",
                "fields" => "fields in arguments",
                "bytes" => "bytes in arguments",
                _ => "bytes in the name of an argument",
            };
            Err(TopologyError::LimitReached { what, limit })
        }
        _ => Ok(()),
    }
}
