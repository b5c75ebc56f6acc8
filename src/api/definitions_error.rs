//! Why a definitions file was not read.

use crate::base::{Name, NameTooLong};
use crate::queue::{InvalidPolicy, InvalidQueue};
use std::fmt;

/// Why a definitions file was not read. A `path` says where, such as `queues[3].arguments.x-max-length`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum DefinitionsError {
    /// The text is no JSON, or nested too deep.
    Json {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What the parser says.
        reason: String,
    },
    /// A value of another type than must stand here.
    Type {
        /// Where.
        path: String,
        /// What must stand there.
        expected: &'static str,
        /// What does.
        found: &'static str,
    },
    /// Something that must be there is not.
    Missing {
        /// Where it should be.
        path: String,
    },
    /// A name or key of more than 255 bytes.
    Name {
        /// Where.
        path: String,
        /// How long it is.
        error: NameTooLong,
    },
    /// A number that is no whole one, or too large for 64 bits with a sign.
    Number {
        /// Where.
        path: String,
        /// The number.
        number: String,
    },
    /// More arguments than one thing may have.
    TooMany {
        /// Where.
        path: String,
        /// The most there may be.
        limit: usize,
    },
    /// Two queues, exchanges or policies of one name that are not the same.
    Twice {
        /// Where the second is.
        path: String,
        /// Their name.
        name: String,
    },
    /// RabbitMQ would refuse this queue.
    Queue {
        /// Where.
        path: String,
        /// Why.
        error: Box<InvalidQueue>,
    },
    /// RabbitMQ would refuse this policy.
    Policy {
        /// Where.
        path: String,
        /// Why.
        error: Box<InvalidPolicy>,
    },
    /// Several virtual hosts hold something, and none was named.
    SeveralVhosts {
        /// Their names.
        names: Vec<String>,
    },
    /// The file knows no such virtual host.
    NoSuchVhost {
        /// The name asked for.
        name: String,
        /// Those it knows.
        known: Vec<String>,
    },
}

impl fmt::Display for DefinitionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The parser's own text says line and column.
            Self::Json { reason, .. } => write!(f, "this cannot be read as JSON: {reason}"),
            Self::Type { path, expected, found } => write!(f, "{path}: {found} stands where {expected} is expected"),
            Self::Missing { path } => write!(f, "{path} is missing"),
            Self::Name { path, error } => write!(f, "{path}: {error}"),
            Self::Number { path, number } => {
                write!(f, "{path}: {number} is no whole number of at most 64 bits with a sign")
            }
            Self::TooMany { path, limit } => write!(f, "{path}: more than {limit} entries"),
            Self::Twice { path, name } => {
                write!(f, "{path}: '{name}' stands here again, and not as before; remove one of the two")
            }
            Self::Queue { path, error } => write!(f, "{path}: RabbitMQ would refuse this queue: {error}"),
            Self::Policy { path, error } => write!(f, "{path}: RabbitMQ would refuse this policy: {error}"),
            Self::SeveralVhosts { names } => {
                write!(f, "several virtual hosts hold something: {}; name one", names.join(", "))
            }
            Self::NoSuchVhost { name, known } => {
                write!(f, "there is no virtual host '{name}' in it, only: {}", known.join(", "))
            }
        }
    }
}

impl std::error::Error for DefinitionsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Name { error, .. } => Some(error),
            Self::Queue { error, .. } => Some(error),
            Self::Policy { error, .. } => Some(error),
            _ => None,
        }
    }
}

/// Shortens text that a hostile file may have made long.
pub(super) fn shown(text: &str) -> String {
    match text.char_indices().nth(Name::MAX_BYTES) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
