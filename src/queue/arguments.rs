//! The arguments of a queue: which there are, which kind of queue takes which, one validator for each.
//!
//! A validator sees one argument and says what RabbitMQ would say of it. The order in which they run is RabbitMQ's too,
//! because the first that refuses is the one whose text a client sees: first `x-queue-type`, then the rest of what this
//! kind takes, then what only other kinds take. An argument that no kind knows is let through.

use super::refusal::{InvalidQueue, Refusal};
use super::spec::{Overflow, QueueKind, Strategy};
use crate::base::Name;
use crate::message::{Table, Value};

/// What a validator says.
type Verdict = Result<(), Refusal>;

/// Checks one value; some need the other arguments.
type Validator = fn(&Value, &Table) -> Verdict;

/// Every validator, in the order in which RabbitMQ runs them.
const VALIDATORS: [(&str, Validator); 17] = [
    ("x-expires", expires),
    ("x-message-ttl", message_ttl),
    ("x-dead-letter-exchange", text),
    ("x-dead-letter-routing-key", dead_letter_routing_key),
    ("x-dead-letter-strategy", dead_letter_strategy),
    ("x-max-length", not_negative),
    ("x-max-length-bytes", not_negative),
    ("x-max-in-memory-length", not_negative),
    ("x-max-in-memory-bytes", not_negative),
    ("x-max-priority", max_priority),
    ("x-overflow", overflow),
    ("x-queue-mode", queue_mode),
    ("x-queue-version", queue_version),
    ("x-single-active-consumer", boolean),
    ("x-quorum-initial-group-size", group_size),
    ("x-quorum-target-group-size", group_size),
    ("x-queue-leader-locator", leader_locator),
];

/// What a classic queue takes, in the order in which redeclarations are compared.
const CLASSIC: [&str; 14] = [
    "x-expires",
    "x-message-ttl",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-max-length",
    "x-max-length-bytes",
    "x-max-priority",
    "x-overflow",
    "x-queue-mode",
    "x-queue-version",
    "x-single-active-consumer",
    "x-queue-type",
    "x-queue-master-locator",
    "x-queue-leader-locator",
];

/// What a quorum queue takes, in the order in which redeclarations are compared.
const QUORUM: [&str; 16] = [
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-dead-letter-strategy",
    "x-expires",
    "x-max-length",
    "x-max-length-bytes",
    "x-max-in-memory-length",
    "x-max-in-memory-bytes",
    "x-overflow",
    "x-single-active-consumer",
    "x-queue-type",
    "x-quorum-initial-group-size",
    "x-quorum-target-group-size",
    "x-delivery-limit",
    "x-message-ttl",
    "x-queue-leader-locator",
];

/// What only streams take.
const STREAM: [&str; 4] =
    ["x-max-age", "x-stream-max-segment-size-bytes", "x-stream-filter-size-bytes", "x-initial-cluster-size"];

/// The most milliseconds a timer may have: 2³²−1.
const MOST_MILLIS: i64 = 4_294_967_295;

/// The arguments that a queue of this kind takes, in the order in which redeclarations are compared.
pub(super) const fn accepted(kind: QueueKind) -> &'static [&'static str] {
    match kind {
        QueueKind::Classic => &CLASSIC,
        QueueKind::Quorum => &QUORUM,
    }
}

/// The kind that `x-queue-type` names; classic where it is not given.
pub(super) fn kind(queue: &Name, arguments: &Table) -> Result<QueueKind, InvalidQueue> {
    let refuse = |reason| InvalidQueue::Argument { queue: queue.clone(), argument: "x-queue-type", reason };
    match arguments.get("x-queue-type") {
        None => Ok(QueueKind::Classic),
        Some(value) => {
            let word = word(value).map_err(refuse)?;
            word.parse().map_err(|_| refuse(Refusal::UnsupportedType(word.into_owned())))
        }
    }
}

/// Checks the arguments of a new queue of this kind.
pub(super) fn check(queue: &Name, kind: QueueKind, arguments: &Table) -> Result<(), InvalidQueue> {
    let accepted = accepted(kind);
    for (argument, validator) in VALIDATORS.iter().filter(|(argument, _)| accepted.contains(argument)) {
        if let Some(value) = arguments.get(argument) {
            let refuse = |reason| InvalidQueue::Argument { queue: queue.clone(), argument, reason };
            validator(value, arguments).map_err(refuse)?;
        }
    }
    let known = CLASSIC.iter().chain(&QUORUM).chain(&STREAM);
    let foreign: Vec<_> = known.filter(|argument| !accepted.contains(argument)).collect();
    for (name, _) in arguments.iter() {
        if let Some(argument) = foreign.iter().find(|argument| ***argument == name) {
            return Err(InvalidQueue::OtherKind { queue: queue.clone(), argument, kind });
        }
    }
    Ok(())
}

/// A whole number of any width.
fn integer(value: &Value) -> Result<i64, Refusal> {
    value.as_integer().ok_or(Refusal::NotInteger(value.type_name()))
}

/// A long string. What is not UTF-8 is none of the words that are asked for, so it may be read lossily.
fn word(value: &Value) -> Result<std::borrow::Cow<'_, str>, Refusal> {
    match value {
        Value::LongString(bytes) => Ok(String::from_utf8_lossy(bytes)),
        other => Err(Refusal::UnacceptableType(other.type_name())),
    }
}

fn text(value: &Value, _: &Table) -> Verdict {
    word(value).map(|_| ())
}

fn boolean(value: &Value, _: &Table) -> Verdict {
    value.as_bool().map(|_| ()).ok_or(Refusal::UnacceptableType(value.type_name()))
}

fn not_negative(value: &Value, _: &Table) -> Verdict {
    match integer(value)? {
        number if number < 0 => Err(Refusal::Negative(number)),
        _ => Ok(()),
    }
}

fn message_ttl(value: &Value, _: &Table) -> Verdict {
    match integer(value)? {
        millis if millis > MOST_MILLIS => Err(Refusal::TooLarge(millis)),
        millis if millis < 0 => Err(Refusal::Negative(millis)),
        _ => Ok(()),
    }
}

fn expires(value: &Value, arguments: &Table) -> Verdict {
    match integer(value)? {
        0 => Err(Refusal::Zero),
        _ => message_ttl(value, arguments),
    }
}

fn dead_letter_routing_key(value: &Value, arguments: &Table) -> Verdict {
    text(value, arguments)?;
    arguments.get("x-dead-letter-exchange").map(|_| ()).ok_or(Refusal::NoDeadLetterExchange)
}

fn dead_letter_strategy(value: &Value, _: &Table) -> Verdict {
    word(value)?.parse::<Strategy>().map(|_| ()).map_err(|_| Refusal::InvalidStrategy)
}

fn max_priority(value: &Value, arguments: &Table) -> Verdict {
    not_negative(value, arguments)?;
    match integer(value)? {
        number if number > 255 => Err(Refusal::MaxExceeded(number)),
        _ => Ok(()),
    }
}

fn overflow(value: &Value, _: &Table) -> Verdict {
    word(value)?.parse::<Overflow>().map(|_| ()).map_err(|_| Refusal::InvalidOverflow)
}

fn queue_mode(value: &Value, _: &Table) -> Verdict {
    match &*word(value)? {
        "default" | "lazy" => Ok(()),
        other => Err(Refusal::UnsupportedMode(other.into())),
    }
}

fn queue_version(value: &Value, arguments: &Table) -> Verdict {
    not_negative(value, arguments)?;
    match integer(value)? {
        1 | 2 => Ok(()),
        other => Err(Refusal::UnsupportedVersion(other)),
    }
}

fn group_size(value: &Value, arguments: &Table) -> Verdict {
    not_negative(value, arguments)?;
    match integer(value)? {
        0 => Err(Refusal::Zero),
        _ => Ok(()),
    }
}

fn leader_locator(value: &Value, _: &Table) -> Verdict {
    match &*word(value)? {
        "client-local" | "balanced" | "random" | "least-leaders" => Ok(()),
        _ => Err(Refusal::InvalidLocator),
    }
}
