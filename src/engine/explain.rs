//! Explaining: where a message would go and what would become of it there, without giving it to anybody.
//!
//! One lock after the other: the topology's read lock for the walk, then each queue's for its forecast, then the
//! topology's again for each dead letter. So the parts may show different moments where others publish meanwhile.

use super::Engine;
use super::cascade::closes_cycle;
use super::cell::QueueCell;
use super::publish::{Cells, NoRoute, publishable_in};
use crate::base::Name;
use crate::message::{Envelope, Reason, SharedEnvelope};
use crate::queue::{DeadLetter, Forecast};
use crate::route::{Asked, Told};
use std::sync::Arc;

/// Why a message has no route, and which exchanges have names like the one that was asked for.
pub(crate) struct NoWay {
    pub(crate) why: NoRoute,
    pub(crate) like: Vec<String>,
}

/// Where a dead letter would go.
pub(crate) struct LetterTold {
    /// The letter.
    pub(crate) letter: SharedEnvelope,
    /// The queues it would come to, and whether each is cut out since it would go round for ever; `None` where there is no
    /// such exchange.
    pub(crate) targets: Option<Vec<(Name, bool)>>,
}

impl Engine {
    /// Tells the route of a message.
    pub(crate) fn explain_route(&self, exchange: &str, envelope: &Envelope) -> Result<(Told, Cells), NoWay> {
        let keys: Vec<&str> = envelope.keys().map(Name::as_str).collect();
        let asked = Asked { keys: &keys, headers: envelope.properties().headers.as_ref() };
        let topology = self.topology.read();
        let id = publishable_in(&topology, exchange).map_err(|why| {
            let like = if why == NoRoute::NoExchange { topology.graph.exchanges_like(exchange) } else { Vec::new() };
            NoWay { why, like }
        })?;
        let told = topology.graph.tell(id, asked);
        let cells = told.queues.iter().filter_map(|queue| topology.cell(*queue).cloned()).collect();
        Ok((told, cells))
    }

    /// What a queue would do with a message.
    pub(crate) fn forecast(&self, cell: &Arc<QueueCell>, envelope: &SharedEnvelope) -> Forecast {
        cell.read(self, |state| state.forecast(self.now_for(state, Some(envelope)), envelope))
    }

    /// Where a message goes that dies in a queue.
    pub(crate) fn tell_letter(
        &self,
        source: &QueueCell,
        envelope: &Envelope,
        reason: Reason,
        dead_letter: &DeadLetter,
    ) -> LetterTold {
        let letter =
            self.write_letter(self.clock.now(), source, (envelope, envelope.failures()), reason, dead_letter.clone());
        let targets = self.route_letter(&letter).map(|cells| {
            cells.iter().map(|cell| (cell.spec.name.clone(), closes_cycle(&letter, reason, cell))).collect()
        });
        LetterTold { letter, targets }
    }

    /// Whether somebody waits for a message as a direct reply.
    pub(crate) fn is_reply(&self, envelope: &Envelope) -> bool {
        self.may_be_reply(envelope) && envelope.keys().any(|key| self.replies.is_open(key))
    }
}
