//! Work: what acts on queues leave to do when their locks are free.

use super::cell::{Letter, QueueCell};
use super::sink::SinkOf;
use super::waiter::{Waiter, Wakes};
use crate::message::SharedEnvelope;
use crate::queue::FreedEnvelopes;
use std::collections::VecDeque;
use std::sync::Arc;

/// Collected over one act or several, then done by [`Engine::finish`](super::Engine::finish). Most acts leave nothing, or
/// one receiver to be woken; whatever else there may be is behind a pointer.
#[derive(Debug, Default)]
pub(crate) struct Work {
    wake: Option<Waiter>,
    /// The timer must look at the deadlines again.
    pub(crate) kick: bool,
    /// A message that nobody has any more.
    freed: Option<SharedEnvelope>,
    rest: Option<Box<Rest>>,
}

/// What only some acts leave to do.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    /// Whoever else is to be woken.
    wakes: Wakes,
    /// What else nobody has any more.
    freed: Vec<SharedEnvelope>,
    /// The dead, in the order of death.
    pub(crate) letters: VecDeque<Letter>,
    /// Queues whose time without use has ended.
    pub(crate) expired: Vec<Arc<QueueCell>>,
    /// The dead that go nowhere.
    pub(crate) rubbish: Vec<SharedEnvelope>,
    /// The places of consumers that went: the last hold on a consumer may be here.
    pub(crate) sinks: Vec<SinkOf>,
}

impl Work {
    /// Whether there is nothing to do, but that a message may be to be freed.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.wake.is_none() && !self.kick && self.rest.is_none()
    }

    /// What is to be freed, where nothing else is to be done.
    #[inline]
    pub(crate) fn into_freed(self) -> Option<SharedEnvelope> {
        self.freed
    }

    /// Somebody is to be woken.
    pub(crate) fn wake(&mut self, waiter: Waiter) {
        match &mut self.wake {
            None => self.wake = Some(waiter),
            Some(_) => self.rest().wakes.push(waiter),
        }
    }

    /// All of these are to be woken.
    pub(crate) fn wake_all(&mut self, waiters: impl Iterator<Item = Waiter>) {
        self.rest().wakes.extend(waiters);
    }

    /// Whether a message is to be freed.
    #[inline]
    pub(crate) fn has_freed(&self) -> bool {
        self.freed.is_some()
    }

    /// These are to be freed.
    pub(crate) fn free(&mut self, envelopes: FreedEnvelopes) {
        envelopes.into_iter().for_each(|envelope| self.free_one(envelope));
    }

    /// All of these are to be freed.
    pub(crate) fn free_all(&mut self, mut envelopes: Vec<SharedEnvelope>) {
        if !envelopes.is_empty() {
            let freed = &mut self.rest().freed;
            // Mostly there are no others yet.
            std::mem::swap(freed, &mut envelopes);
            freed.append(&mut envelopes);
        }
    }

    /// This is to be freed.
    pub(crate) fn free_one(&mut self, envelope: SharedEnvelope) {
        match &mut self.freed {
            None => self.freed = Some(envelope),
            Some(_) => self.rest().freed.push(envelope),
        }
    }

    /// The place for what only some acts leave to do.
    pub(crate) fn rest(&mut self) -> &mut Rest {
        self.rest.get_or_insert_default()
    }

    /// What there is of it.
    pub(crate) fn rest_if_any(&mut self) -> Option<&mut Rest> {
        self.rest.as_deref_mut()
    }

    /// Whoever is to be woken, what is to be freed, and the rest.
    pub(crate) fn into_ends(self) -> (Option<Waiter>, Option<SharedEnvelope>, Option<Box<Rest>>) {
        (self.wake, self.freed, self.rest)
    }
}

impl Rest {
    /// Whoever else is to be woken.
    pub(crate) fn take_wakes(&mut self) -> Wakes {
        std::mem::take(&mut self.wakes)
    }

    /// What else is to be freed.
    pub(crate) fn into_freed(self) -> (Vec<SharedEnvelope>, Vec<SharedEnvelope>, Vec<SinkOf>) {
        (self.freed, self.rubbish, self.sinks)
    }
}
