//! What receivers have before them, for a test that waits until they come to rest.

use super::Engine;
use super::cell::QueueCell;
use crate::base::{Name, SessionId};

/// A consumer, and what it has before it.
#[derive(Clone, Debug)]
pub(crate) struct Receiver {
    /// The queue.
    pub(crate) queue: Name,
    /// The consumer's tag.
    pub(crate) tag: Name,
    /// The plain consumer or channel.
    pub(crate) session: SessionId,
    /// How many deliveries are here that it has not received.
    pub(crate) mail: usize,
    /// Somebody was woken for it, and has not waited again.
    pub(crate) woken: bool,
}

impl Engine {
    /// All consumers of all queues, in the order of the queues' declaration and of their places there.
    pub(crate) fn receivers(&self) -> Vec<Receiver> {
        self.cells().iter().flat_map(|cell| cell.receivers()).collect()
    }

    /// How many deliveries nobody has settled, over all queues.
    pub(crate) fn unacked(&self) -> usize {
        self.cells().iter().map(|cell| cell.read(self, |state| state.counts().unacked)).sum()
    }
}

impl QueueCell {
    fn receivers(&self) -> Vec<Receiver> {
        self.with_sinks(|sinks| {
            let receivers = sinks.iter().map(|sink| {
                let (mail, woken) = sink.receiving();
                let (queue, tag) = (self.spec.name.clone(), sink.tag.clone());
                Receiver { queue, tag, session: sink.session, mail, woken }
            });
            receivers.collect()
        })
    }
}
