//! Identities: newtypes over small integers, so that none is taken for another.
//!
//! They are given by counters and slots, never by addresses or chance, so that the same calls in the same order give
//! the same ids.

/// A queue, as the router and the engine know it: the number of its slot.
///
/// A slot is used again after its queue is deleted; the engine removes every binding of the queue first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueId(pub u32);

/// An exchange: the number of its slot in the routing graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExchangeId(pub u32);

/// Whoever holds deliveries of queues: a channel or a plain consumer. Never used twice within a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);
