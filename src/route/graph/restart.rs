//! What a restart of the broker leaves of the graph (RabbitMQ: "Queues", "Exchanges", durability).

use super::Graph;
use crate::base::{ExchangeId, Name};
use crate::route::spec::ExchangeSpec;

impl Graph {
    /// Forgets these queues and every exchange that is not durable, with their bindings; tells those exchanges, in the order
    /// in which they were made. A binding stays where both its ends do. An auto-delete exchange does not go for having
    /// lost its last binding so: nobody unbound it.
    pub fn restart<'n>(&mut self, lost: impl Iterator<Item = &'n Name>) -> Vec<ExchangeSpec> {
        let of = |wanted: fn(&ExchangeSpec) -> bool| {
            let found = self.exchanges().filter(|(_, spec)| wanted(spec)).map(|(id, _)| id);
            found.collect::<Vec<ExchangeId>>()
        };
        let (staying, going) = (of(|spec| spec.durable && spec.auto_delete), of(|spec| !spec.durable));
        self.set_auto_delete(&staying, false);
        lost.for_each(|name| _ = self.remove_queue(name));
        // One that goes may be auto-delete itself, and lets others of its kind go; all are told once.
        let gone = going.into_iter().flat_map(|id| self.remove(id)).collect();
        self.set_auto_delete(&staying, true);
        gone
    }

    fn set_auto_delete(&mut self, ids: &[ExchangeId], auto_delete: bool) {
        for id in ids {
            if let Some(exchange) = self.at_mut(*id) {
                exchange.spec.auto_delete = auto_delete;
            }
        }
    }
}
