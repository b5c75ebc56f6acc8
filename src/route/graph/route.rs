//! Routing: from an exchange and a message's keys and headers to queues.

use super::Graph;
use crate::base::ExchangeId;
use crate::message::Table;
use crate::route::hits::Hit;
use crate::route::scratch::Scratch;
use crate::route::spec::{Destination, Targets};
use smallvec::SmallVec;

impl Graph {
    /// Finds the queues that a message with these routing keys and headers reaches from an exchange.
    ///
    /// They replace what is in `out`; nothing is in it where no queue is reached or the exchange is not there.
    pub fn route<'k>(
        &self,
        exchange: ExchangeId,
        keys: impl Iterator<Item = &'k str>,
        headers: Option<&Table>,
        scratch: &mut Scratch,
        out: &mut Targets,
    ) {
        // A message mostly has one key; all exchanges on the way look at all of them.
        let keys: SmallVec<[&str; 4]> = keys.collect();
        out.clear();
        if exchange == Self::DEFAULT {
            return self.route_by_name(&keys, scratch, out);
        }
        scratch.begin();
        scratch.visit(exchange);
        let mut at = 0;
        while let Some(exchange) = scratch.worklist.get(at).copied() {
            self.pass(exchange, &keys, headers, scratch, out);
            at += 1;
        }
    }

    /// The default exchange: keys are names of queues.
    fn route_by_name(&self, keys: &[&str], scratch: &mut Scratch, out: &mut Targets) {
        if let [key] = keys {
            return out.extend(self.queue(key));
        }
        let mut hits = std::mem::take(&mut scratch.hits);
        hits.clear();
        let named = keys.iter().filter_map(|key| self.queue(key)).map(Destination::Queue);
        hits.extend(named.map(|to| Hit { born: 0, to }));
        scratch.follow(&hits, out);
        scratch.hits = hits;
    }

    /// Looks at one exchange: its queues become targets, its exchanges come next.
    fn pass(
        &self,
        exchange: ExchangeId,
        keys: &[&str],
        headers: Option<&Table>,
        scratch: &mut Scratch,
        out: &mut Targets,
    ) {
        let Some(exchange) = self.at(exchange) else { return };
        let mut hits = std::mem::take(&mut scratch.hits);
        hits.clear();
        exchange.matcher.collect(&self.bindings, (keys, headers), &mut scratch.walk, &mut hits);
        if hits.is_empty() {
            // The default exchange has no stored bindings, so as an alternate it would find nothing: not gone to.
            let alternate = exchange.spec.alternate.as_deref().and_then(|name| self.find(name));
            alternate.into_iter().for_each(|id| scratch.visit(id));
        }
        // Mostly one list, which is in order; otherwise few lists, each in order, which this sort merges. It works on
        // the stack up to some hundred hits.
        if !hits.is_sorted_by_key(|hit| hit.born) {
            hits.sort_by_key(|hit| hit.born);
        }
        scratch.follow(&hits, out);
        scratch.hits = hits;
    }
}
