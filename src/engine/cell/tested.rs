//! What only tests do to a cell: restart it, kill its consumers, hold deliveries back, look at who receives.

use super::QueueCell;
use super::inner::Inner;
use crate::base::{Moment, SessionId};
use crate::engine::Engine;
use crate::engine::sink::{Leaver, SinkOf, Sinks};
use crate::engine::work::Work;
use crate::port::Cause;
use std::sync::Arc;

impl QueueCell {
    /// Changes the consumers' sinks.
    pub(crate) fn with_sinks_mut<R>(&self, change: impl FnOnce(&mut Sinks) -> R) -> R {
        change(&mut self.inner.lock().sinks)
    }

    /// Puts down what was held back and is due now.
    pub(crate) fn release_held(self: &Arc<Self>, engine: &Engine, work: &mut Work, now: Moment) {
        let mut inner = self.inner.lock();
        let held = inner.sinks.take_due(now);
        if !held.is_empty() && !self.is_closed() {
            let inner = &mut *inner;
            held.into_iter().for_each(|handout| inner.put_down(self, work, handout));
            inner.conclude(self, engine, work);
        }
    }

    /// Looks at the consumers' sinks.
    pub(crate) fn with_sinks<R>(&self, look: impl FnOnce(&Sinks) -> R) -> R {
        look(&self.inner.lock().sinks)
    }

    /// The sessions of plain consumers and of channels that consume under this tag, in the order of their places.
    pub(crate) fn sessions_of_tag(&self, tag: &str) -> (Vec<SessionId>, Vec<SessionId>) {
        self.with_sinks(|sinks| {
            let (plain, others): (Vec<&SinkOf>, Vec<&SinkOf>) =
                sinks.iter().filter(|sink| *sink.tag == *tag).partition(|sink| !sink.is_channel());
            let sessions = |sinks: Vec<&SinkOf>| sinks.iter().map(|sink| sink.session).collect();
            (sessions(plain), sessions(others))
        })
    }

    /// Nothing more comes to the mailboxes of a session.
    pub(crate) fn end_mailboxes_of(self: &Arc<Self>, engine: &Engine, session: SessionId) {
        let mut work = Work::default();
        self.act(engine, &mut work, |_, sinks| sinks.end_mailboxes(|sink| sink.session == session));
        engine.finish(work);
    }

    /// The broker restarts: consumers end, what is out comes back, and what is not persistent is lost. Tells how many came
    /// back, and how many were lost. `None` where the queue was deleted.
    pub(crate) fn restart(self: &Arc<Self>, engine: &Engine, now: Moment, work: &mut Work) -> Option<(usize, usize)> {
        let (told, sinks) = self.act_leaving(engine, work, Leaver::Everybody, |state, sinks| {
            sinks.end_mailboxes(|_| true);
            if let Some(listening) = sinks.listening() {
                listening.because(Cause::BrokerRestarted);
                listening.all_left();
            }
            let out = state.counts().unacked;
            (out, state.restart(now, sinks))
        });
        work.rest().sinks.extend(sinks);
        told
    }
}

impl Inner {
    /// What is held back for those that leave comes to one that was cancelled, which has it out. For those whose session
    /// ends it is let go of: the queue has it back.
    pub(super) fn let_go_of_held(&mut self, cell: &Arc<QueueCell>, work: &mut Work, leaver: Leaver) {
        let leave: Vec<_> = self.sinks.iter().filter(|sink| leaver.is(sink)).map(|sink| sink.consumer).collect();
        for handout in self.sinks.take_held(|consumer| leave.contains(&consumer)) {
            match leaver {
                Leaver::Consumer(_) => self.put_down(cell, work, handout),
                Leaver::Session(_) | Leaver::Everybody => work.free_one(handout.envelope),
            }
        }
        self.carry_out(cell, work);
    }
}
