//! Places: what a finding or a difference is about, by name.
//!
//! Beside it, text as it can be shown on one line: names may hold anything, and a definitions file may be hostile.

use super::topology::Binding;
use crate::engine::End;
use crate::message::Table;
use std::borrow::Cow;
use std::fmt;

/// A part of a topology: what a [`Lint`](crate::Lint) or a [`Difference`](crate::Difference) is about.
///
/// ```
/// use leveret::{Broker, Place, Queue, Topology};
///
/// let diff = Topology::new().queue(Queue::new("orders").bind("amq.topic", "order.#")).diff(&Broker::new());
/// assert_eq!(diff.to_create[0], Place::Queue { name: "orders".into() });
/// assert_eq!(diff.to_create[1].to_string(), "binding from 'amq.topic' to queue 'orders' with key 'order.#'");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(tag = "kind", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Place {
    /// A policy.
    Policy {
        /// Its name.
        name: String,
    },
    /// An exchange.
    Exchange {
        /// Its name.
        name: String,
    },
    /// A queue.
    Queue {
        /// Its name.
        name: String,
    },
    /// A binding that leads to a queue.
    QueueBinding {
        /// The exchange it comes from.
        source: String,
        /// The queue it leads to.
        queue: String,
        /// Its key.
        key: String,
        /// Its arguments.
        arguments: Table,
    },
    /// A binding that leads to an exchange.
    ExchangeBinding {
        /// The exchange it comes from.
        source: String,
        /// The exchange it leads to.
        exchange: String,
        /// Its key.
        key: String,
        /// Its arguments.
        arguments: Table,
    },
}

impl Place {
    pub(super) fn policy(name: &str) -> Self {
        Self::Policy { name: name.into() }
    }

    pub(super) fn exchange(name: &str) -> Self {
        Self::Exchange { name: name.into() }
    }

    pub(super) fn queue(name: &str) -> Self {
        Self::Queue { name: name.into() }
    }

    pub(super) fn binding(end: End<&str>, binding: &Binding) -> Self {
        let (source, key, arguments) = (binding.source.clone(), binding.key.clone(), binding.arguments.clone());
        match end {
            End::Queue(queue) => Self::QueueBinding { source, queue: queue.into(), key, arguments },
            End::Exchange(exchange) => Self::ExchangeBinding { source, exchange: exchange.into(), key, arguments },
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy { name } => write!(f, "policy {}", Quoted(name)),
            Self::Exchange { name } => write!(f, "exchange {}", Quoted(name)),
            Self::Queue { name } => write!(f, "queue {}", Quoted(name)),
            Self::QueueBinding { source, queue, key, arguments } => {
                write!(f, "binding from {} to queue {}", Quoted(source), Quoted(queue))?;
                write_match(f, key, arguments)
            }
            Self::ExchangeBinding { source, exchange, key, arguments } => {
                write!(f, "binding from {} to exchange {}", Quoted(source), Quoted(exchange))?;
                write_match(f, key, arguments)
            }
        }
    }
}

fn write_match(f: &mut fmt::Formatter<'_>, key: &str, arguments: &Table) -> fmt::Result {
    write!(f, " with key {}", Quoted(key))?;
    if arguments.is_empty() { Ok(()) } else { write!(f, " and arguments {}", Arguments(arguments)) }
}

/// A name between quotes, on one line.
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", on_one_line(self.0))
    }
}

/// Arguments in their order, on one line: `tier: vip, x-match: all`.
pub(super) struct Arguments<'a>(pub(super) &'a Table);

impl fmt::Display for Arguments<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, value)) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{}: {}", on_one_line(name), on_one_line(&value.to_string()))?;
        }
        Ok(())
    }
}

/// Text with control characters, and those that turn the direction of writing, written as escapes.
pub(super) fn on_one_line(text: &str) -> Cow<'_, str> {
    let is_odd = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    if !text.contains(is_odd) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match is_odd(c) {
            true => shown.extend(c.escape_default()),
            false => shown.push(c),
        }
    }
    Cow::Owned(shown)
}
