//! What a restart of the broker does to a quorum queue (RabbitMQ: "Quorum Queues").

use super::QuorumQueue;
use crate::base::Moment;
use crate::queue::effect::Outbox;

impl QuorumQueue {
    /// The broker has come back: the consumers are gone, and what was out has returned, each session's as where its
    /// channel had ended. Nothing is lost, for a quorum queue stores whatever it takes.
    pub(crate) fn restart(&mut self, now: Moment, fx: &mut impl Outbox) {
        for id in self.consumers.ids() {
            // Nobody is served while others still leave.
            self.consumers.cancel(id);
        }
        let mut sessions: Vec<_> = self.unacked.iter().map(|(_, out)| out.session).collect();
        sessions.extend(self.consumers.sessions());
        sessions.sort_unstable();
        sessions.dedup();
        for session in sessions {
            self.close_session(now, session, fx);
        }
        self.used = now;
    }
}
