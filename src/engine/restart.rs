//! A restart of the broker, or the death of a consumer's program, for tests: what a RabbitMQ node would have lost is lost, what it would have kept is there.
//!
//! First every queue loses its consumers, and gets back what was out, so that nothing is handed to anybody who is about
//! to go too. Then the connections end, and their exclusive queues with them. Then whatever is not durable goes: queues
//! with what is in them, exchanges, and the bindings of both. Nothing of that is dead-lettered. Policies stay.

use super::Engine;
use super::cell::QueueCell;
use super::work::Work;
use crate::base::{Moment, Name, SessionId};
use crate::port::{Cause, What};
use std::sync::Arc;

/// What a restart did to one queue.
#[derive(Clone, Debug)]
pub(crate) struct RestartedQueue {
    /// Which.
    pub(crate) name: Name,
    /// Whether it is there any more.
    pub(crate) stayed: bool,
    /// How many messages were out, and came back.
    pub(crate) returned: usize,
    /// How many messages it lost: the transient ones, or all.
    pub(crate) lost: usize,
}

/// What a restart did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Restarted {
    /// To each queue, in the order in which they were declared.
    pub(crate) queues: Vec<RestartedQueue>,
    /// The exchanges that went.
    pub(crate) exchanges: Vec<Name>,
    /// How many plain consumers ended.
    pub(crate) consumers: usize,
}

impl Engine {
    /// Ends the plain consumers of this tag, as where their programs die: what they have comes back. Tells the sessions of
    /// channels that have consumers of this tag, whose connections are to be ended, and how many plain ones there were.
    pub(crate) fn crash(&self, tag: &str) -> (Vec<SessionId>, usize) {
        let (mut channels, mut crashed) = (Vec::new(), 0);
        for cell in self.cells() {
            let (plain, others) = cell.sessions_of_tag(tag);
            channels.extend(others);
            for session in plain {
                crashed += 1;
                self.kill(&cell, session);
            }
        }
        (channels, crashed)
    }

    /// Restarts. `end_connections` ends all there are.
    pub(crate) fn restart(&self, end_connections: impl FnOnce()) -> Restarted {
        while self.work_off_backlog() {}
        let now = self.clock.now();
        let mut work = Work::default();
        let cells = self.cells();
        let mut queues: Vec<RestartedQueue> = Vec::with_capacity(cells.len());
        let mut consumers = 0;
        for cell in &cells {
            consumers += cell.with_sinks(|sinks| sinks.iter().filter(|sink| !sink.is_channel()).count());
            let (returned, lost) = cell.restart(self, now, &mut work).unwrap_or_default();
            let stayed = cell.spec.durable && cell.owner.is_none();
            queues.push(RestartedQueue { name: cell.spec.name.clone(), stayed, returned, lost });
        }
        end_connections();
        let exchanges = self.lose(&cells, &mut queues, &mut work);
        self.finish(work);
        while self.work_off_backlog() {}
        self.tell();
        Restarted { queues, exchanges, consumers }
    }

    /// Takes out what is not durable.
    fn lose(&self, cells: &[Arc<QueueCell>], queues: &mut [RestartedQueue], work: &mut Work) -> Vec<Name> {
        let mut topology = self.topology.write();
        let mut lost = Vec::new();
        for (cell, queue) in cells.iter().zip(queues).filter(|(_, queue)| !queue.stayed) {
            let closed = cell.close(self, work, Cause::BrokerRestarted, |_| Ok::<(), std::convert::Infallible>(()));
            if let Ok(Some(ready)) = closed {
                queue.lost += ready;
                self.deadlines.set(cell.id, Moment::MAX);
                topology.forget(cell);
                lost.push(&cell.spec.name);
            }
        }
        let gone = topology.graph.restart(lost.into_iter()).into_iter().map(|spec| spec.name);
        gone.inspect(|exchange| self.say(|| What::ExchangeDeleted { exchange: exchange.clone() })).collect()
    }
}
