//! Generations: how a publisher learns that a route it remembers may be stale.
//!
//! Each exchange has a counter. It goes up whenever the routes from that exchange may have changed: by its own
//! bindings or its deletion, or by those of an exchange that its messages may come to, over bindings or alternates,
//! however far. The counter outlives the exchange, for those who still hold it. Creating or deleting a queue counts as
//! a change of the default exchange.

use super::Graph;
use crate::base::sync::atomic::{AtomicU64, Ordering};
use crate::base::{ExchangeId, Name};
use smallvec::SmallVec;
use std::collections::BTreeSet;
use std::sync::Arc;

impl Graph {
    /// The counter of an exchange's changes.
    ///
    /// A change is counted with `Release` before the call that makes it returns; read it with `Acquire`, before the
    /// route is taken, under the lock that guards the graph. The end of the exchange is counted too; a later one of the
    /// same name has a counter of its own. For an exchange that is not there, a counter is given that never moves.
    #[must_use]
    pub fn generation(&self, id: ExchangeId) -> Arc<AtomicU64> {
        self.at(id).map_or_else(Arc::default, |exchange| Arc::clone(&exchange.generation))
    }

    /// Counts a change at these exchanges and at all upstream of them, once each.
    pub(super) fn touch(&mut self, exchanges: impl IntoIterator<Item = ExchangeId>) {
        self.last_mark += 1;
        let mut due: SmallVec<[ExchangeId; 16]> = exchanges.into_iter().collect();
        while let Some(id) = due.pop() {
            let Some(Some(exchange)) = self.exchanges.get_mut(id.0) else { continue };
            if std::mem::replace(&mut exchange.mark, self.last_mark) == self.last_mark {
                continue;
            }
            exchange.generation.fetch_add(1, Ordering::Release);
            due.extend(exchange.feeders.keys().copied());
            if let Some(pointing) = self.alternates.get(&exchange.spec.name) {
                due.extend(pointing.iter().copied());
            }
        }
    }

    /// Remembers that an exchange hands over to this name. The empty name leads nowhere, see `route`.
    pub(super) fn point(&mut self, id: ExchangeId, alternate: Option<&Name>) {
        if let Some(name) = alternate.filter(|name| !name.is_empty()) {
            self.alternates.entry(name.clone()).or_insert_with(BTreeSet::new).insert(id);
        }
    }

    /// Forgets that an exchange hands over to this name.
    pub(super) fn unpoint(&mut self, id: ExchangeId, alternate: Option<&Name>) {
        let Some(name) = alternate else { return };
        if let Some(pointing) = self.alternates.get_mut(name) {
            pointing.remove(&id);
            if pointing.is_empty() {
                self.alternates.remove(name);
            }
        }
    }
}
