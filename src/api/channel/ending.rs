//! The end of a channel, in its two steps: the inbox ends, then the queues have back what was out.
//!
//! Between the steps the other channels of an ending connection can end too, so that none is handed what the first one
//! held. The first step needs the channel's lock, the second none.

use super::inbox::{Arrival, Unreceived};
use super::{ChannelCell, Close, State};
use crate::base::sync::atomic::Ordering;
use crate::base::{Name, SessionId};
use crate::engine::Engine;
use crate::engine::cell::QueueCell;
use crate::engine::waiter::{Waiter, wake_all};
use crate::port::Cause;
use crate::queue::QueueKind;
use std::sync::Arc;

/// What is left of a channel whose inbox has ended.
#[derive(Debug)]
#[must_use = "its queues wait for what it held"]
pub(crate) struct Ending {
    session: SessionId,
    /// Those that still know the channel.
    concerned: Vec<Arc<QueueCell>>,
    /// The address of its direct replies.
    reply: Option<Name>,
    /// Who waits for an event.
    waiting: Vec<Waiter>,
    /// What it never received: freed without the channel's lock.
    _dropped: Vec<Arrival>,
}

impl ChannelCell {
    /// The first step, on an open channel. A channel that has ended is not told what its end leads to, so this comes
    /// before any queue hears of it.
    pub(super) fn end_inbox(&self, state: &mut State, close: Option<Close>, unreceived: Unreceived) -> Ending {
        self.open.store(false, Ordering::Release);
        let State { mut session, reply, published } = std::mem::take(state);
        let held = session.transaction().map(|transaction| transaction.rollback()).unwrap_or_default();
        let concerned = self.inbox.concerned(held.into_iter().map(|(_, entry)| entry), published.into_values());
        let (waiting, dropped) = self.inbox.end(close, unreceived);
        let reply = reply.map(|reply| reply.address);
        Ending { session: self.inbox.session, concerned, reply, waiting, _dropped: dropped }
    }
}

impl Ending {
    /// A part of the second step: classic queues have back what was out.
    pub(crate) fn leave_classic(&mut self, engine: &Engine, cause: Cause) {
        let classic = |queue: &Arc<QueueCell>| queue.spec.kind == QueueKind::Classic;
        let (classic, others) = std::mem::take(&mut self.concerned).into_iter().partition(classic);
        self.concerned = others;
        leave(engine, classic, self.session, cause);
    }

    /// The second step, or what is left of it.
    pub(crate) fn finish(self, engine: &Engine, cause: Cause) {
        leave(engine, self.concerned, self.session, cause);
        if let Some(address) = self.reply {
            engine.replies.close(&address);
        }
        wake_all(self.waiting.into_iter().collect());
    }
}

/// Ends consumers, gives back what is out.
fn leave(engine: &Engine, queues: Vec<Arc<QueueCell>>, session: SessionId, cause: Cause) {
    for queue in queues {
        engine.close_session(&queue, session, cause);
    }
}
