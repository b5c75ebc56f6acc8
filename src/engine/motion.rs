//! What receivers have before them, for a test that waits until they come to rest.

use super::Engine;
use super::cell::QueueCell;
use super::sink::Receiving;
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
    /// What that is.
    pub(crate) receiving: Receiving,
}

impl Receiver {
    /// Whether somebody waits here, or did before.
    pub(crate) fn is_attended(&self) -> bool {
        self.receiving.waits || self.receiving.woken
    }
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
                let mut receiving = sink.receiving();
                receiving.mail += sinks.held(sink.consumer);
                let (queue, tag) = (self.spec.name.clone(), sink.tag.clone());
                Receiver { queue, tag, session: sink.session, receiving }
            });
            receivers.collect()
        })
    }
}
