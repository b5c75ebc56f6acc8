//! Why a queue was not declared, in RabbitMQ's words.

use super::spec::QueueKind;
use crate::base::Name;
use crate::message::Value;
use std::fmt;

/// Why a queue cannot be as it was asked for.
///
/// Displayed as RabbitMQ says it, without the reply code's name. All are 406.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum InvalidQueue {
    /// `x-dead-letter-exchange` is not a string. RabbitMQ looks at it before all else and says it in its own way.
    DeadLetterExchange {
        /// The queue.
        queue: Name,
        /// What it is instead.
        type_name: &'static str,
    },
    /// An argument has a value that it may not have.
    Argument {
        /// The queue.
        queue: Name,
        /// The argument.
        argument: &'static str,
        /// What is wrong with it.
        reason: Refusal,
    },
    /// An argument that only queues of other kinds take.
    OtherKind {
        /// The queue.
        queue: Name,
        /// The argument.
        argument: &'static str,
        /// The kind of this queue.
        kind: QueueKind,
    },
    /// A flag that this kind of queue does not have: quorum queues are durable, shared and stay.
    Property {
        /// The queue.
        queue: Name,
        /// RabbitMQ's word for the flag.
        property: &'static str,
    },
    /// Queues of this kind must be given a name.
    ServerNamed {
        /// The kind of the queue.
        kind: QueueKind,
    },
}

/// What is wrong with the value of an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// Not a whole number, but this type.
    NotInteger(&'static str),
    /// This type is not taken here.
    UnacceptableType(&'static str),
    /// Less than zero.
    Negative(i64),
    /// Zero, where that means nothing.
    Zero,
    /// More milliseconds than a timer has.
    TooLarge(i64),
    /// More than the most there may be.
    MaxExceeded(i64),
    /// A dead-letter routing key, but no dead-letter exchange.
    NoDeadLetterExchange,
    /// No known `x-overflow`.
    InvalidOverflow,
    /// No known `x-dead-letter-strategy`.
    InvalidStrategy,
    /// No known `x-queue-leader-locator`.
    InvalidLocator,
    /// No known `x-queue-mode`.
    UnsupportedMode(String),
    /// No known `x-queue-version`.
    UnsupportedVersion(i64),
    /// No known `x-queue-type`; streams are not provided.
    UnsupportedType(String),
}

/// A redeclaration that asks for something else than there is.
///
/// Displayed as RabbitMQ says it, without the reply code's name.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Inequivalent {
    /// What was redeclared, as RabbitMQ names it: `queue 'q' in vhost '/'`.
    pub resource: String,
    /// The flag or argument that differs.
    pub argument: &'static str,
    /// What was asked for; `None` where it was not given.
    pub received: Option<Value>,
    /// What there is; `None` where it was not given.
    pub current: Option<Value>,
}

/// Compares one argument of a redeclaration with the one there is, by RabbitMQ's rule.
///
/// The type counts only so far as integers of all widths are one type and floats are another.
pub(crate) fn equivalent(received: Option<&Value>, current: Option<&Value>) -> bool {
    let (Some(received), Some(current)) = (received, current) else { return received.is_none() && current.is_none() };
    match (received, current) {
        (Value::LongString(a) | Value::ByteArray(a), Value::LongString(b) | Value::ByteArray(b)) => a == b,
        (a, b) => {
            a == b || number(a).is_some_and(|n| number(b) == Some(n)) || float(a).is_some_and(|x| float(b) == Some(x))
        }
    }
}

/// Erlang has one kind of integer, and a timestamp is one.
fn number(value: &Value) -> Option<i128> {
    match value {
        Value::Timestamp(seconds) => Some((*seconds).into()),
        other => other.as_integer().map(i128::from),
    }
}

fn float(value: &Value) -> Option<f64> {
    match *value {
        Value::F32(x) => Some(x.into()),
        Value::F64(x) => Some(x),
        _ => None,
    }
}

impl fmt::Display for InvalidQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DeadLetterExchange { queue, type_name } => {
                write!(f, "invalid type '{type_name}' for arg 'x-dead-letter-exchange' in queue '{queue}' in vhost '/'")
            }
            Self::Argument { queue, argument, reason } => {
                write!(f, "invalid arg '{argument}' for queue '{queue}' in vhost '/': {reason}")
            }
            Self::OtherKind { queue, argument, kind } => {
                let module = kind.module();
                write!(f, "invalid arg '{argument}' for queue '{queue}' in vhost '/' of queue type {module}")
            }
            Self::Property { queue, property } => {
                write!(f, "invalid property '{property}' for queue '{queue}' in vhost '/'")
            }
            Self::ServerNamed { kind } => {
                write!(f, "Cannot declare a server-named queue for type {}", kind.module())
            }
        }
    }
}

impl std::error::Error for InvalidQueue {}

/// As Erlang prints the term that RabbitMQ has for it.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInteger(type_name) => write!(f, "\"expected integer, got {type_name}\""),
            Self::UnacceptableType(type_name) => write!(f, "{{unacceptable_type,{type_name}}}"),
            Self::Negative(number) => write!(f, "{{value_negative,{number}}}"),
            Self::Zero => f.write_str("{value_zero,0}"),
            Self::TooLarge(number) => write!(f, "{{value_too_large,{number}}}"),
            Self::MaxExceeded(number) => write!(f, "{{max_value_exceeded,{number}}}"),
            Self::NoDeadLetterExchange => f.write_str("routing_key_but_no_dlx_defined"),
            Self::InvalidOverflow => f.write_str("invalid_overflow"),
            Self::InvalidStrategy => f.write_str("invalid_dlx_strategy"),
            Self::InvalidLocator => f.write_str("invalid_queue_locator_arg"),
            Self::UnsupportedMode(mode) => write!(f, "\"unsupported queue mode '{}'\"", escaped(mode)),
            Self::UnsupportedVersion(version) => write!(f, "\"unsupported queue version '{version}'\""),
            Self::UnsupportedType(kind) => write!(f, "\"unsupported queue type '{}'\"", escaped(kind)),
        }
    }
}

/// Text as it stands within a quoted Erlang string.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

impl fmt::Display for Inequivalent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "inequivalent arg '{}' for {}: ", self.argument, self.resource)?;
        match (&self.received, &self.current) {
            (Some(received), Some(current)) => write!(f, "received '{received}' but current is '{current}'"),
            (received, current) => {
                write!(f, "received {} but current is {}", described(received.as_ref()), described(current.as_ref()))
            }
        }
    }
}

impl std::error::Error for Inequivalent {}

/// A value beside none: RabbitMQ then tells its type as well.
fn described(value: Option<&Value>) -> String {
    match value {
        Some(value) => format!("the value '{value}' of type '{}'", value.type_name()),
        None => "none".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_texts_are_equal_whatever_their_width() {
        let equal = [
            (Value::from("a"), Value::ByteArray("a".into())),
            (Value::U8(7), Value::I64(7)),
            (Value::Timestamp(7), Value::I16(7)),
            (Value::F32(1.5), Value::F64(1.5)),
        ];
        for (a, b) in &equal {
            assert!(equivalent(Some(a), Some(b)) && equivalent(Some(b), Some(a)), "{a:?} {b:?}");
        }
        for (a, b) in
            [(Value::I64(1), Value::F64(1.0)), (Value::F32(1.5), Value::F64(2.5)), (Value::from("1"), 1_i64.into())]
        {
            assert!(!equivalent(Some(&a), Some(&b)) && !equivalent(Some(&b), Some(&a)), "{a:?} {b:?}");
        }
        assert!(
            equivalent(None, None) && !equivalent(None, Some(&Value::Void)) && !equivalent(Some(&Value::Void), None)
        );
    }
}
