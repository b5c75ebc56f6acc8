//! The comparison: what was counted from facts against what the queues and the engine count themselves.

use super::tally::{Counts, Tally};
use crate::api::stats::{BrokerStats, QueueStats};
use crate::engine::Engine;

/// How often it is tried again where somebody uses the broker meanwhile.
const TRIES: usize = 8;

/// What differs; `None` where it could not be compared, since somebody uses the broker.
pub(super) fn compare(engine: &Engine, tally: &mut impl FnMut() -> Tally) -> Option<(Tally, Vec<String>)> {
    for _ in 0..TRIES {
        let counted = tally();
        let stats = BrokerStats::of(engine);
        if engine.is_told_up_to(counted.next) && !engine.is_working_off() {
            let differences = differences(&counted, &stats);
            return Some((counted, differences));
        }
    }
    None
}

fn differences(tally: &Tally, stats: &BrokerStats) -> Vec<String> {
    let mut found = Vec::new();
    for queue in &stats.queues {
        match tally.queues().iter().find(|known| known.queue == queue.name && known.exists) {
            Some(known) => of_queue(&known.counts.since(&known.before), queue, &mut found),
            None => found.push(format!("queue '{}' was never declared", queue.name)),
        }
    }
    let (publishes, letters) = (&tally.publishes, tally.letters());
    let without_queue = publishes.published - publishes.to_queues;
    for (what, counted, there) in [
        ("published", publishes.published, stats.publishes.published),
        ("without a queue", without_queue, stats.publishes.unroutable),
        ("dead letters arrived", letters.arrived, stats.dead_letters.arrived),
        ("without a dead-letter exchange", letters.no_dead_letter_exchange, stats.dead_letters.no_dead_letter_exchange),
        ("with a missing dead-letter exchange", letters.no_such_exchange, stats.dead_letters.no_such_exchange),
        ("unroutable dead letters", letters.unroutable, stats.dead_letters.unroutable),
        ("cut cycles", letters.cycles, stats.dead_letters.cycles),
        ("dead letters refused", letters.refused, stats.dead_letters.refused),
    ] {
        if counted != there {
            found.push(format!("{what}: {counted} heard, {there} counted by the broker"));
        }
    }
    found
}

fn of_queue(counts: &Counts, queue: &QueueStats, found: &mut Vec<String>) {
    let [ready, unacked, dying] = counts.held();
    let totals = &queue.totals;
    for (what, heard, there) in [
        ("entered", counts.entered.into(), totals.enqueued),
        ("ready", ready, queue.ready),
        ("unacknowledged", unacked, queue.unacked),
        ("dying", dying, queue.dying),
        ("delivered", counts.delivered.into(), totals.delivered),
        ("acknowledged", counts.acked.into(), totals.acknowledged),
        ("requeued", counts.requeued.into(), totals.requeued),
        ("rejected", counts.rejected.into(), totals.rejected),
        ("expired", counts.expired.into(), totals.expired),
        ("over the length", counts.max_length.into(), totals.max_length),
        ("over the delivery limit", counts.delivery_limit.into(), totals.delivery_limit),
        ("purged", counts.purged.into(), totals.purged),
        ("refused", counts.overflow.into(), totals.refused),
        ("refused at the broker's bound", counts.full.into(), totals.full),
    ] {
        if heard != i128::from(there) {
            found.push(format!("queue '{}', {what}: {heard} heard, {there} counted by the queue", queue.name));
        }
    }
}
