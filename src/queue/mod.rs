//! Floor 2: the queue.

mod spec;

pub use spec::{DeadLetter, Overflow, QueueKind, QueueSpec, Settings, Strategy, UnknownWord};
