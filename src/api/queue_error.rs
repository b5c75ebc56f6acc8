//! What can be wrong with a queue that is asked for by its name.

use std::fmt;

/// Why a queue could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueueError {
    /// There is no queue of this name: it was never declared, or is deleted, or its time without use ended.
    NoQueue(String),
    /// The queue is exclusive to a connection; only that connection may use it.
    Locked(String),
    /// The queue has consumers, and the request was for an unused one.
    InUse(String),
    /// The queue holds messages, and the request was for an empty one.
    NotEmpty(String),
    /// The broker was shut down, or its last handle dropped.
    Closed,
}

impl fmt::Display for QueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoQueue(queue) => write!(f, "there is no queue '{queue}'; declare it first"),
            Self::Locked(queue) => {
                write!(f, "queue '{queue}' is exclusive to a connection; use it through a channel of that connection")
            }
            Self::InUse(queue) => write!(f, "queue '{queue}' has consumers; cancel them first, or delete it anyway"),
            Self::NotEmpty(queue) => write!(f, "queue '{queue}' holds messages; purge it first, or delete it anyway"),
            Self::Closed => f.write_str("the broker is closed; make a new one"),
        }
    }
}

impl std::error::Error for QueueError {}
