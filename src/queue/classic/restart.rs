//! What a restart of the broker does to a classic queue (RabbitMQ: "Queues", durability; "Publishers", persistence).

use super::ClassicQueue;
use crate::base::Moment;
use crate::queue::effect::{Note, Outbox};
use crate::queue::entry::note_all;

impl ClassicQueue {
    /// The broker has come back: the consumers are gone, what was out has returned to its place, in the order in which it
    /// was handed over, and what is not persistent is lost. The time without use begins anew. Tells how many were lost.
    ///
    /// What was lent is with its receivers and cannot come back: only for queues that keep what is out.
    pub(crate) fn restart(&mut self, now: Moment, fx: &mut impl Outbox) -> usize {
        debug_assert_eq!(self.lent.count, 0, "a queue that lends cannot be restarted");
        for (consumer, _) in self.consumers.all() {
            self.consumers.remove(consumer);
        }
        self.consumers.forget_all_departed();
        for reference in self.unacked.in_order() {
            if let Some(out) = self.unacked.take(reference) {
                self.put_back(out.entry, fx);
            }
        }
        let lost = self.ready.take_transient();
        let count = lost.len();
        self.totals.lost += count as u64;
        note_all(lost.iter(), Note::Lost { unacked: false }, fx);
        lost.into_iter().for_each(|entry| self.freed.put(entry.envelope));
        self.used = now;
        self.drop_over_length(fx);
        self.expire(now, fx);
        count
    }
}
