//! Work: what acts on queues leave to do when their locks are free.

use super::cell::{Letter, QueueCell};
use super::waiter::Wakes;
use crate::message::Envelope;
use std::collections::VecDeque;
use std::sync::Arc;

/// Collected over one act or several, then done by [`Engine::finish`](super::Engine::finish).
#[derive(Debug, Default)]
pub(crate) struct Work {
    /// Whoever is to be woken.
    pub(crate) wakes: Wakes,
    /// The dead, in the order of death.
    pub(crate) letters: VecDeque<Letter>,
    /// Queues whose time without use has ended.
    pub(crate) expired: Vec<Arc<QueueCell>>,
    /// The dead that go nowhere.
    pub(crate) rubbish: Vec<Arc<Envelope>>,
    /// The timer must look at the deadlines again.
    pub(crate) kick: bool,
}
