//! The verdict: what comes of a message, in one sentence.

use super::queue::ExplainedQueue;
use crate::route::{ExchangeName, ExplainedBinding, Quoted, Told};
use std::fmt;

/// What would come of a message. Displayed as a sentence.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Verdict {
    /// Queues are bound for it.
    Reaches {
        /// How many.
        queues: usize,
        /// How many of them would refuse it.
        refusing: usize,
        /// How many of them would take it and lose it at once: dropped or expired before anybody can have it.
        losing: usize,
    },
    /// No queue is bound for it: a mandatory message comes back, every other is dropped.
    Unroutable {
        /// Why not.
        cause: Cause,
    },
    /// There is no exchange of this name.
    NoExchange {
        /// Exchanges with names like it, the likest first.
        like: Vec<String>,
    },
    /// The exchange is internal: only other exchanges may feed it.
    Internal,
    /// The broker cannot carry it, or a name is too long.
    Invalid {
        /// What is wrong.
        reason: String,
    },
    /// The broker was shut down or is shutting down.
    Closed,
}

/// Why no queue is bound for a message.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Cause {
    /// It was published to the default exchange, and no queue has the name that is its key.
    NoQueue {
        /// The keys.
        keys: Vec<String>,
        /// Queues with names like them.
        like: Vec<String>,
    },
    /// Bindings miss. This one is nearest: it has the fewest differences, and of such the least.
    Nearest {
        /// The name of its exchange.
        exchange: String,
        /// The binding.
        binding: Box<ExplainedBinding>,
    },
    /// An exchange on the way has no bindings.
    NoBindings {
        /// Its name.
        exchange: String,
    },
    /// Every binding on the way matches, and all lead from exchange to exchange.
    NoWayOut,
}

impl Verdict {
    pub(super) fn of(keys: &[String], told: &Told, queues: &[ExplainedQueue]) -> Self {
        if !queues.is_empty() {
            let refusing = queues.iter().filter(|queue| queue.is_refusal()).count();
            let losing = queues.iter().filter(|queue| queue.is_loss()).count();
            return Self::Reaches { queues: queues.len(), refusing, losing };
        }
        Self::Unroutable { cause: Cause::of(keys, told) }
    }
}

impl Cause {
    fn of(keys: &[String], told: &Told) -> Self {
        if let Some(first) = told.exchanges.first().filter(|exchange| exchange.name.is_empty()) {
            let like = first.bindings.iter().map(|binding| binding.key.clone()).collect();
            return Self::NoQueue { keys: keys.to_vec(), like };
        }
        let nearest = told.nearest.and_then(|(exchange, binding)| {
            let exchange = told.exchanges.get(exchange)?;
            Some((exchange.name.clone(), exchange.bindings.get(binding)?.clone()))
        });
        if let Some((exchange, binding)) = nearest {
            return Self::Nearest { exchange, binding: Box::new(binding) };
        }
        match told.exchanges.iter().find(|exchange| exchange.bindings.is_empty()) {
            Some(exchange) => Self::NoBindings { exchange: exchange.name.clone() },
            None => Self::NoWayOut,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reaches { queues: 1, refusing, losing } => {
                f.write_str("reaches 1 queue")?;
                f.write_str(match (refusing, losing) {
                    (0, 0) => "",
                    (0, _) => ", which loses it at once",
                    (_, _) => ", which refuses it",
                })
            }
            Self::Reaches { queues, refusing, losing } => {
                write!(f, "reaches {queues} queues")?;
                match (refusing, losing) {
                    (0, 0) => Ok(()),
                    (refusing, 0) => write!(f, ", {refusing} of which refuse it"),
                    (0, losing) => write!(f, ", {losing} of which lose it at once"),
                    (refusing, losing) => write!(f, ", {refusing} of which refuse it and {losing} lose it at once"),
                }
            }
            Self::Unroutable { cause } => {
                write!(f, "reaches no queue, so it is returned if mandatory and else dropped: {cause}")
            }
            Self::NoExchange { like } => {
                f.write_str("is not published, since there is no such exchange")?;
                perhaps(f, like)
            }
            Self::Internal => {
                f.write_str("is not published, since the exchange is internal: only exchanges may feed it")
            }
            Self::Invalid { reason } => write!(f, "is not published: {reason}"),
            Self::Closed => f.write_str("is not published, since the broker is closed"),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoQueue { keys, like } => {
                for (at, key) in keys.iter().enumerate() {
                    write!(f, "{}{}", if at == 0 { "there is no queue " } else { " or " }, Quoted(key))?;
                }
                perhaps(f, like)
            }
            Self::Nearest { exchange, binding } => {
                let name = ExchangeName(binding.kind, exchange);
                let key = binding.name();
                write!(f, "the nearest binding is {key} of {name} -> {}, and {}", binding.leads, binding.matching)
            }
            Self::NoBindings { exchange } => write!(f, "exchange {} has no bindings", Quoted(exchange)),
            Self::NoWayOut => f.write_str("every binding leads to another exchange, and none to a queue"),
        }
    }
}

/// Names that may be meant.
fn perhaps(f: &mut fmt::Formatter<'_>, like: &[String]) -> fmt::Result {
    for (at, name) in like.iter().enumerate() {
        write!(f, "{}{}", if at == 0 { "; perhaps " } else { " or " }, Quoted(name))?;
    }
    Ok(())
}
